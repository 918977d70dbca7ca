/* What CPython spells differently from 3.10 to 3.13, in one place; only documented API.
 * Included by the Python half of gateway/ and by ext/, always as the way to Python.h. */
#ifndef GATEWAY_PY_COMPAT_H
#define GATEWAY_PY_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_VERSION_HEX < 0x030a0000
#error "freastal needs CPython 3.10 or newer"
#endif

#if PY_VERSION_HEX >= 0x030c0000

/* Takes the exception that is set, with its traceback. [new] NULL where none is set. */
static inline PyObject *py_take_exception(void) {
    return PyErr_GetRaisedException();
}

/* Sets it again. [steals exception] */
static inline void py_give_exception(PyObject *exception) {
    PyErr_SetRaisedException(exception);
}

/* Makes the one-byte data of a str readable in place: it always is. */
static inline int py_ready(PyObject *text) {
    (void)text;
    return 0;
}

#else

static inline PyObject *py_take_exception(void) {
    PyObject *type;
    PyObject *value;
    PyObject *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL && value != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    Py_DECREF(type);
    Py_XDECREF(traceback);
    return value;
}

static inline void py_give_exception(PyObject *exception) {
    PyObject *type = (PyObject *)Py_TYPE(exception);
    Py_INCREF(type);
    PyErr_Restore(type, exception, PyException_GetTraceback(exception));
}

/* 0, or -1 with an exception: strings of the old API are not ready. */
static inline int py_ready(PyObject *text) {
    return PyUnicode_READY(text);
}

#endif

#endif
