/* See py_coroutine.h. */
#include "gateway/py_coroutine.h"

#include "base/banned.h"

PyObject *py_coroutine_result(PySendResult sent, PyObject *value) {
    switch (sent) {
    case PYGEN_NEXT:
        return value;
    case PYGEN_ERROR:
        return NULL;
    case PYGEN_RETURN:
        break;
    }
    /* An instance: PyErr_SetObject would take a tuple for a list of arguments. */
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
    Py_DECREF(value);
    if (stop) {
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }
    return NULL;
}

void py_coroutine_raise(PyObject *const *args, Py_ssize_t count) {
    PyObject *first = count > 0 ? args[0] : NULL;
    if (first && PyExceptionInstance_Check(first)) {
        PyErr_SetObject((PyObject *)Py_TYPE(first), first);
    } else if (first && PyExceptionClass_Check(first)) {
        PyErr_SetObject(first, count > 1 ? args[1] : NULL);
    } else {
        PyErr_SetString(PyExc_TypeError, "throw() takes an exception");
    }
}

PyObject *py_coroutine_throw(PyObject *to, PyObject *const *args, Py_ssize_t count) {
    PyObject *method = PyObject_GetAttrString(to, "throw");
    if (!method) {
        /* An iterator without it: the exception is raised where it stands. */
        PyErr_Clear();
        py_coroutine_raise(args, count);
        return NULL;
    }
    PyObject *result = PyObject_Vectorcall(method, args, (size_t)count, NULL);
    Py_DECREF(method);
    return result;
}

PyObject *py_coroutine_take_value(void) {
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return NULL;
    }
    PyObject *stop = py_take_exception();
    PyObject *value = PyObject_GetAttrString(stop, "value");
    Py_DECREF(stop);
    return value;
}

PyObject *py_coroutine_await(PyObject *self) {
    return Py_NewRef(self);
}
