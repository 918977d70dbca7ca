/* The type Worker: a loop, a server and a gateway, as Python sees them (freastal/_core.pyi).
 *
 * Life: NEW -> RUNNING (run) -> ENDED. The loop lives in the thread that calls run; other threads
 * and signal handlers only post to it. Between `leave` and `enter` that thread has no GIL.
 *
 * An exception that a Python signal handler raises ends the run: the server is stopped at once,
 * and the exception leaves by run(). */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "ext/options.h"
#include "ext/state.h"
#include "http/server.h"
#include "net/loop.h"

#include "base/banned.h"

enum life { NEW, RUNNING, ENDED };

/* What calls in threads get, beyond the time for requests, to see that nobody listens any more
 * and to close; less than the worker's watchdog gives (freastal/worker.py). */
enum { LAST_WORDS_MS = 500 };

struct worker {
    PyObject ob_base;
    enum life life;
    bool ready; /* loop, server and gateway are whole */
    struct loop loop;
    struct server server;
    struct wsgi wsgi;
    PyObject *logger; /* owned */
    PyObject *raised; /* owned; what a signal handler raised */
    PyThreadState *thread;
    uv_poll_t wakeup;
    int wakeup_fd; /* -1: none */
    struct runnable on_signals;
    struct runnable on_log;
    struct runnable on_stop;
    bool stop_posted;
    uint64_t stop_grace;        /* ms */
    unsigned long ident;        /* of the thread that runs */
    struct loop_timer patience; /* with calls that go on when their connections are gone */
    bool impatient;
};

/* --- what the floors below call --- */

static void enter(void *arg) {
    struct worker *self = arg;
    PyEval_RestoreThread(self->thread);
}

static void leave(void *arg) {
    struct worker *self = arg;
    self->thread = PyEval_SaveThread();
}

