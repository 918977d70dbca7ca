/* The Python types of the WSGI gateway, made once a module. */
#ifndef GATEWAY_WSGI_TYPES_H
#define GATEWAY_WSGI_TYPES_H

#include "gateway/py_compat.h"

#define WSGI_TYPES(X)                                                                              \
    X(start_response)                                                                              \
    X(write)                                                                                       \
    X(input)                                                                                       \
    X(errors)                                                                                      \
    X(file)

struct wsgi_types {
#define X(name) PyTypeObject *name;
    WSGI_TYPES(X)
#undef X
};

/* Makes them for `module`, in zeroed memory. 0, or -1 with an exception; what was made is the
 * caller's to clear in either case. */
int wsgi_types_init(struct wsgi_types *types, PyObject *module);

/* `to` shares the types of `from`. */
void wsgi_types_share(struct wsgi_types *to, const struct wsgi_types *from);

int wsgi_types_traverse(const struct wsgi_types *types, visitproc visit, void *arg);
void wsgi_types_clear(struct wsgi_types *types);

#endif
