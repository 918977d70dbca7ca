/* See wsgi_security.h. */
#include "gateway/wsgi_security.h"

#include <string.h>

#include "base/banned.h"

/* [steals value] 0, or -1 with an exception, also where value is NULL. */
static int put(PyObject *environ, const char *key, PyObject *value) {
    int failed = value ? PyDict_SetItemString(environ, key, value) : -1;
    Py_XDECREF(value);
    return failed;
}

static PyObject *text_of(struct py_text *texts, const char *text) {
    return py_text_get(texts, slice_of(text, strlen(text)));
}

/* As mod_ssl and nginx say it: NONE, SUCCESS, or FAILED: and why. */
static PyObject *verdict(const struct security_client *client) {
    if (!client) {
        return PyUnicode_FromString("NONE");
    }
    return client->error ? PyUnicode_FromFormat("FAILED:%s", client->error)
                         : PyUnicode_FromString("SUCCESS");
}

static int put_client(PyObject *environ, const struct security_client *client) {
    int failed = put(environ, "SSL_CLIENT_S_DN", py_text_make(client->subject)) ||
                 put(environ, "SSL_CLIENT_I_DN", py_text_make(client->issuer)) ||
                 put(environ, "SSL_CLIENT_M_SERIAL", py_text_make(client->serial)) ||
                 put(environ, "SSL_CLIENT_V_START", py_text_make(client->begins)) ||
                 put(environ, "SSL_CLIENT_V_END", py_text_make(client->ends)) ||
                 put(environ, "SSL_CLIENT_CERT", py_text_make(client->chain[0]));
    for (size_t i = 1; !failed && i < client->chain_count; i++) {
        char key[] = "SSL_CLIENT_CERT_CHAIN_0";
        key[sizeof(key) - 2] = (char)('0' + (i - 1)); /* at most SECURITY_CHAIN - 2 */
        failed = put(environ, key, py_text_make(client->chain[i]));
    }
    return failed ? -1 : 0;
}

int wsgi_security_put(PyObject *environ, struct py_text *texts, const struct security *security) {
    if (put(environ, "HTTPS", text_of(texts, "on")) ||
        put(environ, "SSL_PROTOCOL", text_of(texts, security->protocol)) ||
        put(environ, "SSL_CIPHER", text_of(texts, security->cipher)) ||
        (security->asks_client && put(environ, "SSL_CLIENT_VERIFY", verdict(security->client)))) {
        return -1;
    }
    return security->client ? put_client(environ, security->client) : 0;
}
