/* str objects for the bytes of requests: what keep-alive connections repeat (Host, User-Agent,
 * the path) is looked up, not made anew.
 *
 * A direct-mapped cache: a value that falls into a taken slot replaces its owner, so a peer can
 * make it useless but never slower than having none, and never larger. With the GIL. */
#ifndef GATEWAY_PY_TEXT_H
#define GATEWAY_PY_TEXT_H

#include <stdint.h>

#include "base/slice.h"
#include "gateway/py_compat.h"

enum { PY_TEXT_SLOTS = 512, PY_TEXT_MAX = 128 };

struct py_text_slot {
    uint64_t hash;
    PyObject *text; /* NULL: empty */
};

struct py_text {
    struct py_text_slot slots[PY_TEXT_SLOTS]; /* private */
};

void py_text_init(struct py_text *cache);
void py_text_clear(struct py_text *cache);

/* Of bytes that are compared in any case: a collision costs time and nothing else. */
uint64_t py_text_hash(struct slice bytes);

/* The bytes decoded as latin-1 (PEP 3333 "Unicode Issues"). [new] NULL with MemoryError. */
PyObject *py_text_get(struct py_text *cache, struct slice bytes);

/* The same, for what will hardly come again. */
static inline PyObject *py_text_make(struct slice bytes) {
    return PyUnicode_DecodeLatin1((const char *)bytes.at, (Py_ssize_t)bytes.len, NULL);
}

#endif
