/* Look-ups in the table of err.h. */
#include "base/err.h"

#include <stddef.h>

#include "base/banned.h"

struct row {
    const char *name;
    const char *text;
    int status;
};

static const struct row rows[] = {
#define X(name, text, status) {#name, text, status},
    ERR_TABLE(X)
#undef X
};

static const struct row *row_of(int err) {
    if (err >= 0 || err < -(int)ERR_COUNT) {
        return NULL;
    }
    return &rows[-1 - err];
}

const char *err_text(int err) {
    const struct row *row = row_of(err);
    return row ? row->text : "unknown error";
}

const char *err_name(int err) {
    const struct row *row = row_of(err);
    return row ? row->name : "ERR_UNKNOWN";
}

int err_status(int err) {
    const struct row *row = row_of(err);
    return row ? row->status : 500;
}
