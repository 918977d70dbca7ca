/* See tls.h. */
#include "ext/tls.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "net/tls.h"

#include "base/banned.h"

/* Freed streams that are kept for reuse. */
enum { KEEP = 1024 };

/* What a peer is told that speaks HTTP where TLS is spoken. */
#define PLAIN_BODY "This port speaks HTTPS, and the request came without TLS.\n"
static const char PLAIN_STATUS[] = "HTTP/1.1 400 Bad Request\r\n";
static const char PLAIN_REST[] = "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Length: 58\r\n"
                                 "Connection: close\r\n\r\n" PLAIN_BODY;
enum { PLAIN_ANSWER = 512 };
_Static_assert(sizeof(PLAIN_BODY) - 1 == 58, "Content-Length");

/* --- TlsContext --- */

struct context_object {
    PyObject ob_base;
    struct tls_context *context; /* a reference */
};

static struct tls_context *context_of(PyObject *object) {
    return ((struct context_object *)(void *)object)->context;
}

/* A row of a table of words. False with an exception. */
static bool choose(const char *name, const char *given, const char *const *words, int *row) {
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], given) == 0) {
            *row = i;
            return true;
        }
    }
    PyErr_Format(PyExc_ValueError, "%s is '%s': no such word", name, given);
    return false;
}

/* One of `certificates`, a tuple of four str or None. [borrows from it] False with an exception. */
static bool read_pair(PyObject *tuple, struct tls_pair *pair) {
    return PyTuple_Check(tuple) &&
           PyArg_ParseTuple(tuple, "sszz;certificates are (certfile, keyfile, password, ocspfile)",
                            &pair->certfile, &pair->keyfile, &pair->password, &pair->ocspfile);
}

/* [new] PyMem's; NULL with an exception. `sequence`: of PySequence_Fast. */
static struct tls_pair *read_pairs(PyObject *sequence) {
    Py_ssize_t count = PySequence_Fast_GET_SIZE(sequence);
    struct tls_pair *pairs = PyMem_Calloc((size_t)count + 1, sizeof(*pairs));
    if (!pairs) {
        PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; pairs && i < count; i++) {
        if (!read_pair(PySequence_Fast_GET_ITEM(sequence, i), &pairs[i])) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_TypeError, "certificates are tuples");
            }
            PyMem_Free(pairs);
            pairs = NULL;
        }
    }
    return pairs;
}

/* [new] NULL with an exception. */
static PyObject *make(PyTypeObject *type, const struct tls_config *config) {
    char reason[TLS_REASON] = "";
    PyThreadState *thread = PyEval_SaveThread(); /* files are read */
    struct tls_context *context = tls_context_new(config, reason);
    PyEval_RestoreThread(thread);
    if (!context) {
        PyErr_SetString(PyExc_ValueError, reason);
        return NULL;
    }
    struct context_object *self = (struct context_object *)(void *)type->tp_alloc(type, 0);
    if (!self) {
        tls_context_drop(context);
        return NULL;
    }
    self->context = context;
    return (PyObject *)self;
}

static PyObject *context_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static const struct slice protocols[] = {{(const uint8_t *)"http/1.1", 8},
                                             {(const uint8_t *)"http/1.0", 8}};
    static const char *const versions[] = {"1.2", "1.3", NULL};
    static const char *const verifies[] = {"none", "optional", "required", NULL};
    static char *names[] = {"certificates", "min_version", "ciphers", "ciphersuites",
                            "verify",       "client_ca",   NULL};
    struct tls_config config = {.protocols = protocols, .protocol_count = 2};
    PyObject *certificates;
    const char *min_version = "1.2";
    const char *verify = "none";
    int version_row;
    int verify_row;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$szzsz:TlsContext", names, &certificates,
                                     &min_version, &config.ciphers, &config.ciphersuites, &verify,
                                     &config.client_ca) ||
        !choose("min_version", min_version, versions, &version_row) ||
        !choose("verify", verify, verifies, &verify_row)) {
        return NULL;
    }
    config.min_version = (enum tls_version)version_row;
    config.verify = (enum tls_verify)verify_row;
    PyObject *sequence = PySequence_Fast(certificates, "certificates must be a sequence");
    if (!sequence) {
        return NULL;
    }
    PyObject *made = NULL;
    config.pair_count = (size_t)PySequence_Fast_GET_SIZE(sequence);
    if (config.pair_count == 0 || (verify_row != TLS_VERIFY_NONE) != (config.client_ca != NULL)) {
        PyErr_SetString(PyExc_ValueError, config.pair_count == 0
                                              ? "certificates is empty"
                                              : "verify and client_ca go together");
    } else {
        struct tls_pair *pairs = read_pairs(sequence);
        config.pairs = pairs;
        made = pairs ? make(type, &config) : NULL;
        PyMem_Free(pairs);
    }
    Py_DECREF(sequence);
    return made;
}

