/* See asgi_message.h. */
#include "gateway/asgi_message.h"

#include "base/banned.h"

const char *asgi_message_type(PyObject *message, PyObject *key) {
    PyObject *type = PyDict_GetItemWithError(message, key); /* borrowed */
    if (!type) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_KeyError, "a message needs a \"type\"");
        }
        return NULL;
    }
    if (!PyUnicode_Check(type)) {
        PyErr_Format(PyExc_TypeError, "the \"type\" of a message must be str, not %.200s",
                     Py_TYPE(type)->tp_name);
        return NULL;
    }
    return PyUnicode_AsUTF8(type);
}

PyObject *asgi_message_get(PyObject *message, PyObject *key) {
    PyObject *value = PyDict_GetItemWithError(message, key); /* borrowed */
    return value == Py_None ? NULL : Py_XNewRef(value);
}

int asgi_message_bool(PyObject *message, PyObject *key, bool *value) {
    PyObject *given = PyDict_GetItemWithError(message, key); /* borrowed */
    *value = given == Py_True;
    if (!given || given == Py_True || given == Py_False) {
        return PyErr_Occurred() ? -1 : 0;
    }
    Py_INCREF(given);
    int truth = PyObject_IsTrue(given);
    Py_DECREF(given);
    *value = truth > 0;
    return truth < 0 ? -1 : 0;
}

int asgi_message_int(PyObject *message, PyObject *key, int64_t least, int64_t most,
                     int64_t *value) {
    PyObject *given = asgi_message_get(message, key);
    if (!given) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int overflow = 0;
    long long number = PyLong_Check(given) ? PyLong_AsLongLongAndOverflow(given, &overflow) : 0;
    int result = 1;
    if (!PyLong_Check(given)) {
        PyErr_Format(PyExc_TypeError, "\"%U\" must be int, not %.200s", key,
                     Py_TYPE(given)->tp_name);
        result = -1;
    } else if (overflow || number < least || number > most) {
        PyErr_Format(PyExc_ValueError, "\"%U\" is %R: allowed is %lld to %lld", key, given,
                     (long long)least, (long long)most);
        result = -1;
    }
    Py_DECREF(given);
    if (result > 0) {
        *value = number;
    }
    return result;
}

PyObject *asgi_message_bytes(PyObject *message, PyObject *key) {
    PyObject *given = asgi_message_get(message, key);
    if (!given || PyBytes_Check(given)) {
        return given;
    }
    PyObject *bytes = NULL;
    if (PyObject_CheckBuffer(given)) {
        bytes = PyBytes_FromObject(given);
    } else {
        PyErr_Format(PyExc_TypeError, "\"%U\" must be bytes, not %.200s", key,
                     Py_TYPE(given)->tp_name);
    }
    Py_DECREF(given);
    return bytes;
}

PyObject *asgi_message_unexpected(const char *type, const char *expected) {
    return PyErr_Format(PyExc_RuntimeError, "unexpected ASGI message \"%.200s\": expected is %s",
                        type, expected);
}
