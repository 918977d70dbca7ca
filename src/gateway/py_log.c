/* Lines to the Python logger; see py_log.h. */
#include "gateway/py_log.h"

#include <stdarg.h>

#include "base/banned.h"

/* [steals text, exception] NULL text: an exception is set; NULL exception: none to show. */
static void emit(PyObject *logger, const char *name, PyObject *text, PyObject *exception) {
    PyObject *method = text ? PyObject_GetAttrString(logger, name) : NULL;
    PyObject *args = method ? PyTuple_Pack(1, text) : NULL;
    PyObject *kwargs = NULL;
    PyObject *done = NULL;
    if (args && exception) {
        kwargs = Py_BuildValue("{sO}", "exc_info", exception);
    }
    if (args && (kwargs || !exception)) {
        done = PyObject_Call(method, args, kwargs);
    }
    if (!done) {
        PyErr_WriteUnraisable(logger);
    }
    Py_XDECREF(done);
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    Py_XDECREF(method);
    Py_XDECREF(text);
    Py_XDECREF(exception);
}

void py_log(PyObject *logger, const char *method, const char *format, ...) {
    va_list args;
    va_start(args, format);
    PyObject *text = PyUnicode_FromFormatV(format, args);
    va_end(args);
    emit(logger, method, text, NULL);
}

void py_log_exception(PyObject *logger, const char *format, ...) {
    PyObject *exception = py_take_exception();
    va_list args;
    va_start(args, format);
    PyObject *text = PyUnicode_FromFormatV(format, args);
    va_end(args);
    emit(logger, "error", text, exception);
}
