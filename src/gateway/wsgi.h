/* The WSGI gateway: exchanges to calls of a Python application (PEP 3333), and its answers back.
 *
 * wsgi.c takes the exchange's events, wsgi_job.c runs the application, wsgi_pool.c has the
 * threads; wsgi_environ, wsgi_head, wsgi_input, wsgi_body, wsgi_errors, wsgi_file, wsgi_start
 * and py_text each know one thing that passes. Used by ext/.
 *
 * What an application can expect beyond PEP 3333:
 * - It is called when the request's body is there, so that a slow peer holds no thread.
 * - write() hands its bytes on and waits until they have drained; with one thread it cannot, for
 *   it stands in the thread that sends: the bytes wait in the job until the application returns.
 * - close() is called once, when what was produced has been offered to the socket.
 * - Whatever exception leaves it, SystemExit and KeyboardInterrupt too, is logged and answered
 *   with 500, or the connection is cut where the head has gone; the server serves on: an
 *   application cannot end it, signals do. */
#ifndef GATEWAY_WSGI_H
#define GATEWAY_WSGI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slab.h"
#include "gateway/py_compat.h"
#include "gateway/wsgi_environ.h"
#include "gateway/wsgi_pool.h"
#include "gateway/wsgi_start.h"
#include "gateway/wsgi_types.h"
#include "http/exchange.h"

struct wsgi_config {
    PyObject *app;        /* [borrows for the call] */
    PyObject *logger;     /* freastal.error [borrows for the call] */
    const char *software; /* SERVER_SOFTWARE [borrows for the call] */
    uint32_t threads;     /* 1: the loop's own */
    uint32_t listeners;
    bool multiprocess;
};

struct wsgi {
    struct gateway gateway; /* give &gateway to server_init */
    /* read-only */
    struct loop *loop;
    struct slab jobs; /* jobs.live: calls that are not over */
    uint32_t threads;
    /* private to gateway/wsgi* */
    bool ready; /* wsgi_init has been called */
    PyObject *app;
    PyObject *logger;
    PyObject *errors;    /* wsgi.errors of the loop's thread */
    PyObject *context;   /* context variables of calls in the loop's thread; or NULL */
    PyObject *directory; /* of temporary files, bytes */
    struct wsgi_types types;
    struct wsgi_environ environ;
    struct wsgi_pool pool;
    struct wsgi_handle *spare_start_response; /* for the next job; or NULL */
    struct wsgi_handle *spare_write;
};

/* In zeroed memory. 0, or -1 with an exception; to be released in either case. */
int wsgi_init(struct wsgi *wsgi, struct loop *loop, const struct wsgi_types *types,
              const struct wsgi_config *config);

/* Starts the threads, which hold references to `owner`, in which `wsgi` stands.
 * 0, or -1 with an exception. */
int wsgi_begin(struct wsgi *wsgi, PyObject *owner);

/* Lets the threads go; those that the application holds are left behind. Releases the GIL while
 * it waits. */
void wsgi_end(struct wsgi *wsgi);

/* Drops all references; when the loop that sent its answers has been released, and every job is
 * over. */
void wsgi_release(struct wsgi *wsgi);

/* For the garbage collector. */
int wsgi_traverse(const struct wsgi *wsgi, visitproc visit, void *arg);

#endif
