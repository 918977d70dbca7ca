/* wsgi.input; see wsgi_input.h.
 *
 * A window of bytes lies over the body: the whole of a body in memory, or up to WINDOW bytes of
 * one in a file. The window moves while the GIL is held, so that threads that share a stream by
 * mistake get mixed bytes and nothing worse. */
#include "gateway/wsgi_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/banned.h"

enum { WINDOW = 32 * 1024 };

struct input {
    PyObject_HEAD int fd; /* -1: the window is all there is */
    uint64_t at;          /* the next byte to read */
    uint64_t len;         /* of the body */
    uint8_t *window;      /* bytes from window_at on; NULL while there are none */
    uint64_t window_at;
    size_t window_len;
};

static struct input *own(PyObject *self) {
    return (struct input *)(void *)self;
}

PyObject *wsgi_input_new(PyTypeObject *type, struct wsgi_body *body) {
    struct input *input = PyObject_New(struct input, type);
    if (!input) {
        return NULL;
    }
    input->fd = body->fd;
    input->at = 0;
    input->len = body->len;
    input->window = body->memory;
    input->window_at = 0;
    input->window_len = body->fd < 0 ? (size_t)body->len : 0;
    wsgi_body_init(body);
    return (PyObject *)input;
}

static void input_dealloc(PyObject *self) {
    struct input *input = own(self);
    PyTypeObject *type = Py_TYPE(self);
    free(input->window);
    if (input->fd >= 0) {
        close(input->fd);
    }
    PyObject_Free(self);
    Py_DECREF(type);
}

/* Bytes of the file from `offset`, all `len` of them: the file is longer. 0, or -1 with errno. */
static int read_all(int fd, uint8_t *to, size_t len, uint64_t offset) {
    while (len > 0) {
        ssize_t n = pread(fd, to, len, (off_t)offset);
        if (n == 0) {
            errno = EIO;
            return -1;
        }
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        if (n > 0) {
            to += n;
            len -= (size_t)n;
            offset += (uint64_t)n;
        }
    }
    return 0;
}

/* Moves the window so that it begins at `offset`, unless it covers that byte. `offset` is inside
 * the body. 0, or -1 with an exception. */
static int look_at(struct input *input, uint64_t offset) {
    if (offset >= input->window_at && offset - input->window_at < input->window_len) {
        return 0;
    }
    if (!input->window) {
        input->window = malloc(WINDOW);
        if (!input->window) {
            PyErr_NoMemory();
            return -1;
        }
    }
    uint64_t left = input->len - offset;
    size_t len = left < WINDOW ? (size_t)left : WINDOW;
    input->window_len = 0;
    if (read_all(input->fd, input->window, len, offset)) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    input->window_at = offset;
    input->window_len = len;
    return 0;
}

/* The window from `offset` on; look_at has been there. */
static struct slice seen_from(const struct input *input, uint64_t offset) {
    size_t skip = (size_t)(offset - input->window_at);
    return slice_of(input->window + skip, input->window_len - skip);
}

/* Copies `len` bytes from where the stream stands; they are there. 0, or -1 with an exception. */
static int copy(struct input *input, uint8_t *to, size_t len) {
    while (len > 0) {
        if (input->fd >= 0 && len >= WINDOW) {
            uint64_t offset = input->at;
            int fd = input->fd;
            int failed;
            input->at += len;
            Py_BEGIN_ALLOW_THREADS;
            failed = read_all(fd, to, len, offset);
            Py_END_ALLOW_THREADS;
            if (failed) {
                PyErr_SetFromErrno(PyExc_OSError);
            }
            return failed;
        }
        if (look_at(input, input->at)) {
            return -1;
        }
        struct slice seen = seen_from(input, input->at);
        size_t n = seen.len < len ? seen.len : len;
        memcpy(to, seen.at, n);
        input->at += n;
        to += n;
        len -= n;
    }
    return 0;
}