static void context_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    tls_context_drop(context_of(object));
    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot context_slots[] = {
    {Py_tp_doc, PyDoc_STR("TlsContext(certificates, *, min_version='1.2', ciphers=None, "
                          "ciphersuites=None, verify='none', client_ca=None)\n--\n\n"
                          "What TLS is negotiated with; reads its files when it is made.")},
    {Py_tp_new, context_new},
    {Py_tp_dealloc, context_dealloc},
    {0, NULL},
};

static PyType_Spec context_spec = {
    .name = "freastal._core.TlsContext",
    .basicsize = sizeof(struct context_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = context_slots,
};

int tls_type_add(PyObject *module, PyTypeObject **type) {
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &context_spec, NULL);
    return *type ? PyModule_AddType(module, *type) : -1;
}

/* --- a worker's part --- */

struct worker_tls {
    struct transport_tls transport;
    struct tls_keys keys;
    struct server *server;
    char plain[PLAIN_ANSWER];
};

/* With a Date, as every 4xx (RFC 9110 section 6.6.1). */
static struct slice plain_answer(void *arg) {
    struct worker_tls *tls = arg;
    struct slice lines = server_lines(tls->server);
    int len = snprintf(tls->plain, sizeof(tls->plain), "%s%.*s%s", PLAIN_STATUS, (int)lines.len,
                       (const char *)lines.at, PLAIN_REST);
    assert(len > 0 && len < PLAIN_ANSWER);
    return slice_of(tls->plain, (size_t)len);
}

int worker_tls_add_key(struct worker_tls *tls, PyObject *key) {
    if (!PyBytes_Check(key) || PyBytes_GET_SIZE(key) != TLS_KEY) {
        PyErr_Format(PyExc_ValueError, "a ticket key is bytes, %d of them", (int)TLS_KEY);
        return -1;
    }
    tls_keys_add(&tls->keys, (const uint8_t *)PyBytes_AS_STRING(key));
    return 0;
}

/* The last of them seals. 0, or -1 with an exception. */
static int add_keys(struct worker_tls *tls, PyObject *keys) {
    PyObject *sequence = PySequence_Fast(keys, "ticket_keys must be a sequence");
    int failed = sequence ? 0 : -1;
    for (Py_ssize_t i = 0; !failed && i < PySequence_Fast_GET_SIZE(sequence); i++) {
        failed = worker_tls_add_key(tls, PySequence_Fast_GET_ITEM(sequence, i));
    }
    Py_XDECREF(sequence);
    return failed;
}

struct worker_tls *worker_tls_new(struct server *server, struct transport *below, PyObject *context,
                                  PyObject *keys, const struct options *options) {
    struct tls_settings settings = {
        .timeout = options_milliseconds(options->timeout_handshake),
        .handshakes = (uint32_t)options->limit_handshakes,
        .keep = KEEP,
        .kernel = options->tls_kernel,
        .plain_answer = plain_answer,
    };
    struct worker_tls *tls = PyMem_Calloc(1, sizeof(*tls));
    if (!tls) {
        PyErr_NoMemory();
        return NULL;
    }
    tls->server = server;
    settings.plain_arg = tls;
    if ((keys && add_keys(tls, keys) < 0)) {
        PyMem_Free(tls);
        return NULL;
    }
    if (transport_tls_init(&tls->transport, below, context_of(context), &tls->keys, &settings)) {
        PyMem_Free(tls);
        PyErr_NoMemory();
        return NULL;
    }
    return tls;
}

void worker_tls_free(struct worker_tls *tls) {
    if (tls) {
        transport_tls_release(&tls->transport);
        tls_keys_clear(&tls->keys);
        PyMem_Free(tls);
    }
}

struct transport *worker_tls_transport(struct worker_tls *tls) {
    return &tls->transport.transport;
}

void worker_tls_renew(struct worker_tls *tls, PyObject *context) {
    transport_tls_renew(&tls->transport, context_of(context));
}

void worker_tls_count(const struct worker_tls *tls,
                      void (*each)(void *arg, const char *name, uint64_t value), void *arg) {
    if (tls) {
        each(arg, "handshakes_full", tls->transport.counters.full);
        each(arg, "handshakes_resumed", tls->transport.counters.resumed);
        each(arg, "handshakes_failed", tls->transport.counters.failed);
        each(arg, "connections_kernel_tls", tls->transport.counters.kernel);
    }
}
