/* From the notation of access logs to parts; see access_format.h. */
#include "http/access_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

#include "base/banned.h"

/* Bytes of a format, and percent signs in it, at the most. */
enum { FORMAT_BYTES = 16 * 1024, FORMAT_ATOMS = 256 };

#define COMMON "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s"

#define JSON                                                                                       \
    "{\"time\":\"%(time)s\",\"client\":\"%(h)s\",\"method\":\"%(m)s\",\"path\":\"%(U)s\","         \
    "\"query\":\"%(q)s\",\"protocol\":\"%(H)s\",\"status\":%(s)s,\"bytes\":%(B)s,"                 \
    "\"duration_us\":%(D)s,\"referer\":\"%(f)s\",\"user_agent\":\"%(a)s\",\"user\":\"%(u)s\","     \
    "\"request_id\":\"%(I)s\",\"pid\":%(p)s}"

static const char *const presets[][2] = {
    {"common", COMMON},
    {"combined", COMMON " \"%(f)s\" \"%(a)s\""},
    {"json", JSON},
};

struct row {
    const char *text;
    enum access_atom atom;
    enum access_when when;
};

static const struct row rows[] = {
#define X(atom, text, when, help) {text, atom, when},
    ACCESS_ATOMS(X)
#undef X
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* A format that is being read. */
struct reading {
    struct access_format *format;
    struct slice rest;
    char *end; /* of what is used of format->memory */
};

static struct slice whole(const char *text) {
    return slice_of(text, strlen(text));
}

size_t access_format_escape(const struct access_format *format, char *text, size_t size,
                            struct slice bytes) {
    return format->json ? log_escape_json(text, size, bytes) : log_escape(text, size, bytes);
}

/* Behind a literal more of it, else a new part. [borrows text] */
static void add_literal(struct reading *reading, const char *text, size_t len) {
    struct access_format *format = reading->format;
    struct access_part *last = format->count > 0 ? &format->parts[format->count - 1] : NULL;
    format->most += len;
    if (last && last->atom == ACCESS_LITERAL) {
        last->text.len += len; /* it ends where this begins */
    } else {
        format->parts[format->count++] =
            (struct access_part){.atom = ACCESS_LITERAL, .text = slice_of(text, len)};
    }
}

static void copy_literal(struct reading *reading, struct slice text) {
    memcpy(reading->end, text.at, text.len);
    add_literal(reading, reading->end, text.len);
    reading->end += text.len;
}

/* What a missing value is written as. */
static struct slice missing(const struct access_format *format) {
    return format->json ? SLICE("") : SLICE("-");
}

/* A part that is always the same. */
static void add_constant(struct reading *reading, enum access_atom atom, struct slice name) {
    char text[ACCESS_TEXT];
    const char *value = NULL;
    if (atom == ACCESS_PID) {
        int len = snprintf(text, sizeof(text), "%d", (int)getpid());
        copy_literal(reading, slice_of(text, len > 0 ? (size_t)len : 0));
        return;
    }
    if (atom == ACCESS_ENV && name.len < sizeof(text)) {
        memcpy(text, name.at, name.len);
        text[name.len] = '\0';
        value = getenv(text);
    }
    if (!value || !*value) {
        copy_literal(reading, missing(reading->format));
        return;
    }
    size_t len = access_format_escape(reading->format, text, sizeof(text), whole(value));
    copy_literal(reading, slice_of(text, len));
}

static bool is_text(enum access_when when, enum access_atom atom) {
    return when == ACCESS_REQUEST || when == ACCESS_HEAD || atom == ACCESS_REQUEST_ID;
}

static void add_atom(struct reading *reading, const struct row *row, struct slice name) {
    struct access_format *format = reading->format;
    if (row->when == ACCESS_ALWAYS) {
        add_constant(reading, row->atom, name);
        return;
    }
    struct access_part part = {.atom = row->atom, .when = row->when};
    if (name.len > 0) {
        memcpy(reading->end, name.at, name.len);
        part.text = slice_of(reading->end, name.len);
        part.id = header_id_of(name);
        reading->end += name.len;
    }
    format->has_head |= row->when == ACCESS_HEAD;
    format->most += is_text(row->when, row->atom) ? ACCESS_TEXT : ACCESS_NUMBER;
    format->parts[format->count++] = part;
}

/* The row of what stands between the parentheses; NULL: there is none. */
static const struct row *find_row(struct slice inner, struct slice *name) {
    bool named = inner.len > 3 && inner.at[0] == '{' && inner.at[inner.len - 2] == '}';
    *name = named ? slice_of(inner.at + 1, inner.len - 3) : SLICE("");
    for (size_t i = 0; i < ROWS; i++) {
        struct slice text = whole(rows[i].text);
        bool fits = text.at[0] != '{' ? slice_equal(text, inner)
                                      : named && text.at[2] == inner.at[inner.len - 1];
        if (fits) {
            return &rows[i];
        }
    }
    return NULL;
}

static const struct row *row_of(enum access_atom atom) {
    const struct row *row = rows;
    while (row->atom != atom) {
        row++;
    }
    return row;
}

/* What a `{}e` is: gunicorn reads it from the WSGI environment (PEP 3333), so its names are those
 * of parts here; any other is a variable of the worker's environment. */
static void add_variable(struct reading *reading, struct slice name) {
    static const struct {
        const char *name;
        enum access_atom atom;
    } variables[] = {
        {"REQUEST_METHOD", ACCESS_METHOD}, {"PATH_INFO", ACCESS_PATH},
        {"QUERY_STRING", ACCESS_QUERY},    {"SERVER_PROTOCOL", ACCESS_PROTOCOL},
        {"REMOTE_ADDR", ACCESS_CLIENT},
    };
    const struct slice prefix = SLICE("HTTP_");
    char field[128];
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        if (slice_equal(name, whole(variables[i].name))) {
            add_atom(reading, row_of(variables[i].atom), SLICE(""));
            return;
        }
    }
    if (name.len <= prefix.len || name.len - prefix.len > sizeof(field) ||
        !slice_equal(slice_of(name.at, prefix.len), prefix)) {
        add_constant(reading, ACCESS_ENV, name);
        return;
    }
    struct slice upper = slice_of(name.at + prefix.len, name.len - prefix.len);
    for (size_t i = 0; i < upper.len; i++) {
        field[i] = upper.at[i] == '_' ? '-' : (char)upper.at[i];
    }
    add_atom(reading, row_of(ACCESS_IN), slice_of(field, upper.len));
}

