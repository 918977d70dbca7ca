/* See asgi_security.h. */
#include "gateway/asgi_security.h"

#include <stdbool.h>

#include "base/banned.h"

static PyObject *text_of(struct slice text) {
    return PyUnicode_DecodeUTF8((const char *)text.at, (Py_ssize_t)text.len, "replace");
}

static PyObject *chain_of(const struct security_client *client) {
    size_t count = client ? client->chain_count : 0;
    PyObject *chain = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; chain && i < count; i++) {
        PyObject *each = text_of(client->chain[i]);
        if (!each) {
            Py_CLEAR(chain);
            break;
        }
        PyTuple_SET_ITEM(chain, (Py_ssize_t)i, each); /* steals */
    }
    return chain;
}

/* [new] The client's name, or None where it has shown no certificate. */
static PyObject *name_of(const struct security_client *client) {
    return client ? text_of(client->subject) : Py_NewRef(Py_None);
}

static PyObject *make(const struct security *security) {
    const struct security_client *client = security->client;
    /* "N" steals, and makes the whole fail where a value is NULL. */
    return Py_BuildValue("{sNsNsNszsisi}", "server_cert", text_of(security->server_cert),
                         "client_cert_chain", chain_of(client), "client_cert_name", name_of(client),
                         "client_cert_error", client ? client->error : NULL, "tls_version",
                         (int)security->version, "cipher_suite", (int)security->suite);
}

void asgi_security_clear(struct asgi_security *self) {
    Py_CLEAR(self->dict);
}

static bool is_like_last(const struct asgi_security *self, const struct security *security) {
    if (!self->dict || self->version != security->version || self->suite != security->suite) {
        return false;
    }
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(self->server_cert, &len); /* ASCII: no copy */
    return slice_equal(slice_of(text, (size_t)len), security->server_cert);
}

/* 0, or -1 with an exception. */
static int keep(struct asgi_security *self, const struct security *security) {
    Py_XSETREF(self->dict, make(security));
    self->server_cert = self->dict ? PyDict_GetItemString(self->dict, "server_cert") : NULL;
    self->version = security->version;
    self->suite = security->suite;
    return self->dict ? 0 : -1;
}

PyObject *asgi_security_make(struct asgi_security *self, const struct security *security) {
    if (security->client) {
        return make(security);
    }
    if (!is_like_last(self, security) && keep(self, security) < 0) {
        return NULL;
    }
    return PyDict_Copy(self->dict);
}
