/* The type Worker: a server and a gateway upon a loop, as Python sees them (freastal/_core.pyi).
 *
 * The loop is the worker's own, turned by run(), or a Loop that somebody else turns and that may
 * serve other workers too. Other threads only post to it.
 *
 * An exception that a Python signal handler raises ends the run: the server is stopped at once,
 * and the exception leaves by run(). */
#include "ext/worker.h"

#include <string.h>
#include <unistd.h>

#include "base/err.h"

#include "base/banned.h"

static const struct worker_gateway *const gateways[] = {&worker_wsgi, &worker_asgi};

/* What calls in threads get, beyond the time for requests, to see that nobody listens any more
 * and to close; less than the worker's watchdog gives (freastal/worker.py). */
enum { LAST_WORDS_MS = 500 };

/* Freed streams that are kept for reuse. */
enum { KEEP_STREAMS = 1024 };

/* --- what the floors below call --- */

/* The log has a first line: it is taken out in the run beat. */
static void on_log_waits(void *arg) {
    struct worker *self = arg;
    loop_queue(&self->loop->loop, &self->on_log);
}

static void drain_log(struct runnable *runnable) {
    static const char *const methods[] = {
        [LOG_LEVEL_DEBUG] = "debug",
        [LOG_LEVEL_INFO] = "info",
        [LOG_LEVEL_WARNING] = "warning",
        [LOG_LEVEL_ERROR] = "error",
    };
    struct worker *self = LIST_OWNER(runnable, struct worker, on_log);
    const struct log_line *line;
    while ((line = log_next(&self->server.log)) != NULL) {
        /* "%s" because the text may contain what logging would take for a format. */
        PyObject *done = PyObject_CallMethod(self->logger, methods[line->level], "ss#", "%s",
                                             line->text, (Py_ssize_t)line->len);
        if (!done) {
            PyErr_WriteUnraisable(self->logger);
        }
        Py_XDECREF(done);
    }
}

static void on_patience(struct loop_timer *timer) {
    LIST_OWNER(timer, struct worker, patience)->impatient = true;
}

/* Loop thread, with the GIL. */
static void stop(struct worker *self, uint64_t grace) {
    struct loop *loop = &self->loop->loop;
    struct timer *patience = &self->patience.timer;
    if (!self->loop->turning) {
        uv_update_time(&loop->uv);
    }
    uint64_t due = loop_now(loop) + grace + LAST_WORDS_MS;
    server_stop(&self->server, grace);
    if (!timer_is_set(patience) || due < patience->due) {
        loop_timer_set(loop, &self->patience, due);
    }
    self->resident.leaving = true;
    py_loop_stir(self->loop);
}

static void carry_out_stop(struct runnable *runnable) {
    struct worker *self = LIST_OWNER(runnable, struct worker, on_stop);
    self->stop_posted = false;
    stop(self, self->stop_grace);
}

/* No connection is left, and no call of the application: a thread may still be in a close(), and
 * is waited for as long as a request would be. */
static bool is_over(struct resident *resident) {
    struct worker *self = LIST_OWNER(resident, struct worker, resident);
    bool alone = !self->kind->has_threads || self->kind->calls(self) == 0;
    return self->server.state == SERVER_STOPPED && (alone || self->impatient);
}

static void on_over(struct resident *resident) {
    struct worker *self = LIST_OWNER(resident, struct worker, resident);
    loop_timer_stop(&self->loop->loop, &self->patience);
    if (!self->stopped) {
        return;
    }
    PyObject *done = PyObject_CallNoArgs(self->stopped);
    if (!done) {
        PyErr_WriteUnraisable(self->stopped);
    }
    Py_XDECREF(done);
}

/* --- making --- */

/* [borrows until close_transport] NULL with an exception. */
static struct transport *open_transport(struct worker *self, const struct worker_args *args) {
    transport_uv_init(&self->sockets, KEEP_STREAMS);
    if (worker_proxies_init(&self->proxies, args, &self->server) < 0) {
        return NULL;
    }
    struct transport *below = worker_proxies_transport(&self->proxies, &self->sockets.transport);
    if (!args->tls) {
        return below;
    }
    self->tls = worker_tls_new(&self->server, below, args->tls, args->ticket_keys, &args->options);
    return self->tls ? worker_tls_transport(self->tls) : NULL;
}

