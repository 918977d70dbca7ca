/* What the core calls of asyncio: public names, looked up once an interpreter, when the first
 * event loop needs them, so that a worker without asyncio does not import it. */
#ifndef EXT_ASYNCIO_H
#define EXT_ASYNCIO_H

#include "gateway/py_compat.h"

#define ASYNCIO_NAMES(X)                                                                           \
    X(task, "Task")                                                                                \
    X(base_event_loop, "BaseEventLoop")

/* Methods of BaseEventLoop that EventLoop overrides. */
#define ASYNCIO_METHODS(X)                                                                         \
    X(call_soon)                                                                                   \
    X(call_at)                                                                                     \
    X(stop)

struct asyncio {
#define X(name, text) PyObject *name; /* owned */
    ASYNCIO_NAMES(X)
#undef X
#define X(name) PyObject *name; /* owned */
    ASYNCIO_METHODS(X)
#undef X
};

/* 0, or -1 with an exception. */
int asyncio_load(struct asyncio *asyncio);

int asyncio_traverse(const struct asyncio *asyncio, visitproc visit, void *arg);
void asyncio_clear(struct asyncio *asyncio);

#endif
