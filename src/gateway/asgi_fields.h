/* The `headers` of a scope: a list of (name, value) pairs of bytes, names in lower case, in the
 * order of the wire.
 *
 * Clients repeat their fields from request to request: a block of fields that comes a second time
 * is kept as a tuple of pairs, and the third request's list is made of them; single fields with
 * a known name are kept as well, so that connections which wait for long share them. Direct-mapped
 * and bounded, so that a peer can make it useless but never larger. With the GIL, loop thread. */
#ifndef GATEWAY_ASGI_FIELDS_H
#define GATEWAY_ASGI_FIELDS_H

#include <stdint.h>

#include "gateway/py_compat.h"
#include "http/exchange.h"

enum { ASGI_BLOCKS = 64, ASGI_BLOCK_MAX = 2048, ASGI_PAIRS = 256, ASGI_PAIR_MAX = 256 };

struct asgi_block {
    uint64_t hash; /* of the last block that came here; 0: none has */
    size_t len;
    uint8_t *bytes;  /* NULL: nothing is kept yet */
    PyObject *pairs; /* a tuple */
};

struct asgi_fields {
    PyObject *names[HEADER_COUNT]; /* bytes; private */
    struct asgi_block blocks[ASGI_BLOCKS];
    PyObject *pairs[ASGI_PAIRS]; /* tuples; NULL: empty */
};

/* In zeroed memory. 0, or -1 with an exception; to be released in either case. */
int asgi_fields_init(struct asgi_fields *fields);
void asgi_fields_release(struct asgi_fields *fields);

/* [new] the list; NULL with an exception. */
PyObject *asgi_fields_make(struct asgi_fields *fields, const struct request *request);

#endif
