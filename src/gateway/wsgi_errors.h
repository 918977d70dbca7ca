/* wsgi.errors: text to the error log (PEP 3333 "Input and Error Streams"). What is written is
 * logged by whole lines, those of one write() in one record, so that tracebacks stay together. */
#ifndef GATEWAY_WSGI_ERRORS_H
#define GATEWAY_WSGI_ERRORS_H

#include "gateway/py_compat.h"

/* The type, of `module`. [new] NULL with an exception. */
PyTypeObject *wsgi_errors_type(PyObject *module);

/* A stream to `logger` [borrowed]; one for each thread, or their lines mix. [new] NULL with
 * MemoryError. */
PyObject *wsgi_errors_new(PyTypeObject *type, PyObject *logger);

/* Logs a line that has no end yet, if there is one. */
void wsgi_errors_flush(PyObject *errors);

#endif
