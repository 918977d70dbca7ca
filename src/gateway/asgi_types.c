/* See asgi_types.h. */
#include "gateway/asgi_types.h"

#include "gateway/asgi_awaitable.h"
#include "gateway/asgi_call.h"

#include "base/banned.h"

int asgi_types_init(struct asgi_types *types, PyObject *module) {
#define X(name)                                                                                    \
    types->name = asgi_##name##_type(module);                                                      \
    if (!types->name) {                                                                            \
        return -1;                                                                                 \
    }
    ASGI_TYPES(X)
#undef X
    types->disconnected = PyErr_NewExceptionWithDoc(
        "freastal.ClientDisconnected",
        "Raised by an ASGI application's send() once the client has left, or the response is "
        "over for another reason.",
        PyExc_ConnectionError, NULL);
    return types->disconnected ? 0 : -1;
}

void asgi_types_share(struct asgi_types *to, const struct asgi_types *from) {
#define X(name)                                                                                    \
    Py_XINCREF(from->name);                                                                        \
    to->name = from->name;
    ASGI_TYPES(X)
#undef X
    to->disconnected = Py_XNewRef(from->disconnected);
}

int asgi_types_traverse(const struct asgi_types *types, visitproc visit, void *arg) {
#define X(name) Py_VISIT(types->name);
    ASGI_TYPES(X)
#undef X
    Py_VISIT(types->disconnected);
    return 0;
}

void asgi_types_clear(struct asgi_types *types) {
#define X(name) Py_CLEAR(types->name);
    ASGI_TYPES(X)
#undef X
    Py_CLEAR(types->disconnected);
}
