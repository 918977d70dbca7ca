/* The inside of the type Worker, for worker.c and the files that know one gateway each. */
#ifndef EXT_WORKER_H
#define EXT_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "ext/logs.h"
#include "ext/loop.h"
#include "ext/proxies.h"
#include "ext/state.h"
#include "ext/tasks.h"
#include "ext/tls.h"
#include "ext/worker_args.h"
#include "gateway/asgi.h"
#include "gateway/wsgi.h"
#include "http/server.h"
#include "net/stream_uv.h"

struct worker;

/* What differs between gateways. */
struct worker_gateway {
    const char *interface;
    bool needs_loop; /* one of its own would not do */
    /* A stop waits for calls whose connections are gone: they run in threads. */
    bool has_threads;
    /* Makes the gateway in zeroed memory. 0, or -1 with an exception; to be released in either
     * case. */
    int (*init)(struct worker *worker, struct state *state, const struct worker_args *args);
    struct gateway *(*gateway)(struct worker *worker);
    /* Threads begin and end; 0, or -1 with an exception. */
    int (*begin)(struct worker *worker);
    void (*end)(struct worker *worker);
    void (*release)(struct worker *worker);
    int (*traverse)(struct worker *worker, visitproc visit, void *arg);
    uint32_t (*calls)(const struct worker *worker); /* that are not over */
    void (*cancel)(struct worker *worker);          /* all of them */
    /* As wsgi_pool_oldest. */
    PyObject *(*oldest_call)(struct worker *worker);
    /* Live C objects, as server_live has them; until `release`. */
    void (*live)(const struct worker *worker,
                 void (*each)(void *arg, const char *name, uint64_t value), void *arg);
};

extern const struct worker_gateway worker_wsgi;
extern const struct worker_gateway worker_asgi;

struct worker_asgi_part {
    struct asgi asgi;
    struct tasks tasks;
};

/* READY -> RUNNING (run, where the loop is the worker's own) -> ENDED (no threads any more)
 * -> CLOSED (nothing is left); close() leads to the last from wherever. */
enum worker_life { WORKER_NEW, WORKER_READY, WORKER_RUNNING, WORKER_ENDED, WORKER_CLOSED };

struct worker {
    PyObject ob_base;
    enum worker_life life;
    struct py_loop *loop; /* owned */
    bool owns_loop;
    struct resident resident;
    struct transport_uv sockets;
    struct worker_proxies proxies; /* over them, where the PROXY protocol is spoken */
    struct worker_tls *tls;        /* over these; NULL: none */
    struct worker_logs logs;
    struct server server;
    const struct worker_gateway *kind;
    union {
        struct wsgi wsgi;
        struct worker_asgi_part asgi;
    } is;              /* the gateway of its kind */
    PyObject *logger;  /* owned */
    PyObject *stopped; /* owned, or NULL */
    struct runnable on_log;
    struct runnable on_stop;
    bool stop_posted;
    uint64_t stop_grace;        /* ms */
    Py_buffer board;            /* where the loop shows what it does; without obj: nowhere */
    struct loop_timer patience; /* with calls that go on when their connections are gone */
    bool impatient;
};

#endif
