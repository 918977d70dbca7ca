/* A build without TLS; see tls.h. */
#include "ext/tls.h"

#include "base/banned.h"

int tls_type_add(PyObject *module, PyTypeObject **type) {
    (void)module;
    *type = NULL;
    return 0;
}

struct worker_tls *worker_tls_new(struct server *server, struct transport *below, PyObject *context,
                                  PyObject *keys, const struct options *options) {
    (void)server;
    (void)below;
    (void)context;
    (void)keys;
    (void)options;
    PyErr_SetString(PyExc_ValueError, "tls is given, but this build has no TLS");
    return NULL;
}

void worker_tls_free(struct worker_tls *tls) {
    (void)tls;
}

struct transport *worker_tls_transport(struct worker_tls *tls) {
    (void)tls;
    return NULL;
}

void worker_tls_renew(struct worker_tls *tls, PyObject *context) {
    (void)tls;
    (void)context;
}

int worker_tls_add_key(struct worker_tls *tls, PyObject *key) {
    (void)tls;
    (void)key;
    return 0;
}

void worker_tls_count(const struct worker_tls *tls,
                      void (*each)(void *arg, const char *name, uint64_t value), void *arg) {
    (void)tls;
    (void)each;
    (void)arg;
}
