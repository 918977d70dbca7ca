/* A request's body while it is gathered: in memory while it is short, then in a temporary file
 * without a name. Knows nothing of Python or of the exchange; wsgi.c fills it, wsgi_input.c
 * reads it. Its writes are to the page cache: they do not wait for the disk. */
#ifndef GATEWAY_WSGI_BODY_H
#define GATEWAY_WSGI_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum { WSGI_BODY_MEMORY = 64 * 1024 };

struct wsgi_body {
    /* read-only */
    uint8_t *memory; /* the body, where fd is -1; may be NULL for an empty one */
    int fd;          /* -1, or the file that holds it, and then memory is NULL */
    uint64_t len;
    /* private */
    size_t room;
};

static inline void wsgi_body_init(struct wsgi_body *body) {
    *body = (struct wsgi_body){.fd = -1};
}

void wsgi_body_release(struct wsgi_body *body);

/* Puts `bytes` at the end. `expected`: the whole body's length where it is known, else 0.
 * `directory`: where the file is made. 0, ERR_NOMEM, or ERR_SYSTEM with errno. */
int wsgi_body_append(struct wsgi_body *body, struct slice bytes, uint64_t expected,
                     const char *directory);

#endif
