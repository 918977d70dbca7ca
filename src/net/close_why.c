/* Look-ups in the table of close_why.h. */
#include "net/close_why.h"

#include "base/banned.h"

struct row {
    const char *name;
    const char *text;
    bool resets;
};

static const struct row rows[] = {
#define X(name, text, resets) {#name, text, resets},
    CLOSE_TABLE(X)
#undef X
};

const char *close_why_text(enum close_why why) {
    return rows[why].text;
}

const char *close_why_name(enum close_why why) {
    return rows[why].name;
}

bool close_why_resets(enum close_why why) {
    return rows[why].resets;
}
