/* Names of asyncio; see asyncio.h. */
#include "ext/asyncio.h"

#include <stdbool.h>

#include "base/banned.h"

/* Sets `*slot` to [new] the attribute, where it is not yet set. False with an exception. */
static bool look_up(PyObject **slot, PyObject *owner, const char *name) {
    if (!*slot) {
        *slot = PyObject_GetAttrString(owner, name);
    }
    return *slot;
}

static bool load_from(struct asyncio *asyncio, PyObject *module) {
#define X(name, text)                                                                              \
    if (!look_up(&asyncio->name, module, text)) {                                                  \
        return false;                                                                              \
    }
    ASYNCIO_NAMES(X)
#undef X
#define X(name)                                                                                    \
    if (!look_up(&asyncio->name, asyncio->base_event_loop, #name)) {                               \
        return false;                                                                              \
    }
    ASYNCIO_METHODS(X)
#undef X
    return true;
}

int asyncio_load(struct asyncio *asyncio) {
    if (asyncio->stop) { /* the last one */
        return 0;
    }
    PyObject *module = PyImport_ImportModule("asyncio");
    bool loaded = module && load_from(asyncio, module);
    Py_XDECREF(module);
    return loaded ? 0 : -1;
}

int asyncio_traverse(const struct asyncio *asyncio, visitproc visit, void *arg) {
#define X(name, text) Py_VISIT(asyncio->name);
    ASYNCIO_NAMES(X)
#undef X
#define X(name) Py_VISIT(asyncio->name);
    ASYNCIO_METHODS(X)
#undef X
    return 0;
}

void asyncio_clear(struct asyncio *asyncio) {
#define X(name, text) Py_CLEAR(asyncio->name);
    ASYNCIO_NAMES(X)
#undef X
#define X(name) Py_CLEAR(asyncio->name);
    ASYNCIO_METHODS(X)
#undef X
}
