/* Behind proxies; see proxies.h. */
#include "ext/proxies.h"

#include <string.h>

#include "base/err.h"
#include "http/proxy_preface.h"
#include "wire/proxy_protocol.h"

#include "base/banned.h"

/* States of prefaces kept for reuse. */
enum { KEEP_PREFACES = 1024 };

static int read_word(struct trust *trust, const char *name, PyObject *word) {
    Py_ssize_t len = 0;
    const char *text = PyUnicode_Check(word) ? PyUnicode_AsUTF8AndSize(word, &len) : NULL;
    if (PyErr_Occurred()) {
        return -1;
    }
    int err = text ? trust_add(trust, slice_of(text, (size_t)len)) : ERR_LIMIT;
    if (err == ERR_NOMEM) {
        PyErr_NoMemory();
    } else if (err) {
        PyErr_Format(PyExc_ValueError, "%s has %R: allowed are addresses, networks, 'unix' and '*'",
                     name, word);
    }
    return err ? -1 : 0;
}

/* `words`: a sequence, or NULL. 0, or -1 with an exception. */
static int read_trust(struct trust *trust, const char *name, PyObject *words) {
    trust_init(trust);
    if (!words) {
        return 0;
    }
    PyObject *fast = PySequence_Fast(words, "trusted peers must be a sequence of texts");
    int failed = fast ? 0 : -1;
    for (Py_ssize_t i = 0; !failed && i < PySequence_Fast_GET_SIZE(fast); i++) {
        failed = read_word(trust, name, PySequence_Fast_GET_ITEM(fast, i));
    }
    Py_XDECREF(fast);
    return failed;
}

static int read_kind(enum origin_kind *kind, const char *word) {
    static const char *const words[] = {[ORIGIN_AUTO] = "auto",
                                        [ORIGIN_X_FORWARDED] = "x-forwarded",
                                        [ORIGIN_FORWARDED] = "forwarded"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i]) == 0) {
            *kind = (enum origin_kind)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "forwarded_kind is '%s': allowed is auto, x-forwarded or forwarded", word);
    return -1;
}

/* A copy of the path; none of an empty one. */
static int copy_path(char **copy, const char *path) {
    size_t size = strlen(path) + 1;
    if (size == 1) {
        return 0;
    }
    *copy = PyMem_Malloc(size);
    if (!*copy) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(*copy, path, size);
    return 0;
}

int worker_proxies_init(struct worker_proxies *self, const struct worker_args *args,
                        const struct server *server) {
    self->believes = args->options.proxy_headers;
    self->prefaced = args->options.proxy_protocol;
    self->origin.host = args->options.forwarded_host;
    health_gateway_init(&self->health, server);
    return read_kind(&self->origin.kind, args->forwarded_kind) < 0 ||
                   read_trust(&self->origin.trusted, "forwarded_allow_ips",
                              args->forwarded_allow_ips) < 0 ||
                   read_trust(&self->prefaced_by, "proxy_allow_from", args->proxy_allow_from) < 0 ||
                   copy_path(&self->health_path, args->health_path) < 0
               ? -1
               : 0;
}

void worker_proxies_release(struct worker_proxies *self) {
    if (self->preface.below) {
        transport_preface_release(&self->preface);
    }
    trust_release(&self->origin.trusted);
    trust_release(&self->prefaced_by);
    PyMem_Free(self->health_path);
    self->health_path = NULL;
}

struct transport *worker_proxies_transport(struct worker_proxies *self, struct transport *below) {
    if (!self->prefaced) {
        return below;
    }
    transport_preface_init(&self->preface, below, proxy_preface_read, PROXY_HEADER_MAX,
                           KEEP_PREFACES);
    return &self->preface.transport;
}

const struct trust *worker_proxies_trusted(const struct worker_proxies *self) {
    return &self->origin.trusted;
}

void worker_proxies_config(const struct worker_proxies *self, struct server_config *config) {
    const char *path = self->health_path;
    config->origin = self->believes ? &self->origin : NULL;
    config->prefaced = self->prefaced ? &self->prefaced_by : NULL;
    config->health_path = path ? slice_of(path, strlen(path)) : SLICE("");
}