static void close_transport(struct worker *self) {
    worker_tls_free(self->tls);
    self->tls = NULL;
    self->server.transport = &self->sockets.transport; /* which is counted as long as self lives */
    worker_proxies_release(&self->proxies);
    worker_logs_release(&self->logs);
    transport_uv_release(&self->sockets);
}

static int listen_on(struct worker *self, const struct worker_args *args) {
    struct server_config config;
    Py_ssize_t count;
    struct server_place place = {.loop = &self->loop->loop,
                                 .transport = open_transport(self, args),
                                 .gateway = self->kind->gateway(self),
                                 .health = &self->proxies.health.gateway,
                                 .log = {on_log_waits, self}};
    int *fds = place.transport ? worker_args_sockets(args, &count) : NULL;
    if (!fds) {
        close_transport(self);
        return -1;
    }
    options_to_server(&args->options, &config);
    worker_proxies_config(&self->proxies, &config);
    config.shared = args->shared;
    const struct trust *trusted = worker_proxies_trusted(&self->proxies);
    bool failed = worker_logs_config(&self->logs, args, trusted, &config) < 0;
    if (!failed) {
        int err = server_init(&self->server, &place, &config, fds, (uint32_t)count);
        failed = err != 0;
        if (err) {
            worker_logs_raise(args, err);
        }
    }
    if (failed) {
        close_transport(self);
        while (count > 0) {
            close(fds[--count]);
        }
    }
    PyMem_Free(fds);
    return failed ? -1 : 0;
}

/* [new] logging.getLogger("freastal.error"); NULL with an exception. */
static PyObject *error_logger(void) {
    PyObject *logging = PyImport_ImportModule("logging");
    if (!logging) {
        return NULL;
    }
    PyObject *logger = PyObject_CallMethod(logging, "getLogger", "s", "freastal.error");
    Py_DECREF(logging);
    return logger;
}

static int choose_gateway(struct worker *self, const struct worker_args *args) {
    for (size_t i = 0; i < sizeof(gateways) / sizeof(gateways[0]); i++) {
        if (strcmp(gateways[i]->interface, args->interface) == 0) {
            self->kind = gateways[i];
        }
    }
    if (!self->kind) {
        PyErr_Format(PyExc_ValueError, "interface is '%s': there is no such gateway",
                     args->interface);
        return -1;
    }
    self->owns_loop = !args->loop;
    if (self->kind->needs_loop && (!args->loop || !args->tasks)) {
        PyErr_Format(PyExc_TypeError, "interface '%s' needs loop and tasks", args->interface);
        return -1;
    }
    if (args->loop && args->wakeup_fd >= 0) {
        PyErr_SetString(PyExc_TypeError, "wakeup_fd is for a worker with a loop of its own");
        return -1;
    }
    return 0;
}

static int make_loop(struct worker *self, struct state *state, const struct worker_args *args) {
    self->loop = (struct py_loop *)(args->loop ? Py_NewRef((PyObject *)args->loop)
                                               : PyObject_CallNoArgs((PyObject *)state->loop_type));
    if (!self->loop || py_loop_make(self->loop) < 0) {
        return -1;
    }
    return args->wakeup_fd < 0 ? 0 : py_loop_watch_signals(self->loop, args->wakeup_fd);
}

/* Lets others see what the loop does. 0, or -1 with an exception. */
static int show_on(struct worker *self, PyObject *board) {
    if (PyObject_GetBuffer(board, &self->board, PyBUF_WRITABLE) < 0) {
        return -1;
    }
    bool aligned = (uintptr_t)self->board.buf % _Alignof(struct board) == 0;
    if (self->board.len < (Py_ssize_t)sizeof(struct board) || !aligned) {
        PyErr_Format(PyExc_ValueError, "board is a buffer of at least %zu bytes, aligned to %zu",
                     sizeof(struct board), _Alignof(struct board));
        return -1;
    }
    loop_show(&self->loop->loop, self->board.buf);
    return 0;
}

static void show_no_more(struct worker *self) {
    if (self->board.obj) {
        board_step(self->board.buf, 0);
        loop_show(&self->loop->loop, NULL);
        PyBuffer_Release(&self->board);
    }
}

