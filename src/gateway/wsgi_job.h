/* One call of the application, from its environ to its close().
 *
 * A job has two sides. The application's side runs Python: in the loop's thread (one thread) or
 * in a thread of the pool; it fills `output` and knows no exchange. The loop's side carries the
 * output to the exchange; it runs in the run beat. They take turns: the application's side does
 * not run between handing an output over and being told that it has drained, except to close
 * after the last one. So no field has two writers at a time.
 *
 * The application's side (`state`; wsgi_job.c):
 *
 *   CALL    -> ITERATE  it returned an iterable that is asked piece by piece
 *   CALL    -> OVER     its whole response is in the output; or it failed
 *   ITERATE -> OVER     the iterable has ended, or failed; or nobody listens any more
 *   OVER    -> CLOSED   close() has been called, all references are dropped
 *
 * The loop's side is told in wsgi.c, the way between threads in wsgi_pool.c. */
#ifndef GATEWAY_WSGI_JOB_H
#define GATEWAY_WSGI_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/py_compat.h"
#include "gateway/wsgi_body.h"
#include "gateway/wsgi_environ.h"
#include "gateway/wsgi_file.h"
#include "gateway/wsgi_head.h"
#include "gateway/wsgi_start.h"
#include "net/loop.h"

struct wsgi;
struct wsgi_thread;

/* What write() keeps in memory when it cannot wait: beyond, it goes to a file. */
enum { JOB_WRITTEN = 1024 * 1024 };

enum wsgi_job_state { JOB_CALL, JOB_ITERATE, JOB_OVER, JOB_CLOSED };

enum wsgi_output_kind {
    OUTPUT_NOTHING, /* an empty piece: the application wants to be asked again */
    OUTPUT_BODY,    /* the head if it was not sent, and pieces */
    OUTPUT_FAILED,  /* the application failed, and that is logged; pieces came before */
};

/* What a step of the application's side brings. */
struct wsgi_output {
    enum wsgi_output_kind kind;
    bool last;               /* of OUTPUT_BODY: the response is complete with it */
    PyObject *pieces;        /* owned: bytes, a list or tuple of bytes that is ours; or NULL */
    struct wsgi_range range; /* behind them; fd -1: none */
    int64_t length;          /* of the whole body, or -1 */
};

struct wsgi_job {
    struct wsgi *wsgi;
    struct runnable runnable; /* to be asked again, to close; from a thread of the pool */
    /* the loop's side */
    struct exchange *exchange; /* NULL: over */
    struct flushable flushable;
    struct wsgi_body body;
    uint64_t expected; /* bytes of the request's body where they are known, else 0 */
    bool chunked;
    bool head_sent;
    bool waiting; /* in the pool: the thread is to be told of `drained` */
    /* the application's side */
    enum wsgi_job_state state;
    bool head_given; /* an output with the head has been handed over */
    bool single;     /* the iterable has one item (its len() said so) */
    bool wrapped;    /* the iterable is a wsgi.file_wrapper */
    PyObject *environ;
    PyObject *method;
    PyObject *uri;
    PyObject *result;   /* what has the close() */
    PyObject *iterator; /* NULL before ITERATE */
    PyObject *context;  /* context variables of a response that is iterated over; or NULL */
    PyObject *written;  /* list of what write() got and that was not handed over; or NULL */
    size_t written_bytes;
    struct wsgi_body spill; /* what write() got beyond JOB_WRITTEN */
    struct wsgi_handle *start_response;
    struct wsgi_handle *write;
    struct wsgi_output output;
    /* between the sides, guarded by the pool's lock */
    struct list link;           /* in the pool's queue */
    struct wsgi_thread *thread; /* that works on it */
    bool posted;                /* `runnable` is on its way to the loop */
    bool handed;                /* an output waits for the loop */
    bool closed;                /* the thread is done with it */
    bool drained;               /* the thread may go on */
    bool gone;                  /* nobody listens */
    struct list running;        /* in the pool's list */
    uint64_t began;             /* running, since: ms, CLOCK_MONOTONIC */
    /* large; last */
    struct wsgi_head head;
};

/* A job for a request [takes what it holds]. [gives] NULL with MemoryError, and what it holds is
 * dropped. */
struct wsgi_job *wsgi_job_new(struct wsgi *wsgi, const struct wsgi_request *request);

/* [takes] a job that is CLOSED, or was never called. Loop thread. */
void wsgi_job_free(struct wsgi_job *job);

/* Runs the application until `output` is there. State CALL or ITERATE. */
void wsgi_job_step(struct wsgi_job *job);

/* write() was called with bytes [borrowed]. 0, or -1 with an exception. */
int wsgi_job_write(struct wsgi_job *job, PyObject *piece);

/* Nothing more will be asked: `start_response` and `write` refuse from now on. */
void wsgi_job_detach(struct wsgi_job *job);

/* Must close() be called, or has Python code otherwise to run? */
bool wsgi_job_must_close(const struct wsgi_job *job);

/* Calls close() and drops all references. To CLOSED, from any other state. */
void wsgi_job_close(struct wsgi_job *job);

/* What the log calls the request: its target without the query, which may hold secrets. [new]
 * Never NULL; no exception may be set. */
PyObject *wsgi_job_path(const struct wsgi_job *job);

/* The part of a request target before its query. [new] NULL with MemoryError. */
PyObject *wsgi_target_path(PyObject *target);

/* Empties the output. */
void wsgi_output_clear(struct wsgi_output *output);

#endif
