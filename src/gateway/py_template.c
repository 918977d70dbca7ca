/* See py_template.h. */
#include "gateway/py_template.h"

#include "base/banned.h"

/* CPython's bound of keys that are shared. From 3.11 on a class leaves room for so many, and one
 * less with each instance that is made, down to one; 3.10 has room for what there is. */
enum { SHARED_MAX = 30 };

/* Instances that py_template_make needs for itself. */
enum { OWN_INSTANCES = 2 };

static int set_all(PyObject *instance, PyObject *dict) {
    PyObject *key;
    PyObject *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(dict, &at, &key, &value)) {
        if (PyObject_SetAttr(instance, key, value) < 0) {
            return -1;
        }
    }
    return 0;
}

/* [new] the attributes of an instance of `type` with the keys and values of `dict`; NULL with an
 * exception. */
static PyObject *attributes(PyObject *type, PyObject *dict) {
    PyObject *instance = PyObject_CallNoArgs(type);
    PyObject *made =
        instance && set_all(instance, dict) == 0 ? PyObject_GenericGetDict(instance, NULL) : NULL;
    Py_XDECREF(instance);
    return made;
}

/* 0, or -1 with an exception. */
static int use_up_room(PyObject *type, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *instance = PyObject_CallNoArgs(type);
        if (!instance) {
            return -1;
        }
        Py_DECREF(instance);
    }
    return 0;
}

PyObject *py_template_make(PyObject *dict, Py_ssize_t spare) {
    PyObject *made = NULL;
    PyObject *type = PyObject_CallFunction((PyObject *)&PyType_Type, "s(){}", "template");
    PyObject *first = type ? attributes(type, dict) : NULL; /* makes the keys known */
    if (first &&
        use_up_room(type, SHARED_MAX - OWN_INSTANCES - PyDict_GET_SIZE(dict) - spare) == 0) {
        made = attributes(type, dict);
    }
    Py_XDECREF(first);
    Py_XDECREF(type);
    return made;
}