static int make(struct worker *self, struct state *state, const struct worker_args *args) {
    self->logger = error_logger();
    if (!self->logger || choose_gateway(self, args) < 0 || make_loop(self, state, args) < 0 ||
        (args->board && show_on(self, args->board) < 0)) {
        return -1;
    }
    if (self->kind->init(self, state, args) < 0 || listen_on(self, args) < 0) {
        self->kind->release(self);
        return -1;
    }
    self->stopped = args->stopped ? Py_NewRef(args->stopped) : NULL;
    self->life = WORKER_READY;
    py_loop_join(self->loop, &self->resident);
    return self->owns_loop ? 0 : self->kind->begin(self);
}

static int worker_init(PyObject *object, PyObject *args, PyObject *kwargs) {
    struct worker *self = (struct worker *)object;
    struct state *state = PyType_GetModuleState(Py_TYPE(object));
    struct worker_args read;
    if (self->logger) {
        PyErr_SetString(PyExc_RuntimeError, "Worker.__init__() called twice");
        return -1;
    }
    if (worker_args_read(&read, state, args, kwargs) < 0) {
        return -1;
    }
    return make(self, state, &read);
}

static PyObject *worker_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args;
    (void)kwargs;
    struct worker *self = (struct worker *)type->tp_alloc(type, 0); /* all zero */
    if (self) {
        self->resident =
            (struct resident){.owner = (PyObject *)self, .is_over = is_over, .on_over = on_over};
        list_init(&self->resident.link);
        runnable_init(&self->on_log, drain_log);
        runnable_init(&self->on_stop, carry_out_stop);
        loop_timer_init(&self->patience, on_patience);
    }
    return (PyObject *)self;
}

/* --- ending --- */

/* Turns until a stop has been carried out. Who calls it may stand in a task. */
static void turn_until_over(struct worker *self) {
    bool nested = self->loop->nested;
    self->loop->nested = true;
    while (!is_over(&self->resident)) {
        if (py_loop_turn(self->loop, true) < 0) {
            PyErr_WriteUnraisable((PyObject *)self);
        }
    }
    self->loop->nested = nested;
}

/* The access log's last lines, and what the core still had to say. */
static void end_log(struct worker *self) {
    Py_BEGIN_ALLOW_THREADS;
    server_end_log(&self->server);
    Py_END_ALLOW_THREADS;
    drain_log(&self->on_log);
}

/* Everything but the memory of the object. False where threads that could not be waited for are
 * still in the application: to be called again. */
static bool close_all(struct worker *self) {
    struct loop *loop = &self->loop->loop;
    if (self->life < WORKER_ENDED) {
        stop(self, 0);
        turn_until_over(self);
        self->kind->end(self);
        self->life = WORKER_ENDED;
    }
    if (self->kind->has_threads && self->kind->calls(self) > 0) {
        /* What threads had to say is posted. */
        if (py_loop_turn(self->loop, false) < 0) {
            PyErr_WriteUnraisable((PyObject *)self);
        }
        if (self->kind->calls(self) > 0) {
            return false;
        }
    }
    self->life = WORKER_CLOSED;
    end_log(self);
    runnable_cancel(&self->on_log);
    runnable_cancel(&self->on_stop);
    loop_timer_stop(loop, &self->patience);
    py_loop_part(self->loop, &self->resident);
    loop_sweep(loop);
    server_release(&self->server);
    close_transport(self);
    show_no_more(self);
    self->kind->release(self);
    return true;
}

static bool is_open(const struct worker *self) {
    return self->life != WORKER_NEW && self->life != WORKER_CLOSED;
}

/* In a forked child all of it is the parent's. Threads hold references: there are none left. */
static void worker_finalize(PyObject *object) {
    struct worker *self = (struct worker *)object;
    PyObject *raised = py_take_exception();
    while (is_open(self) && !py_loop_is_inherited(self->loop) && !close_all(self)) {
    }
    if (raised) {
        py_give_exception(raised); /* steals */
    }
}

