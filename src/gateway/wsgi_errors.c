/* wsgi.errors; see wsgi_errors.h. */
#include "gateway/wsgi_errors.h"

#include "gateway/py_log.h"

#include "base/banned.h"

/* A line without an end is logged when it is this long, in characters. */
enum { PENDING_MAX = 64 * 1024 };

struct errors {
    PyObject_HEAD PyObject *logger;
    PyObject *pending; /* the line that has no end yet; NULL: none */
};

static struct errors *own(PyObject *self) {
    return (struct errors *)(void *)self;
}

PyObject *wsgi_errors_new(PyTypeObject *type, PyObject *logger) {
    struct errors *errors = PyObject_GC_New(struct errors, type);
    if (!errors) {
        return NULL;
    }
    errors->logger = Py_NewRef(logger);
    errors->pending = NULL;
    PyObject_GC_Track((PyObject *)errors);
    return (PyObject *)errors;
}

static int errors_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(own(self)->logger);
    return 0;
}

static int errors_clear(PyObject *self) {
    Py_CLEAR(own(self)->logger);
    Py_CLEAR(own(self)->pending);
    return 0;
}

static void errors_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    errors_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static void emit(PyObject *logger, PyObject *text) {
    if (logger) {
        py_log(logger, "error", "%U", text);
    }
}

/* Logs all of `text` [borrowed] up to its last line's end and keeps the rest.
 * 0, or -1 with an exception. */
static int put(struct errors *errors, PyObject *text) {
    Py_ssize_t len = PyUnicode_GET_LENGTH(text);
    Py_ssize_t end = PyUnicode_FindChar(text, '\n', 0, len, -1);
    Py_ssize_t next = end + 1;
    if (end < 0 && len > PENDING_MAX) {
        end = len;
        next = len;
    }
    if (end < 0) {
        Py_XSETREF(errors->pending, Py_NewRef(text));
        return 0;
    }
    PyObject *whole = PyUnicode_Substring(text, 0, end);
    PyObject *rest = PyUnicode_Substring(text, next, len);
    PyObject *logger = Py_XNewRef(errors->logger);
    int failed = !whole || !rest;
    if (!failed) {
        Py_XSETREF(errors->pending, next < len ? Py_NewRef(rest) : NULL);
        emit(logger, whole);
    }
    Py_XDECREF(logger);
    Py_XDECREF(rest);
    Py_XDECREF(whole);
    return failed ? -1 : 0;
}

static PyObject *errors_write(PyObject *self, PyObject *text) {
    struct errors *errors = own(self);
    if (!PyUnicode_Check(text)) {
        return PyErr_Format(PyExc_TypeError, "wsgi.errors takes str, not %.200s",
                            Py_TYPE(text)->tp_name);
    }
    PyObject *joined = errors->pending ? PyUnicode_Concat(errors->pending, text) : Py_NewRef(text);
    if (!joined || put(errors, joined)) {
        Py_XDECREF(joined);
        return NULL;
    }
    Py_DECREF(joined);
    return PyLong_FromSsize_t(PyUnicode_GetLength(text));
}

static PyObject *errors_writelines(PyObject *self, PyObject *lines) {
    PyObject *iterator = PyObject_GetIter(lines);
    PyObject *line;
    if (!iterator) {
        return NULL;
    }
    while ((line = PyIter_Next(iterator)) != NULL) {
        PyObject *written = errors_write(self, line);
        Py_DECREF(line);
        if (!written) {
            break;
        }
        Py_DECREF(written);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

void wsgi_errors_flush(PyObject *self) {
    struct errors *errors = own(self);
    PyObject *pending = errors->pending;
    if (!pending) {
        return;
    }
    PyObject *logger = Py_XNewRef(errors->logger);
    errors->pending = NULL;
    emit(logger, pending);
    Py_DECREF(pending);
    Py_XDECREF(logger);
}

static PyObject *errors_flush(PyObject *self, PyObject *unused) {
    (void)unused;
    wsgi_errors_flush(self);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"write", errors_write, METH_O,
     PyDoc_STR("write(text, /)\n--\n\nLogs its whole lines and keeps the rest.")},
    {"writelines", errors_writelines, METH_O,
     PyDoc_STR("writelines(lines, /)\n--\n\nwrite() for each of them.")},
    {"flush", errors_flush, METH_NOARGS,
     PyDoc_STR("flush()\n--\n\nLogs a line that has no end yet.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The error log as a stream of text (PEP 3333).")},
    {Py_tp_dealloc, (void *)errors_dealloc},
    {Py_tp_traverse, (void *)errors_traverse},
    {Py_tp_clear, (void *)errors_clear},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "freastal._core.Errors",
    .basicsize = sizeof(struct errors),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

PyTypeObject *wsgi_errors_type(PyObject *module) {
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
