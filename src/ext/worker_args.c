/* Arguments of Worker(); see worker_args.h. */
#include "ext/worker_args.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/banned.h"

/* Every function that takes an argument takes it out of `rest`, so that what stays there must be
 * rows of the table of options. 0, or -1 with an exception. */

/* `*value` is NULL where there is none. */
static int take(PyObject *rest, const char *name, PyObject **value) {
    PyObject *given = PyDict_GetItemString(rest, name); /* borrowed; the call's kwargs hold it */
    *value = given == Py_None ? NULL : given;
    return given ? PyDict_DelItemString(rest, name) : 0;
}

/* As take, and the value must be an instance of `type`. */
static int take_object(PyObject *rest, const char *name, PyTypeObject *type, PyObject **value) {
    if (take(rest, name, value) < 0) {
        return -1;
    }
    if (*value && !PyObject_TypeCheck(*value, type)) {
        PyErr_Format(PyExc_TypeError, "%s is %R: allowed is an object of type %s", name, *value,
                     type->tp_name);
        return -1;
    }
    return 0;
}

/* UTF-8 [borrows until the argument goes]. */
static int take_text(PyObject *rest, const char *name, const char **value) {
    PyObject *given;
    if (take_object(rest, name, &PyUnicode_Type, &given) < 0) {
        return -1;
    }
    if (given) {
        *value = PyUnicode_AsUTF8(given);
    }
    return *value ? 0 : -1;
}

static int take_descriptor(PyObject *rest, const char *name, int *value) {
    PyObject *given;
    if (take(rest, name, &given) < 0) {
        return -1;
    }
    long number = given ? PyLong_AsLong(given) : *value;
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (number < -1 || number > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "%s is %R: allowed is a descriptor, or -1 for none", name,
                     given);
        return -1;
    }
    *value = (int)number;
    return 0;
}

static int take_bool(PyObject *rest, const char *name, bool *value) {
    PyObject *given;
    int truth = take(rest, name, &given) < 0 ? -1 : given ? PyObject_IsTrue(given) : *value;
    *value = truth > 0;
    return truth < 0 ? -1 : 0;
}

static int take_callable(PyObject *rest, const char *name, PyObject **value) {
    if (take(rest, name, value) < 0) {
        return -1;
    }
    if (*value && !PyCallable_Check(*value)) {
        PyErr_Format(PyExc_TypeError, "%s is %R: allowed is a callable", name, *value);
        return -1;
    }
    return 0;
}

static int take_options(PyObject *rest, struct options *options) {
    Py_ssize_t at = 0;
    PyObject *name;
    PyObject *value;
    options_init(options);
    while (PyDict_Next(rest, &at, &name, &value)) {
        if (options_set(options, name, value) < 0) {
            return -1;
        }
    }
    return 0;
}

/* A TlsContext; in a build without TLS there is none, and whatever is given is refused later. */
static int take_tls(PyObject *rest, const struct state *state, struct worker_args *read) {
    int failed = state->tls_type ? take_object(rest, "tls", state->tls_type, &read->tls)
                                 : take(rest, "tls", &read->tls);
    return failed < 0 || take(rest, "ticket_keys", &read->ticket_keys) < 0 ? -1 : 0;
}

static int take_proxies(PyObject *rest, struct worker_args *read) {
    return take(rest, "forwarded_allow_ips", &read->forwarded_allow_ips) < 0 ||
                   take(rest, "proxy_allow_from", &read->proxy_allow_from) < 0 ||
                   take_text(rest, "forwarded_kind", &read->forwarded_kind) < 0 ||
                   take_text(rest, "health_path", &read->health_path) < 0
               ? -1
               : 0;
}

static int take_logs(PyObject *rest, struct worker_args *read) {
    return take_descriptor(rest, "access_log_fd", &read->access_log_fd) < 0 ||
                   take_text(rest, "access_log_format", &read->access_log_format) < 0 ||
                   take_text(rest, "access_log_prefix", &read->access_log_prefix) < 0 ||
                   take_text(rest, "request_id", &read->request_id) < 0 ||
                   take_bool(rest, "request_id_reply", &read->request_id_reply) < 0
               ? -1
               : 0;
}

static int take_all(struct worker_args *read, const struct state *state, PyObject *rest) {
    PyObject *loop;
    if (take_text(rest, "interface", &read->interface) < 0 ||
        take_object(rest, "loop", state->loop_type, &loop) < 0 ||
        take(rest, "tasks", &read->tasks) < 0 ||
        take_object(rest, "state", &PyDict_Type, &read->state) < 0 ||
        take_callable(rest, "stopped", &read->stopped) < 0 ||
        take(rest, "board", &read->board) < 0 ||
        take_text(rest, "root_path", &read->root_path) < 0 ||
        take_descriptor(rest, "wakeup_fd", &read->wakeup_fd) < 0 || take_logs(rest, read) < 0 ||
        take_tls(rest, state, read) < 0 || take_proxies(rest, read) < 0 ||
        take_bool(rest, "multiprocess", &read->multiprocess) < 0 ||
        take_bool(rest, "shared", &read->shared) < 0) {
        return -1;
    }
    read->loop = (struct py_loop *)loop;
    return take_options(rest, &read->options);
}

int worker_args_read(struct worker_args *read, const struct state *state, PyObject *args,
                     PyObject *kwargs) {
    *read = (struct worker_args){.interface = "wsgi",
                                 .root_path = "",
                                 .forwarded_kind = "auto",
                                 .health_path = "",
                                 .wakeup_fd = -1,
                                 .access_log_fd = -1,
                                 .access_log_format = "",
                                 .access_log_prefix = "",
                                 .request_id = "off"};
    if (!PyArg_ParseTuple(args, "OO:Worker", &read->app, &read->sockets)) {
        return -1;
    }
    if (!PyCallable_Check(read->app)) {
        PyErr_Format(PyExc_TypeError, "app is %R: an application is callable", read->app);
        return -1;
    }
    PyObject *rest = kwargs ? PyDict_Copy(kwargs) : PyDict_New();
    int result = rest ? take_all(read, state, rest) : -1;
    Py_XDECREF(rest);
    return result;
}

int *worker_args_sockets(const struct worker_args *args, Py_ssize_t *count) {
    PyObject *fast = PySequence_Fast(args->sockets, "sockets must be a sequence of descriptors");
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
