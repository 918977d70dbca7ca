/* The type Loop (freastal/_core.pyi): the libuv loop of one thread, as Python and asyncio see it.
 *
 * asyncio's selector calls turn(), which turns the beats of net/loop.h until asyncio has
 * something to do; or another loop watches backend_fd() and calls turn(0). Not for what is served
 * on the loop: that is Worker, a resident. Used by worker.c and tasks.c.
 *
 * Life: UNMADE -> MADE (by the first use) -> RELEASED. One thread; in a forked child nothing is
 * touched any more: the kernel's objects are the parent's.
 *
 * Between `leave` and `enter` the thread has no GIL. A turn cannot be nested in a run beat; while
 * one is under way, residents are kept alive, so that none is freed inside it. */
#ifndef EXT_LOOP_H
#define EXT_LOOP_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "base/list.h"
#include "gateway/py_compat.h"
#include "net/loop.h"

enum py_loop_life { PY_LOOP_UNMADE, PY_LOOP_MADE, PY_LOOP_RELEASED };

/* A worker upon the loop. Stands inside it. */
struct resident {
    struct list link;
    PyObject *owner;                            /* [borrows until py_loop_part] */
    bool (*is_over)(struct resident *resident); /* without the GIL, at the end of a turn */
    void (*on_over)(struct resident *resident); /* once, with the GIL, between turns */
    bool leaving;                               /* set by the owner: from now on is_over is asked */
    bool held; /* private: a reference to the owner is kept for this turn */
};

struct fd_watch;

struct py_loop {
    PyObject ob_base;
    /* read-only */
    struct loop loop; /* when MADE */
    enum py_loop_life life;
    bool turning;
    /* written by tasks.c too: the next call_soon with a callback and a context, and nothing else,
     * is not carried out but kept here; see there */
    bool catching;
    PyObject *caught;         /* owned */
    PyObject *caught_context; /* owned */
    /* A turn is made on behalf of something that may itself stand in a task. */
    bool nested;
    /* private */
    bool readable;  /* the descriptor of watch() is */
    bool signalled; /* a Python signal handler may have to run */
    bool news;      /* any of them, or the time is over, or asyncio was given something to do */
    pid_t pid;
    unsigned long ident; /* of the thread */
    PyThreadState *thread;
    struct list residents;
    struct fd_watch *watched; /* or NULL */
    struct fd_watch *signals; /* or NULL */
    int signal_fd;            /* the end that is written to; -1: none */
    int forward_fd;           /* who else is to get what signal_fd gets; -1: nobody */
    uv_timer_t timer;
    PyObject *on_stir; /* owned, or NULL */
};

/* [new] the type; NULL with an exception. */
PyTypeObject *py_loop_type_new(PyObject *module);

/* Makes the loop if this is its first use. 0, or -1 with OSError or RuntimeError. */
int py_loop_make(struct py_loop *self);

/* Adds a resident to a loop that is made. */
void py_loop_join(struct py_loop *self, struct resident *resident);
void py_loop_part(struct py_loop *self, struct resident *resident);

/* Turns once, or, where `wait`, until something has happened that Python is to see: a resident is
 * over, a signal has come, asyncio has something to do. 0, or -1 with the exception of a signal
 * handler. With the GIL, which is released meanwhile; not inside a turn. */
int py_loop_turn(struct py_loop *self, bool wait);

/* Watches the reading end of a pipe to which signal.set_wakeup_fd writes; its bytes are dropped.
 * [borrows fd until the loop is released] 0, or -1 with an exception. */
int py_loop_watch_signals(struct py_loop *self, int fd);

/* Is the calling thread the loop's? */
bool py_loop_is_mine(const struct py_loop *self);

/* Is this a forked child of the process that made the loop? */
bool py_loop_is_inherited(const struct py_loop *self);

/* For who waits on behalf of this loop: a turn is due. */
void py_loop_stir(struct py_loop *self);

/* The GIL: `leave` gives it away, `enter` takes it. */
void py_loop_enter(struct py_loop *self);
void py_loop_leave(struct py_loop *self);

#endif
