/* The arguments of Worker() (freastal/_core.pyi), from Python's to C. */
#ifndef EXT_WORKER_ARGS_H
#define EXT_WORKER_ARGS_H

#include <stdbool.h>

#include "ext/loop.h"
#include "ext/options.h"
#include "ext/state.h"
#include "gateway/py_compat.h"

/* Python objects: [borrowed] from the call's arguments; NULL where they are not given or None. */
struct worker_args {
    PyObject *app;
    PyObject *sockets;
    const char *interface;
    struct py_loop *loop;
    PyObject *tasks;
    PyObject *state;
    PyObject *stopped;
    PyObject *tls;                 /* a TlsContext */
    PyObject *ticket_keys;         /* a sequence */
    PyObject *board;               /* a writable buffer */
    PyObject *forwarded_allow_ips; /* sequences */
    PyObject *proxy_allow_from;
    const char *forwarded_kind;
    const char *health_path;
    const char *root_path;
    int wakeup_fd; /* -1: none */
    int access_log_fd;
    const char *access_log_format; /* empty: the usual one */
    const char *access_log_prefix; /* of datagrams */
    const char *request_id;        /* off, make or take */
    bool request_id_reply;
    bool multiprocess;
    bool shared; /* the sockets, with other processes */
    struct options options;
};

/* 0, or -1 with an exception. */
int worker_args_read(struct worker_args *read, const struct state *state, PyObject *args,
                     PyObject *kwargs);

/* [gives] duplicates of the listening sockets, each to be closed, in PyMem's memory; NULL with an
 * exception. */
int *worker_args_sockets(const struct worker_args *args, Py_ssize_t *count);

#endif
