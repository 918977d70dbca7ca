/* wsgi.input: a gathered request body as a stream (PEP 3333 "Input and Error Streams").
 * It reads memory or a file of its own and never waits for the peer. Objects outlive their
 * request harmlessly. */
#ifndef GATEWAY_WSGI_INPUT_H
#define GATEWAY_WSGI_INPUT_H

#include "gateway/py_compat.h"
#include "gateway/wsgi_body.h"

/* The type, of `module`. [new] NULL with an exception. */
PyTypeObject *wsgi_input_type(PyObject *module);

/* A stream over `body`, which is empty afterwards. [takes the body's contents, but not where it
 * fails] [new] NULL with MemoryError. */
PyObject *wsgi_input_new(PyTypeObject *type, struct wsgi_body *body);

#endif
