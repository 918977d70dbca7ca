/* start_response and write; see wsgi_start.h. */
#include "gateway/wsgi_start.h"

#include <structmember.h>

#include "gateway/wsgi.h"
#include "gateway/wsgi_job.h"

#include "base/banned.h"

static struct wsgi_handle *own(PyObject *self) {
    return (struct wsgi_handle *)(void *)self;
}

static void handle_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

static struct wsgi_handle *handle_new(PyTypeObject *type, struct wsgi_job *job,
                                      vectorcallfunc call) {
    struct wsgi_handle *handle = PyObject_New(struct wsgi_handle, type);
    if (handle) {
        handle->call = call;
        handle->job = job;
    }
    return handle;
}

/* --- start_response --- */

/* status, headers and exc_info, the last one also by keyword. 0, or -1 with TypeError. */
static int read_arguments(PyObject *const *args, Py_ssize_t count, PyObject *kwnames,
                          PyObject **exc_info) {
    Py_ssize_t named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    *exc_info = Py_None;
    if (count == 2 && named == 0) {
        return 0;
    }
    if (count == 3 && named == 0) {
        *exc_info = args[2];
        return 0;
    }
    if (count == 2 && named == 1 &&
        PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "exc_info") == 0) {
        *exc_info = args[2];
        return 0;
    }
    PyErr_SetString(PyExc_TypeError,
                    "start_response() takes status, headers and an optional exc_info");
    return -1;
}

/* PEP 3333 "Error Handling": the head has gone, so the error goes back to the application. */
static void raise_again(PyObject *exc_info) {
    PyObject *value = PyTuple_GET_ITEM(exc_info, 1); /* borrowed; exc_info is the caller's */
    if (PyExceptionInstance_Check(value)) {
        PyErr_SetObject((PyObject *)Py_TYPE(value), value);
    } else {
        PyErr_SetString(PyExc_RuntimeError,
                        "start_response() was called again after the head had been sent");
    }
}

/* May the head be set (again)? 0, or -1 with an exception. */
static int check_order(const struct wsgi_job *job, PyObject *exc_info) {
    if (exc_info == Py_None) {
        if (job->head.set) {
            PyErr_SetString(PyExc_RuntimeError,
                            "start_response() was called a second time without exc_info");
            return -1;
        }
        return 0;
    }
    if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3) {
        PyErr_SetString(PyExc_TypeError, "exc_info must be a tuple as sys.exc_info() gives it");
        return -1;
    }
    if (job->head_given) {
        raise_again(exc_info);
        return -1;
    }
    return 0;
}

static PyObject *start_response(PyObject *self, PyObject *const *args, size_t flagged,
                                PyObject *kwnames) {
    struct wsgi_job *job = own(self)->job;
    PyObject *exc_info;
    if (!job) {
        PyErr_SetString(PyExc_RuntimeError,
                        "start_response() was called after the response was over");
        return NULL;
    }
    if (read_arguments(args, PyVectorcall_NARGS(flagged), kwnames, &exc_info) ||
        check_order(job, exc_info) || wsgi_head_set(&job->head, args[0], args[1])) {
        return NULL;
    }
    return Py_NewRef((PyObject *)job->write);
}

/* --- write --- */

static PyObject *write_piece(PyObject *self, PyObject *const *args, size_t flagged,
                             PyObject *kwnames) {
    struct wsgi_job *job = own(self)->job;
    if (PyVectorcall_NARGS(flagged) != 1 || (kwnames && PyTuple_GET_SIZE(kwnames) > 0)) {
        PyErr_SetString(PyExc_TypeError, "write() takes one argument, bytes");
        return NULL;
    }
    if (!PyBytes_Check(args[0])) {
        return PyErr_Format(PyExc_TypeError, "write() takes bytes, not %.200s",
                            Py_TYPE(args[0])->tp_name);
    }
    if (!job) {
        PyErr_SetString(PyExc_RuntimeError, "write() was called after the response was over");
        return NULL;
    }
    if (wsgi_job_write(job, args[0])) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* --- types --- */

static PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct wsgi_handle, call), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, (void *)handle_dealloc},
    {Py_tp_call, (void *)PyVectorcall_Call},
    {Py_tp_members, members},
    {0, NULL},
};

enum {
    HANDLE_FLAGS = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE |
                   Py_TPFLAGS_DISALLOW_INSTANTIATION
};

static PyType_Spec start_response_spec = {
    .name = "freastal._core.StartResponse",
    .basicsize = sizeof(struct wsgi_handle),
    .flags = HANDLE_FLAGS,
    .slots = slots,
};

static PyType_Spec write_spec = {
    .name = "freastal._core.Write",
    .basicsize = sizeof(struct wsgi_handle),
    .flags = HANDLE_FLAGS,
    .slots = slots,
};

PyTypeObject *wsgi_start_response_type(PyObject *module) {
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &start_response_spec, NULL);
}

PyTypeObject *wsgi_write_type(PyObject *module) {
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &write_spec, NULL);
}

struct wsgi_handle *wsgi_start_response_new(PyTypeObject *type, struct wsgi_job *job) {
    return handle_new(type, job, start_response);
}

struct wsgi_handle *wsgi_write_new(PyTypeObject *type, struct wsgi_job *job) {
    return handle_new(type, job, write_piece);
}