/* What begins with a percent sign. 0, or ERR_LOG_ATOM with *wrong. */
static int read_atom(struct reading *reading, struct slice *wrong) {
    struct slice rest = reading->rest;
    if (rest.len > 1 && rest.at[1] == '%') {
        copy_literal(reading, slice_of(rest.at, 1));
        reading->rest = slice_of(rest.at + 2, rest.len - 2);
        return 0;
    }
    const uint8_t *close =
        rest.len > 1 && rest.at[1] == '(' ? memchr(rest.at, ')', rest.len) : NULL;
    const uint8_t *end = rest.at + rest.len;
    struct slice name;
    *wrong = slice_of(rest.at, close ? (size_t)(close - rest.at) + 1 : rest.len);
    if (!close || close + 1 == end || close[1] != 's') {
        return ERR_LOG_ATOM;
    }
    wrong->len++;
    const struct row *row = find_row(slice_of(rest.at + 2, (size_t)(close - rest.at) - 2), &name);
    if (!row) {
        return ERR_LOG_ATOM;
    }
    if (row->atom == ACCESS_ENV) {
        add_variable(reading, name);
    } else {
        add_atom(reading, row, name);
    }
    reading->rest = slice_of(close + 2, (size_t)(end - close) - 2);
    return 0;
}

/* What stands for itself, up to the next atom. A control character but the tab is refused: it
 * would break the line. */
static int read_literal(struct reading *reading, struct slice *wrong) {
    struct slice rest = reading->rest;
    size_t len = 0;
    for (; len < rest.len && rest.at[len] != '%'; len++) {
        uint8_t c = rest.at[len];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            *wrong = slice_of(rest.at + len, 1);
            return ERR_LOG_ATOM;
        }
    }
    copy_literal(reading, slice_of(rest.at, len));
    reading->rest = slice_of(rest.at + len, rest.len - len);
    return 0;
}

static int read_all(struct access_format *format, struct slice text, struct slice *wrong) {
    struct reading reading = {.format = format, .rest = text, .end = format->memory};
    int err = 0;
    format->json = text.len > 0 && text.at[0] == '{';
    format->most = 1; /* the line's end */
    while (!err && reading.rest.len > 0) {
        err =
            reading.rest.at[0] == '%' ? read_atom(&reading, wrong) : read_literal(&reading, wrong);
        if (!err && format->most > ACCESS_LINE) {
            err = ERR_LOG_LINE;
        }
    }
    return err;
}

static size_t count_of(struct slice text, uint8_t c) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += text.at[i] == c;
    }
    return count;
}

int access_format_init(struct access_format *format, struct slice text, struct slice *wrong) {
    *format = (struct access_format){0};
    for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
        if (slice_equal(text, whole(presets[i][0]))) {
            text = whole(presets[i][1]);
        }
    }
    size_t atoms = count_of(text, '%');
    if (text.len > FORMAT_BYTES || atoms > FORMAT_ATOMS) {
        return ERR_LOG_LINE;
    }
    /* A literal may stand on both sides of each atom; a constant may be ACCESS_TEXT long. */
    format->parts = calloc(2 * atoms + 1, sizeof(*format->parts));
    format->memory = malloc(text.len + atoms * ACCESS_TEXT + 1);
    int err = format->parts && format->memory ? read_all(format, text, wrong) : ERR_NOMEM;
    if (err) {
        access_format_release(format);
    }
    return err;
}

void access_format_release(struct access_format *format) {
    free(format->parts);
    free(format->memory);
    *format = (struct access_format){0};
}
