/* The Python types of the ASGI gateway, and the exception it raises, made once a module. */
#ifndef GATEWAY_ASGI_TYPES_H
#define GATEWAY_ASGI_TYPES_H

#include "gateway/py_compat.h"

#define ASGI_TYPES(X)                                                                              \
    X(call)                                                                                        \
    X(receive)                                                                                     \
    X(send)                                                                                        \
    X(done)                                                                                        \
    X(wait)

struct asgi_types {
#define X(name) PyTypeObject *name;
    ASGI_TYPES(X)
#undef X
    PyObject *disconnected; /* freastal.ClientDisconnected, a ConnectionError */
};

/* Makes them for `module`, in zeroed memory. 0, or -1 with an exception; what was made is the
 * caller's to clear in either case. */
int asgi_types_init(struct asgi_types *types, PyObject *module);

/* `to` shares the types of `from`. */
void asgi_types_share(struct asgi_types *to, const struct asgi_types *from);

int asgi_types_traverse(const struct asgi_types *types, visitproc visit, void *arg);
void asgi_types_clear(struct asgi_types *types);

#endif
