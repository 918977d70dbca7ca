/* What an environ says of TLS, in the names of mod_ssl: HTTPS, SSL_PROTOCOL, SSL_CIPHER and
 * SSL_CLIENT_*. With the GIL, loop thread. */
#ifndef GATEWAY_WSGI_SECURITY_H
#define GATEWAY_WSGI_SECURITY_H

#include "gateway/py_text.h"
#include "net/security.h"

/* Puts it into `environ`. [borrows all for the call] 0, or -1 with an exception. */
int wsgi_security_put(PyObject *environ, struct py_text *texts, const struct security *security);

#endif
