/* The "tls" extension of a scope (ASGI TLS Extension, version 0.2). With the GIL, loop thread. */
#ifndef GATEWAY_ASGI_SECURITY_H
#define GATEWAY_ASGI_SECURITY_H

#include "gateway/py_compat.h"
#include "net/security.h"

/* What connections without a client's certificate repeat. */
struct asgi_security {
    /* private */
    PyObject *dict;        /* of the last such connection, to be copied; NULL: none yet */
    PyObject *server_cert; /* what it holds. [borrows from dict] */
    uint16_t version;
    uint16_t suite;
};

void asgi_security_clear(struct asgi_security *self);

/* [new] The value of extensions["tls"]; NULL with an exception. [borrows security for the call] */
PyObject *asgi_security_make(struct asgi_security *self, const struct security *security);

#endif
