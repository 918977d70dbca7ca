/* str objects for the bytes of requests: what keep-alive connections repeat (Host, User-Agent,
 * the path) is looked up, not made anew.
 *
 * A direct-mapped cache: a value that falls into a taken slot replaces its owner, so a peer can
 * make it useless but never slower than having none, and never larger. With the GIL. */
#ifndef GATEWAY_WSGI_TEXT_H
#define GATEWAY_WSGI_TEXT_H

#include <stdint.h>

#include "base/slice.h"
#include "gateway/py_compat.h"

enum { WSGI_TEXT_SLOTS = 512, WSGI_TEXT_MAX = 128 };

struct wsgi_text_slot {
    uint64_t hash;
    PyObject *text; /* NULL: empty */
};

struct wsgi_text {
    struct wsgi_text_slot slots[WSGI_TEXT_SLOTS]; /* private */
};

void wsgi_text_init(struct wsgi_text *cache);
void wsgi_text_clear(struct wsgi_text *cache);

/* Of bytes that are compared in any case: a collision costs time and nothing else. */
uint64_t wsgi_text_hash(struct slice bytes);

/* The bytes decoded as latin-1 (PEP 3333 "Unicode Issues"). [new] NULL with MemoryError. */
PyObject *wsgi_text_get(struct wsgi_text *cache, struct slice bytes);

/* The same, for what will hardly come again. */
static inline PyObject *wsgi_text_make(struct slice bytes) {
    return PyUnicode_DecodeLatin1((const char *)bytes.at, (Py_ssize_t)bytes.len, NULL);
}

#endif
