/* What the module owns: one of these a module object, so one an interpreter. */
#ifndef EXT_STATE_H
#define EXT_STATE_H

#include "ext/asyncio.h"
#include "gateway/asgi_types.h"
#include "gateway/py_compat.h"
#include "gateway/wsgi.h"

struct state {
    PyTypeObject *loop_type;   /* owned */
    PyTypeObject *worker_type; /* owned */
    PyTypeObject *tls_type;    /* owned; NULL in a build without TLS */
    struct asyncio asyncio;
    struct wsgi_types wsgi;
    struct asgi_types asgi;
};

/* The type Worker. [new] or NULL with an exception. */
PyTypeObject *worker_type_new(PyObject *module);

#endif
