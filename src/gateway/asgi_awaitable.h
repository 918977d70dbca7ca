/* What receive() and send() return: objects that are awaited as coroutines are, and may be made
 * tasks of.
 *
 * `asgi_done` is complete: one of them serves every send() that need not wait. An `asgi_wait`
 * asks its call whether it is complete each time it is awaited or woken, and sleeps on a future of
 * the event loop in between. With the GIL, loop thread. */
#ifndef GATEWAY_ASGI_AWAITABLE_H
#define GATEWAY_ASGI_AWAITABLE_H

#include <stdbool.h>

#include "base/list.h"
#include "gateway/py_compat.h"

struct asgi_call;

/* Is what is waited for there? 1: *value is given [new]; 0: not yet, and asgi_wake will be called
 * when it may be; -1 with an exception. */
typedef int asgi_ready_fn(struct asgi_call *call, PyObject **value);

/* The types, of `module`. [new] NULL with an exception. */
PyTypeObject *asgi_done_type(PyObject *module);
PyTypeObject *asgi_wait_type(PyObject *module);

/* The object that is always complete. [new] NULL with an exception. */
PyObject *asgi_done_new(PyTypeObject *type);

/* Waits until `ready`, on the list `waits`. `yields`: the event loop gets a turn first, whatever is
 * ready. [new] NULL with an exception. */
PyObject *asgi_wait_new(PyTypeObject *type, struct asgi_call *call, asgi_ready_fn *ready,
                        struct list *waits, bool yields);

/* Wakes all that sleep on the list; each asks again. Nothing here fails: where a future cannot be
 * resolved, sys.unraisablehook is told. */
void asgi_wake(struct asgi_call *call, struct list *waits);

#endif