/* The next `len` bytes, or all that are left. [new] */
static PyObject *take(struct input *input, uint64_t len) {
    uint64_t left = input->len - input->at;
    len = len < left ? len : left;
    if (len > PY_SSIZE_T_MAX) {
        return PyErr_NoMemory();
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
    if (bytes && copy(input, (uint8_t *)PyBytes_AS_STRING(bytes), (size_t)len)) {
        Py_CLEAR(bytes);
    }
    return bytes;
}

/* The length of the next line with its end, at most `limit`, in `*len`. 0, or -1 with an
 * exception. A long line is read twice, so that it is never copied while it grows. */
static int measure_line(struct input *input, uint64_t limit, uint64_t *len) {
    uint64_t left = input->len - input->at;
    limit = limit < left ? limit : left;
    *len = 0;
    while (*len < limit) {
        if (look_at(input, input->at + *len)) {
            return -1;
        }
        struct slice seen = seen_from(input, input->at + *len);
        size_t n = seen.len < limit - *len ? seen.len : (size_t)(limit - *len);
        const uint8_t *end = memchr(seen.at, '\n', n);
        *len += end ? (uint64_t)(end - seen.at) + 1 : n;
        if (end) {
            break;
        }
    }
    return 0;
}

/* [new] */
static PyObject *take_line(struct input *input, uint64_t limit) {
    uint64_t len;
    if (measure_line(input, limit, &len)) {
        return NULL;
    }
    return take(input, len);
}

/* The one optional size argument: None and negative numbers mean all. 0, or -1 with an
 * exception. */
static int read_size(const char *name, PyObject *const *args, Py_ssize_t count, uint64_t *size) {
    *size = UINT64_MAX;
    if (count > 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most one argument, not %zd", name, count);
        return -1;
    }
    if (count == 0 || args[0] == Py_None) {
        return 0;
    }
    PyObject *index = PyNumber_Index(args[0]);
    if (!index) {
        return -1;
    }
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (!overflow && number >= 0) {
        *size = (uint64_t)number;
    }
    return 0;
}

static PyObject *input_read(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    uint64_t size;
    if (read_size("read", args, count, &size)) {
        return NULL;
    }
    return take(own(self), size);
}

static PyObject *input_readline(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    uint64_t size;
    if (read_size("readline", args, count, &size)) {
        return NULL;
    }
    return take_line(own(self), size);
}

/* Whole lines, until they have reached the hint; a hint of 0 is none, as for files. */
static PyObject *input_readlines(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    struct input *input = own(self);
    uint64_t hint;
    if (read_size("readlines", args, count, &hint)) {
        return NULL;
    }
    PyObject *lines = PyList_New(0);
    uint64_t taken = 0;
    while (lines && input->at < input->len && (hint == 0 || taken < hint)) {
        PyObject *line = take_line(input, UINT64_MAX);
        if (!line || PyList_Append(lines, line)) {
            Py_CLEAR(lines);
        } else {
            taken += (uint64_t)PyBytes_GET_SIZE(line);
        }
        Py_XDECREF(line);
    }
    return lines;
}

/* NULL without an exception ends the iteration. */
static PyObject *input_next(PyObject *self) {
    struct input *input = own(self);
    return input->at < input->len ? take_line(input, UINT64_MAX) : NULL;
}

#define METHOD(name) ((PyCFunction)(void (*)(void))(name))

static PyMethodDef methods[] = {
    {"read", METHOD(input_read), METH_FASTCALL,
     PyDoc_STR("read(size=-1, /)\n--\n\nUp to that many bytes of the body; all without a size.")},
    {"readline", METHOD(input_readline), METH_FASTCALL,
     PyDoc_STR("readline(size=-1, /)\n--\n\nThe next line with its end, or its first bytes.")},
    {"readlines", METHOD(input_readlines), METH_FASTCALL,
     PyDoc_STR("readlines(hint=-1, /)\n--\n\nA list of lines; stops when they reach the hint.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The body of a request (PEP 3333).")},
    {Py_tp_dealloc, (void *)input_dealloc},
    {Py_tp_iter, (void *)PyObject_SelfIter},
    {Py_tp_iternext, (void *)input_next},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "freastal._core.Input",
    .basicsize = sizeof(struct input),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

PyTypeObject *wsgi_input_type(PyObject *module) {
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