/* The log has a first line: it is taken out in the run beat. */
static void on_log_waits(void *arg) {
    struct worker *self = arg;
    loop_queue(&self->loop, &self->on_log);
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

/* Loop thread, run beat. */
static void stop(struct worker *self, uint64_t grace) {
    uint64_t due = loop_now(&self->loop) + grace + LAST_WORDS_MS;
    struct timer *patience = &self->patience.timer;
    server_stop(&self->server, grace);
    if (!timer_is_set(patience) || due < patience->due) {
        loop_timer_set(&self->loop, &self->patience, due);
    }
}

static void run_signal_handlers(struct runnable *runnable) {
    struct worker *self = LIST_OWNER(runnable, struct worker, on_signals);
    if (PyErr_CheckSignals() == 0) {
        return;
    }
    Py_XSETREF(self->raised, py_take_exception());
    stop(self, 0);
}

static void on_wakeup(uv_poll_t *poll, int status, int events) {
    struct worker *self = poll->data;
    (void)events;
    char bytes[64];
    ssize_t got;
    do {
        got = read(self->wakeup_fd, bytes, sizeof(bytes));
    } while (got == (ssize_t)sizeof(bytes));
    if (status < 0 || got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        uv_poll_stop(poll);
    }
    loop_queue(&self->loop, &self->on_signals);
}

static void carry_out_stop(struct runnable *runnable) {
    struct worker *self = LIST_OWNER(runnable, struct worker, on_stop);
    self->stop_posted = false;
    stop(self, self->stop_grace);
}

/* --- making and freeing --- */

/* Turns until the server has stopped and no call of the application is left: a thread may still
 * be in a close(), and is waited for as long as a request would be. Without the GIL. */
static void turn_until_stopped(struct worker *self) {
    while (self->server.state != SERVER_STOPPED || (self->wsgi.jobs.live > 0 && !self->impatient)) {
        loop_turn(&self->loop, true);
    }
    loop_timer_stop(&self->loop, &self->patience);
}

/* Ends what run() did not end, and frees. */
static void end(struct worker *self) {
    if (!self->ready) {
        return;
    }
    self->ready = false;
    stop(self, 0);
    leave(self);
    turn_until_stopped(self);
    enter(self);
    wsgi_end(&self->wsgi);
    /* Threads hold references to this object: there are none any more, and what they had to say
     * is posted. */
    leave(self);
    while (self->wsgi.jobs.live > 0) {
        loop_turn(&self->loop, false);
    }
    enter(self);
    if (self->wakeup_fd >= 0) {
        uv_close((uv_handle_t *)&self->wakeup, NULL);
    }
    runnable_cancel(&self->on_signals);
    runnable_cancel(&self->on_log);
    runnable_cancel(&self->on_stop);
    leave(self);
    loop_release(&self->loop);
    enter(self);
    server_release(&self->server);
    wsgi_release(&self->wsgi);
}

static int watch_wakeup(struct worker *self) {
    if (self->wakeup_fd < 0) {
        return 0;
    }
    int flags = fcntl(self->wakeup_fd, F_GETFL);
    if (flags < 0 || fcntl(self->wakeup_fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    int err = uv_poll_init(&self->loop.uv, &self->wakeup, self->wakeup_fd);
    if (!err) {
        self->wakeup.data = self;
        err = uv_poll_start(&self->wakeup, UV_READABLE, on_wakeup);
    }
    if (err) {
        PyErr_Format(PyExc_OSError, "wakeup_fd cannot be watched: %s", uv_strerror(err));
        return -1;
    }
    return 0;
}

/* [gives] duplicates of the listening sockets, each to be closed; NULL with an exception. */
static int *duplicate_sockets(PyObject *sockets, Py_ssize_t *count) {
    PyObject *fast = PySequence_Fast(sockets, "sockets must be a sequence of descriptors");
    if (!fast) {
        return NULL;
    }
    *count = 0;
    Py_ssize_t size = PySequence_Fast_GET_SIZE(fast);
    int *fds = PyMem_Calloc((size_t)size + 1, sizeof(*fds));
    if (!fds) {
        PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; fds && i < size; i++) {
        int fd = PyObject_AsFileDescriptor(PySequence_Fast_GET_ITEM(fast, i));
        int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (copy >= 0) {
            fds[(*count)++] = copy;
            continue;
        }
        if (fd >= 0) {
            PyErr_SetFromErrno(PyExc_OSError);
        }
        while (*count > 0) {
            close(fds[--*count]);
        }
        PyMem_Free(fds);
        fds = NULL;
    }
    Py_DECREF(fast);
    return fds;
}

static int listen_on(struct worker *self, const struct server_config *config, PyObject *sockets) {
    Py_ssize_t count;
    int *fds = duplicate_sockets(sockets, &count);
    if (!fds) {
        return -1;
    }
    int err = server_init(&self->server, &self->loop, config, &self->wsgi.gateway, fds,
                          (uint32_t)count, (struct log_sink){on_log_waits, self});
    if (err) {
        while (count > 0) {
            close(fds[--count]);
        }
        PyErr_SetString(PyExc_OSError, err_text(err));
    }
    PyMem_Free(fds);
    return err ? -1 : 0;
}

/* Loop, gateway, wake-up and server, in this order; undone in the reverse. 0, or -1 with an
 * exception and nothing left. */
static int make(struct worker *self, struct state *state, const struct wsgi_config *wsgi,
                const struct server_config *config, PyObject *sockets) {
    int err = loop_init(&self->loop, (struct loop_hooks){enter, leave, self});
    if (err) {
        PyErr_Format(PyExc_OSError, "the loop cannot be made: %s", uv_strerror(err));
        return -1;
    }
    if (wsgi_init(&self->wsgi, &self->loop, &state->wsgi, wsgi) < 0 || watch_wakeup(self) < 0) {
        goto fail_wsgi;
    }
    if (listen_on(self, config, sockets) < 0) {
        goto fail_wakeup;
    }
    self->ready = true;
    return 0;

fail_wakeup:
    if (self->wakeup_fd >= 0) {
        uv_close((uv_handle_t *)&self->wakeup, NULL);
    }
fail_wsgi:
    leave(self);
    loop_release(&self->loop);
    enter(self);
    wsgi_release(&self->wsgi);
    return -1;
}

/* --- the type --- */

/* An optional argument that is a descriptor or a flag, taken out of `kwargs` [borrowed].
 * 0, or -1 with an exception. */
static int take_int(PyObject *kwargs, const char *name, int *value) {
    PyObject *given = PyDict_GetItemString(kwargs, name); /* borrowed */
    if (!given) {
        return 0;
    }
    long number = PyLong_AsLong(given);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (number < -1 || number > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "%s is %R: allowed is a descriptor, or -1 for none", name,
                     given);
        return -1;
    }
    *value = (int)number;
    return PyDict_DelItemString(kwargs, name);
}

static int take_bool(PyObject *kwargs, const char *name, bool *value) {
    PyObject *given = PyDict_GetItemString(kwargs, name); /* borrowed */
    if (!given) {
        return 0;
    }
    int truth = PyObject_IsTrue(given);
    if (truth < 0) {
        return -1;
    }
    *value = truth;
    return PyDict_DelItemString(kwargs, name);
}

/* What is left in `kwargs` are rows of the table of options. */
static int take_options(PyObject *kwargs, struct options *options) {
    Py_ssize_t at = 0;
    PyObject *name;
    PyObject *value;
    while (PyDict_Next(kwargs, &at, &name, &value)) {
        if (options_set(options, name, value) < 0) {
            return -1;
        }
    }
    return 0;
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

static int worker_init(PyObject *object, PyObject *args, PyObject *kwargs) {
    struct worker *self = (struct worker *)object;
    PyObject *app;
    PyObject *sockets;
    if (self->ready || self->life != NEW) {
        PyErr_SetString(PyExc_RuntimeError, "Worker.__init__() called twice");
        return -1;
    }
    if (!PyArg_ParseTuple(args, "OO:Worker", &app, &sockets)) {
        return -1;
    }
    if (!PyCallable_Check(app)) {
        PyErr_Format(PyExc_TypeError, "app is %R: a WSGI application is callable", app);
        return -1;
    }
    struct state *state = PyType_GetModuleState(Py_TYPE(object));
    struct options options;
    int access_log_fd = -1;
    bool multiprocess = false;
    options_init(&options);
    PyObject *rest = kwargs ? PyDict_Copy(kwargs) : PyDict_New();
    int result = -1;
    if (rest && take_int(rest, "wakeup_fd", &self->wakeup_fd) == 0 &&
        take_int(rest, "access_log_fd", &access_log_fd) == 0 &&
        take_bool(rest, "multiprocess", &multiprocess) == 0 && take_options(rest, &options) == 0) {
        Py_XSETREF(self->logger, error_logger());
        struct server_config config;
        options_to_server(&options, &config);
        config.access_log_fd = access_log_fd;
        struct wsgi_config wsgi = {.app = app,
                                   .logger = self->logger,
                                   .software = "freastal/" FREASTAL_VERSION,
                                   .threads = (uint32_t)options.threads,
                                   .listeners = (uint32_t)PyObject_Size(sockets),
                                   .multiprocess = multiprocess};
        if (self->logger && !PyErr_Occurred()) {
            result = make(self, state, &wsgi, &config, sockets);
        }
    }
    Py_XDECREF(rest);
    return result;
}

static PyObject *worker_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args;
    (void)kwargs;
    struct worker *self = (struct worker *)type->tp_alloc(type, 0); /* all zero */
    if (self) {
        self->wakeup_fd = -1;
        runnable_init(&self->on_signals, run_signal_handlers);
        runnable_init(&self->on_log, drain_log);
        runnable_init(&self->on_stop, carry_out_stop);
        loop_timer_init(&self->patience, on_patience);
    }
    return (PyObject *)self;
}

static PyObject *worker_run(PyObject *object, PyObject *unused) {
    struct worker *self = (struct worker *)object;
    (void)unused;
    if (!self->ready || self->life != NEW) {
        PyErr_SetString(PyExc_RuntimeError, "Worker.run() can be called once");
        return NULL;
    }
    self->life = RUNNING;
    if (wsgi_begin(&self->wsgi, object) < 0) {
        self->life = ENDED;
        wsgi_end(&self->wsgi);
        return NULL;
    }
    self->ident = PyThread_get_thread_ident();
    leave(self);
    turn_until_stopped(self);
    enter(self);
    self->life = ENDED;
    wsgi_end(&self->wsgi);
    loop_sweep(&self->loop);
    if (self->raised) {
        py_give_exception(self->raised); /* steals */
        self->raised = NULL;
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
    if (!self->ready || self->life == ENDED) {
        Py_RETURN_NONE;
    }
    uint64_t ms = (uint64_t)(seconds * 1000);
    if (self->life == RUNNING && self->ident == PyThread_get_thread_ident()) {
        /* A signal handler, in the run beat: the response that an application is making just now
         * can already say that it is the connection's last. */
        stop(self, ms);
    } else if (!self->stop_posted) {
        self->stop_posted = true;
        self->stop_grace = ms;
        loop_post(&self->loop, &self->on_stop);
    } else if (ms < self->stop_grace) {
        self->stop_grace = ms;
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
    } else if (self->ready) {
        server_live(&self->server, count, &live);
        count(&live, "calls", self->wsgi.jobs.live);
#define X(name) count(&totals, #name, self->server.counters.name);
        SERVER_TOTALS(X)
#undef X
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

static int worker_traverse(PyObject *object, visitproc visit, void *arg) {
    struct worker *self = (struct worker *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->logger);
    Py_VISIT(self->raised);
    return wsgi_traverse(&self->wsgi, visit, arg);
}

static void worker_dealloc(PyObject *object) {
    struct worker *self = (struct worker *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    end(self);
    Py_CLEAR(self->logger);
    Py_CLEAR(self->raised);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef worker_methods[] = {
    {"run", worker_run, METH_NOARGS,
     PyDoc_STR("run()\n--\n\nServe until stop() has been carried out.")},
    {"stop", worker_stop, METH_O,
     PyDoc_STR("stop(grace)\n--\n\nStop gracefully within `grace` seconds; from any thread.")},
    {"counters", worker_counters, METH_NOARGS,
     PyDoc_STR("counters()\n--\n\nTotals, live C objects and reasons to close, by name.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot worker_slots[] = {
    {Py_tp_doc, PyDoc_STR("Worker(app, sockets, *, wakeup_fd=-1, access_log_fd=-1, "
                          "multiprocess=False, **options)\n--\n\n"
                          "One loop and all that it serves.")},
    {Py_tp_new, worker_new},
    {Py_tp_init, worker_init},
    {Py_tp_traverse, worker_traverse},
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
