/* One function over llhttp that does what the other parsers do: note where each part of a head
 * lies. Compiled by run.py together with llhttp's own files. */
#include <stddef.h>

#include <llhttp.h>

#define FIELDS_MAX 100

struct span {
    const char *at;
    size_t len;
};

struct found {
    llhttp_t parser; /* first: the callbacks get its address */
    struct span target;
    struct span names[FIELDS_MAX];
    struct span values[FIELDS_MAX];
    int fields;
};

static int on_target(llhttp_t *parser, const char *at, size_t len) {
    ((struct found *)parser)->target = (struct span){at, len};
    return 0;
}

static int on_name(llhttp_t *parser, const char *at, size_t len) {
    struct found *found = (struct found *)parser;
    found->names[found->fields] = (struct span){at, len};
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len) {
    struct found *found = (struct found *)parser;
    found->values[found->fields++] = (struct span){at, len};
    return found->fields < FIELDS_MAX ? 0 : -1;
}

static const llhttp_settings_t settings = {
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
};

int llhttp_adapter_parse(const char *bytes, size_t len) {
    struct found found;
    found.fields = 0;
    llhttp_init(&found.parser, HTTP_REQUEST, &settings);
    llhttp_errno_t err = llhttp_execute(&found.parser, bytes, len);
    __asm__ volatile("" : : "r"(&found) : "memory");
    return err == HPE_OK ? found.fields : -1;
}
