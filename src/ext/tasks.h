/* Tasks of an asyncio loop for the ASGI gateway (struct asgi_tasks): begun in the run beat, their
 * first step run at once where the loop can.
 *
 * CPython 3.12 and newer have eager tasks. Before, a new task asks its loop to call its first step
 * soon: where the loop is ours, that one call is caught and carried out here, in the task's
 * context. Elsewhere the step comes when the loop comes to it. With the GIL, loop thread.
 *
 * A task copies the context by itself. A task factory that the loop has when the worker is made
 * makes the tasks instead, and decides when they begin. */
#ifndef EXT_TASKS_H
#define EXT_TASKS_H

#include "ext/asyncio.h"
#include "ext/loop.h"
#include "gateway/asgi.h"
#include "gateway/py_compat.h"

struct tasks {
    PyObject *loop;         /* owned, as what follows: the asyncio loop */
    struct py_loop *host;   /* the same where it is ours; or NULL [borrowed of loop] */
    PyObject *task;         /* asyncio.Task */
    PyObject *words;        /* keywords of a task, as the type would make them for each call */
    PyObject *eager_words;  /* of one that begins at once; or NULL */
    PyObject *self_name;    /* "__self__" */
    PyObject *call_soon;    /* "call_soon" */
    PyObject *context_name; /* ("context",) */
    PyObject *create_task;  /* the loop's, where it has a task factory; or NULL */
};

/* In zeroed memory. [borrows loop for the call; loop_type is that of _core.Loop] 0, or -1 with an
 * exception; to be released in either case. */
int tasks_init(struct tasks *tasks, const struct asyncio *asyncio, PyTypeObject *loop_type,
               PyObject *loop);
void tasks_release(struct tasks *tasks);

int tasks_traverse(const struct tasks *tasks, visitproc visit, void *arg);

/* What the gateway is given. [borrows tasks until they are released] */
struct asgi_tasks tasks_table(struct tasks *tasks);

#endif
