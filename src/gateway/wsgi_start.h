/* The two callables that an application is given: start_response, and the write that it returns
 * (PEP 3333 "The start_response() Callable"). Each points at its job while the job can take what
 * it brings; called later, it raises RuntimeError. */
#ifndef GATEWAY_WSGI_START_H
#define GATEWAY_WSGI_START_H

#include "gateway/py_compat.h"

struct wsgi_job;

struct wsgi_handle {
    PyObject_HEAD vectorcallfunc call; /* private */
    struct wsgi_job *job;              /* NULL: the response is over */
};

/* The types, of `module`. [new] NULL with an exception. */
PyTypeObject *wsgi_start_response_type(PyObject *module);
PyTypeObject *wsgi_write_type(PyObject *module);

/* Handles for `job`. [new] NULL with MemoryError. */
struct wsgi_handle *wsgi_start_response_new(PyTypeObject *type, struct wsgi_job *job);
struct wsgi_handle *wsgi_write_new(PyTypeObject *type, struct wsgi_job *job);

#endif