static void worker_dealloc(PyObject *object) {
    struct worker *self = (struct worker *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (PyObject_CallFinalizerFromDealloc(object) < 0) {
        return; /* alive again */
    }
    PyObject_GC_UnTrack(object);
    show_no_more(self);
    Py_CLEAR(self->loop);
    Py_CLEAR(self->logger);
    Py_CLEAR(self->stopped);
    type->tp_free(object);
    Py_DECREF(type);
}

/* --- methods --- */

static PyObject *worker_run(PyObject *object, PyObject *unused) {
    struct worker *self = (struct worker *)object;
    (void)unused;
    if (self->life != WORKER_READY || !self->owns_loop) {
        PyErr_SetString(PyExc_RuntimeError, self->life == WORKER_READY
                                                ? "the worker's loop is turned by somebody else"
                                                : "Worker.run() can be called once");
        return NULL;
    }
    PyObject *raised = NULL;
    if (self->kind->begin(self) < 0) {
        raised = py_take_exception();
    } else {
        self->life = WORKER_RUNNING;
        while (!is_over(&self->resident)) {
            if (py_loop_turn(self->loop, true) < 0) {
                Py_XSETREF(raised, py_take_exception());
                stop(self, 0);
            }
        }
    }
    self->kind->end(self);
    self->life = WORKER_ENDED;
    end_log(self);
    loop_sweep(&self->loop->loop);
    board_step(self->loop->loop.board, 0); /* what the process still does is no step of the loop */
    if (raised) {
        py_give_exception(raised); /* steals */
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *worker_stop(PyObject *object, PyObject *grace) {
    struct worker *self = (struct worker *)object;
    double seconds = PyFloat_AsDouble(grace);
    if (seconds == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    if (!(seconds >= 0 && seconds <= 86400)) {
        PyErr_Format(PyExc_ValueError, "grace is %R: allowed is 0 to 86400 seconds", grace);
        return NULL;
    }
    if (self->life != WORKER_READY && self->life != WORKER_RUNNING) {
        Py_RETURN_NONE;
    }
    uint64_t ms = (uint64_t)(seconds * 1000);
    bool turned = self->life == WORKER_RUNNING || !self->owns_loop;
    if (turned && py_loop_is_mine(self->loop)) {
        /* Perhaps a signal handler in the run beat: the response that an application is making
         * just now can already say that it is the connection's last. */
        stop(self, ms);
    } else if (!self->stop_posted) {
        self->stop_posted = true;
        self->stop_grace = ms;
        loop_post(&self->loop->loop, &self->on_stop);
    } else if (ms < self->stop_grace) {
        self->stop_grace = ms;
    }
    Py_RETURN_NONE;
}

static PyObject *worker_cancel(PyObject *object, PyObject *unused) {
    struct worker *self = (struct worker *)object;
    (void)unused;
    uint32_t calls = is_open(self) ? self->kind->calls(self) : 0;
    if (calls > 0) {
        self->kind->cancel(self);
    }
    return PyLong_FromUnsignedLong(calls);
}

static PyObject *worker_oldest_call(PyObject *object, PyObject *unused) {
    struct worker *self = (struct worker *)object;
    (void)unused;
    if (!is_open(self)) {
        Py_RETURN_NONE;
    }
    return self->kind->oldest_call(self);
}

static PyObject *worker_close(PyObject *object, PyObject *unused) {
    struct worker *self = (struct worker *)object;
    (void)unused;
    if (is_open(self) && self->loop->turning) {
        PyErr_SetString(PyExc_RuntimeError, "Worker.close() called inside the turn of its loop");
        return NULL;
    }
    if (is_open(self)) {
        close_all(self);
    }
    Py_RETURN_NONE;
}

static PyObject *worker_renew_tls(PyObject *object, PyObject *context) {
    struct worker *self = (struct worker *)object;
    struct state *state = PyType_GetModuleState(Py_TYPE(object));
    if (!self->tls || !state->tls_type || !PyObject_TypeCheck(context, state->tls_type)) {
        PyErr_SetString(PyExc_TypeError,
                        self->tls ? "a TlsContext is wanted" : "the worker does not speak TLS");
        return NULL;
    }
    worker_tls_renew(self->tls, context);
    Py_RETURN_NONE;
}

static PyObject *worker_add_ticket_key(PyObject *object, PyObject *key) {
    struct worker *self = (struct worker *)object;
    if (!self->tls) {
        PyErr_SetString(PyExc_TypeError, "the worker does not speak TLS");
        return NULL;
    }
    if (worker_tls_add_key(self->tls, key) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Puts one number into a dict; after a failure, nothing. */
struct counting {
    PyObject *dict;
    bool failed;
};

static void count(void *arg, const char *name, uint64_t value) {
    struct counting *counting = arg;
    PyObject *number = counting->failed ? NULL : PyLong_FromUnsignedLongLong(value);
    if (!number || PyDict_SetItemString(counting->dict, name, number) < 0) {
        counting->failed = true;
    }
    Py_XDECREF(number);
}

static PyObject *worker_counters(PyObject *object, PyObject *unused) {
    struct worker *self = (struct worker *)object;
    (void)unused;
    struct counting totals = {PyDict_New(), false};
    struct counting live = {PyDict_New(), false};
    struct counting closed = {PyDict_New(), false};
    if (!totals.dict || !live.dict || !closed.dict) {
        totals.failed = true;
    } else if (self->life != WORKER_NEW) {
        server_live(&self->server, count, &live);
        if (is_open(self)) {
            self->kind->live(self, count, &live);
        }
#define X(name) count(&totals, #name, self->server.counters.name);
        SERVER_TOTALS(X)
#undef X
        worker_tls_count(self->tls, count, &totals);
        for (int why = 0; why < CLOSE_COUNT; why++) {
            count(&closed, close_why_name((enum close_why)why), self->server.counters.closed[why]);
        }
    }
    if (totals.failed || live.failed || closed.failed ||
        PyDict_SetItemString(totals.dict, "live", live.dict) < 0 ||
        PyDict_SetItemString(totals.dict, "closed", closed.dict) < 0) {
        Py_CLEAR(totals.dict);
    }
    Py_XDECREF(live.dict);
    Py_XDECREF(closed.dict);
    return totals.dict;
}

/* --- the type --- */

static int worker_traverse(PyObject *object, visitproc visit, void *arg) {
    struct worker *self = (struct worker *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->loop);
    Py_VISIT(self->logger);
    Py_VISIT(self->stopped);
    return is_open(self) ? self->kind->traverse(self, visit, arg) : 0;
}

static PyMethodDef worker_methods[] = {
    {"run", worker_run, METH_NOARGS,
     PyDoc_STR("run()\n--\n\nServe until stop() has been carried out.")},
    {"stop", worker_stop, METH_O,
     PyDoc_STR("stop(grace)\n--\n\nStop gracefully within `grace` seconds; from any thread.")},
    {"oldest_call", worker_oldest_call, METH_NOARGS,
     PyDoc_STR("oldest_call()\n--\n\nThe call in a thread of the pool that has run longest.")},
    {"cancel", worker_cancel, METH_NOARGS,
     PyDoc_STR("cancel()\n--\n\nCancel the tasks of calls that are not over; says how many.")},
    {"close", worker_close, METH_NOARGS,
     PyDoc_STR("close()\n--\n\nStop at once and let go of the loop.")},
    {"renew_tls", worker_renew_tls, METH_O,
     PyDoc_STR("renew_tls(context)\n--\n\nNegotiate with `context` from now on.")},
    {"add_ticket_key", worker_add_ticket_key, METH_O,
     PyDoc_STR("add_ticket_key(key)\n--\n\nSeal session tickets with `key` from now on.")},
    {"counters", worker_counters, METH_NOARGS,
     PyDoc_STR("counters()\n--\n\nTotals, live C objects and reasons to close, by name.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot worker_slots[] = {
    {Py_tp_doc,
     PyDoc_STR("Worker(app, sockets, *, interface='wsgi', loop=None, tasks=None, state=None, "
               "root_path='', stopped=None, board=None, tls=None, ticket_keys=(), "
               "forwarded_allow_ips=(), forwarded_kind='auto', proxy_allow_from=(), "
               "health_path='', wakeup_fd=-1, access_log_fd=-1, access_log_format='', "
               "access_log_prefix='', request_id='off', request_id_reply=False, "
               "multiprocess=False, shared=False, "
               "**options)\n--\n\nWhat one loop serves.")},
    {Py_tp_new, worker_new},
    {Py_tp_init, worker_init},
    {Py_tp_traverse, worker_traverse},
    {Py_tp_finalize, worker_finalize},
    {Py_tp_dealloc, worker_dealloc},
    {Py_tp_methods, worker_methods},
    {0, NULL},
};

static PyType_Spec worker_spec = {
    .name = "freastal._core.Worker",
    .basicsize = sizeof(struct worker),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = worker_slots,
};

PyTypeObject *worker_type_new(PyObject *module) {
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &worker_spec, NULL);
}
