/* What receive() and send() return: objects that are awaited as coroutines are, and may be made
 * tasks of.
 *
 * `asgi_done` is complete: one of them serves every send() that need not wait. An `asgi_wait`
 * asks its call whether it is complete each time it is awaited or woken, and sleeps in between: it
 * then is itself the future that its task waits for, by the protocol that asyncio has for futures
 * which are not its own (_asyncio_future_blocking). With the GIL, loop thread. */
#ifndef GATEWAY_ASGI_AWAITABLE_H
#define GATEWAY_ASGI_AWAITABLE_H

#include <stdbool.h>

#include "base/list.h"
#include "gateway/py_compat.h"

struct asgi_call;

/* What is waited for: a message, or room for more output. */
enum asgi_wait_kind { ASGI_WAIT_RECEIVE, ASGI_WAIT_SEND, ASGI_WAIT_KINDS };

/* Is it there? 1: *value is given [new]; 0: not yet, and asgi_wake will be called when it may be;
 * -1 with an exception. */
typedef int asgi_ready_fn(struct asgi_call *call, PyObject **value);

/* The types, of `module`. [new] NULL with an exception. */
PyTypeObject *asgi_done_type(PyObject *module);
PyTypeObject *asgi_wait_type(PyObject *module);

/* The object that is always complete. [new] NULL with an exception. */
PyObject *asgi_done_new(PyTypeObject *type);

/* `yields`: the event loop gets a turn first, whatever is ready. [new] NULL with an exception. */
PyObject *asgi_wait_new(PyTypeObject *type, struct asgi_call *call, enum asgi_wait_kind kind,
                        bool yields);

/* Wakes all of the kind that sleep; each asks again. Nothing here fails: where a task cannot be
 * told, sys.unraisablehook is. The call is not over. */
void asgi_wake(struct asgi_call *call, enum asgi_wait_kind kind);

#endif
