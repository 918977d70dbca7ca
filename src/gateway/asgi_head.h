/* The head of a response, as the application gave it: a status and fields, read in place.
 * The slices point into bytes objects that the head owns. With the GIL. */
#ifndef GATEWAY_ASGI_HEAD_H
#define GATEWAY_ASGI_HEAD_H

#include <stddef.h>

#include "gateway/py_compat.h"
#include "http/exchange.h"

enum { ASGI_HEAD_FIELDS = 12 };

struct asgi_head {
    /* read-only */
    int status;
    size_t count;
    struct response_field *fields;
    /* private */
    size_t room;
    PyObject **owners; /* of the fields, two each */
    PyObject *near_owners[2 * ASGI_HEAD_FIELDS];
    struct response_field near_fields[ASGI_HEAD_FIELDS];
};

void asgi_head_init(struct asgi_head *head);

/* Adds a field. [borrows name and value, which are bytes] 0, or -1 with MemoryError. */
int asgi_head_add(struct asgi_head *head, PyObject *name, PyObject *value);

/* Adds the pairs of an iterable: `headers` of a message. [borrows headers] Runs Python code.
 * 0, or -1 with an exception that says what is wrong and what is allowed; what was added stays. */
int asgi_head_add_all(struct asgi_head *head, PyObject *headers);

/* Adds the fields of another. 0, or -1 with MemoryError; what was added stays. */
int asgi_head_append(struct asgi_head *head, const struct asgi_head *from);

/* Drops what it holds. */
void asgi_head_clear(struct asgi_head *head);

/* Raises what the protocol has refused in `head`, or in the response. NULL, for the caller to
 * return. */
PyObject *asgi_head_blame(const struct asgi_head *head, int err);

#endif
