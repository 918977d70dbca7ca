/* See asgi_scope.h. */
#include "gateway/asgi_scope.h"

#include <assert.h>
#include <string.h>

#include "gateway/py_template.h"
#include "net/peer.h"
#include "wire/percent.h"
#include "wire/ws_handshake.h"

#include "base/banned.h"

/* Longer paths are decoded without the stack. */
enum { PATH_ROOM = 1024 };

/* Keys that frameworks add to a scope: FastAPI some ten. */
enum { SPARE_KEYS = 10 };

/* Templates of a listener: behind a proxy, http and https come by one. */
enum { PLACES = 2 * ASGI_SCOPE_KINDS };

static PyObject *bytes_of(struct slice slice) {
    return PyBytes_FromStringAndSize((const char *)slice.at, (Py_ssize_t)slice.len);
}

/* [steals value] 0, or -1 with an exception, also where value is NULL. */
static int put(PyObject *dict, PyObject *key, PyObject *value) {
    int failed = value ? PyDict_SetItem(dict, key, value) : -1;
    Py_XDECREF(value);
    return failed;
}

/* --- set-up --- */

/* The versions that are spoken. [new] NULL with an exception. */
static PyObject *make_versions(void) {
    PyObject *dict = Py_BuildValue("{ssss}", "version", "3.0", "spec_version", "2.5");
    PyObject *made = dict ? py_template_make(dict, 1) : NULL;
    Py_XDECREF(dict);
    return made;
}

/* The extensions that are announced, each without parameters. [new] NULL with an exception. */
static PyObject *make_extensions(enum asgi_scope_kind kind) {
    static const char *const names[ASGI_SCOPE_KINDS][5] = {
        [ASGI_SCOPE_HTTP] = {"http.response.pathsend", "http.response.zerocopysend",
                             "http.response.trailers", "http.response.early_hint", NULL},
        [ASGI_SCOPE_WEBSOCKET] = {"websocket.http.response", NULL},
    };
    PyObject *dict = PyDict_New();
    for (const char *const *name = names[kind]; dict && *name; name++) {
        PyObject *none = PyDict_New();
        if (!none || PyDict_SetItemString(dict, *name, none) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(none);
    }
    PyObject *made = dict ? py_template_make(dict, 1) : NULL;
    Py_XDECREF(dict);
    return made;
}

int asgi_scope_init(struct asgi_scope *self, const struct asgi_words *words, const char *root_path,
                    PyObject *state, uint32_t listeners) {
    self->words = words;
    self->state = Py_XNewRef(state);
    self->listeners = listeners;
    py_text_init(&self->texts);
    self->templates = PyMem_Calloc((size_t)listeners * PLACES + 1, sizeof(*self->templates));
    if (!self->templates) {
        PyErr_NoMemory();
        return -1;
    }
    self->root = PyUnicode_FromString(root_path);
    self->raw_root = self->root ? PyUnicode_AsUTF8String(self->root) : NULL;
    self->http10 = PyUnicode_InternFromString("1.0");
    self->http11 = PyUnicode_InternFromString("1.1");
    self->empty = PyBytes_FromString("");
    self->asgi = make_versions();
    for (int kind = 0; kind < ASGI_SCOPE_KINDS; kind++) {
        self->extensions[kind] = make_extensions((enum asgi_scope_kind)kind);
        if (!self->extensions[kind]) {
            return -1;
        }
    }
    if (!self->raw_root || !self->http10 || !self->http11 || !self->empty || !self->asgi) {
        return -1;
    }
    return asgi_fields_init(&self->fields);
}

static void clear_target(struct asgi_target *target) {
    Py_CLEAR(target->target);
    Py_CLEAR(target->path);
    Py_CLEAR(target->raw_path);
    Py_CLEAR(target->query);
}

void asgi_scope_release(struct asgi_scope *self) {
    for (size_t i = 0; self->templates && i < (size_t)self->listeners * PLACES; i++) {
        Py_CLEAR(self->templates[i].dict);
    }
    PyMem_Free(self->templates);
    self->templates = NULL;
    for (size_t i = 0; i < ASGI_PEERS; i++) {
        Py_CLEAR(self->peers[i].client);
    }
    for (size_t i = 0; i < ASGI_TARGETS; i++) {
        clear_target(&self->targets[i]);
    }
    for (int kind = 0; kind < ASGI_SCOPE_KINDS; kind++) {
        Py_CLEAR(self->extensions[kind]);
    }
    asgi_security_clear(&self->security);
    asgi_fields_release(&self->fields);
    py_text_clear(&self->texts);
    Py_CLEAR(self->asgi);
    Py_CLEAR(self->empty);
    Py_CLEAR(self->http11);
    Py_CLEAR(self->http10);
    Py_CLEAR(self->raw_root);
    Py_CLEAR(self->root);
    Py_CLEAR(self->state);
}

/* (host, port), or None for a unix socket. [new] NULL with an exception. */
static PyObject *make_address(struct asgi_scope *self, const struct peer *peer) {
    char ip[PEER_TEXT];
    if (peer->family == PEER_UNIX) {
        Py_RETURN_NONE;
    }
    size_t len = peer_ip_text(peer, ip);
    PyObject *host = py_text_get(&self->texts, slice_of(ip, len));
    return host ? Py_BuildValue("(Ni)", host, (int)peer->port) : NULL;
}

/* What every scope of a listener and kind has. [new] NULL with an exception. */
static PyObject *make_template(struct asgi_scope *self, enum asgi_scope_kind kind,
                               const struct request *request) {
    static const char *const types[] = {
        [ASGI_SCOPE_HTTP] = "http", [ASGI_SCOPE_WEBSOCKET] = "websocket"};
    static const char *const schemes[][2] = {
        [ASGI_SCOPE_HTTP] = {"http", "https"}, [ASGI_SCOPE_WEBSOCKET] = {"ws", "wss"}};
    const struct asgi_words *words = self->words;
    PyObject *dict = PyDict_New();
    if (dict &&
        (put(dict, words->type, PyUnicode_InternFromString(types[kind])) ||
         put(dict, words->asgi, Py_NewRef(Py_None)) ||
         put(dict, words->http_version, Py_NewRef(self->http11)) ||
         (kind == ASGI_SCOPE_HTTP && put(dict, words->method, Py_NewRef(Py_None))) ||
         put(dict, words->scheme,
             PyUnicode_InternFromString(schemes[kind][request->origin->secure])) ||
         put(dict, words->path, Py_NewRef(Py_None)) ||
         put(dict, words->raw_path, Py_NewRef(Py_None)) ||
         put(dict, words->query_string, Py_NewRef(Py_None)) ||
         put(dict, words->root_path, Py_NewRef(self->root)) ||
         put(dict, words->headers, Py_NewRef(Py_None)) ||
         put(dict, words->client, Py_NewRef(Py_None)) ||
         put(dict, words->server, make_address(self, request->local)) ||
         (self->state && put(dict, words->state, Py_NewRef(Py_None))) ||
         put(dict, words->extensions, Py_NewRef(Py_None)) ||
         (kind == ASGI_SCOPE_WEBSOCKET && put(dict, words->subprotocols, Py_NewRef(Py_None))))) {
        Py_CLEAR(dict);
    }
    PyObject *made = dict ? py_template_make(dict, SPARE_KEYS) : NULL;
    Py_XDECREF(dict);
    return made;
}

/* --- each request --- */

/* NULL with an exception. */
static struct asgi_template *template_of(struct asgi_scope *self, enum asgi_scope_kind kind,
                                         const struct request *request) {
    assert(request->listener < self->listeners);
    struct asgi_template *template =
        &self->templates[request->listener * PLACES + request->origin->secure * ASGI_SCOPE_KINDS +
                         (uint32_t)kind];
    if (!template->dict) {
        template->dict = make_template(self, kind, request);
    }
    return template->dict ? template : NULL;
}

/* One value of the request into the template, unless it is there. [borrows value]
 * 0, or -1 with an exception. */
static int set(struct asgi_template *template, PyObject *key, PyObject **last, PyObject *value) {
    if (value == *last) {
        return 0;
    }
    int failed = PyDict_SetItem(template->dict, key, value);
    *last = failed ? NULL : value;
    return failed;
}

/* root_path and the decoded path; bytes that are no UTF-8 become U+FFFD. [new] NULL with an
 * exception. */
static PyObject *make_path(const struct asgi_scope *self, struct slice raw) {
    uint8_t near[PATH_ROOM];
    uint8_t *to = raw.len <= sizeof(near) ? near : PyMem_Malloc(raw.len);
    if (!to) {
        return PyErr_NoMemory();
    }
    size_t len = percent_decode(raw, to);
    PyObject *path = PyUnicode_DecodeUTF8((const char *)to, (Py_ssize_t)len, "replace");
    if (to != near) {
        PyMem_Free(to);
    }
    if (path && PyUnicode_GET_LENGTH(self->root) > 0) {
        Py_SETREF(path, PyUnicode_Concat(self->root, path));
    }
    return path;
}

static PyObject *make_raw_path(const struct asgi_scope *self, struct slice raw) {
    PyObject *path = bytes_of(raw);
    if (path && PyBytes_GET_SIZE(self->raw_root) > 0) {
        PyObject *whole = Py_NewRef(self->raw_root);
        PyBytes_ConcatAndDel(&whole, path); /* NULL with an exception */
        return whole;
    }
    return path;
}

/* What the target is, from its last request if that is there still, or put into *near. NULL with
 * an exception. */
static struct asgi_target *find_target(struct asgi_scope *self, const struct request *request,
                                       struct asgi_target *near) {
    const struct request_rules *rules = request->rules;
    struct slice bytes = head_target(request->head, request->bytes);
    bool small = bytes.len <= ASGI_TARGET_MAX;
    uint64_t hash = small ? py_text_hash(bytes) : 0;
    struct asgi_target *target = small ? &self->targets[hash % ASGI_TARGETS] : near;
    if (small && target->target && target->hash == hash &&
        slice_equal(
            slice_of(PyBytes_AS_STRING(target->target), (size_t)PyBytes_GET_SIZE(target->target)),
            bytes)) {
        return target;
    }
    struct slice raw = rules->path.len > 0 ? rules->path : SLICE("/"); /* RFC 9110 4.2.3 */
    clear_target(target);
    target->hash = hash;
    target->path = make_path(self, raw);
    target->raw_path = make_raw_path(self, raw);
    target->query = rules->query.len > 0 ? bytes_of(rules->query) : Py_NewRef(self->empty);
    target->target = bytes_of(bytes);
    if (!target->path || !target->raw_path || !target->query || !target->target) {
        clear_target(target);
        return NULL;
    }
    return target;
}

static int set_target(struct asgi_scope *self, const struct request *request,
                      struct asgi_template *template) {
    const struct asgi_words *words = self->words;
    struct asgi_target near = {0};
    struct asgi_target *target = find_target(self, request, &near);
    int failed = !target || set(template, words->path, &template->path, target->path) ||
                 set(template, words->raw_path, &template->raw_path, target->raw_path) ||
                 set(template, words->query_string, &template->query, target->query);
    clear_target(&near);
    return failed ? -1 : 0;
}

static int set_client(struct asgi_scope *self, const struct request *request,
                      struct asgi_template *template) {
    const struct peer *peer = &request->origin->client;
    struct asgi_peer *slot = &self->peers[peer_hash(peer) % ASGI_PEERS];
    if (!slot->client || !peer_equal(&slot->peer, peer)) {
        PyObject *client = make_address(self, peer);
        if (!client) {
            return -1;
        }
        slot->peer = *peer;
        Py_XSETREF(slot->client, client);
    }
    return set(template, self->words->client, &template->client, slot->client);
}

static int set_method(struct asgi_scope *self, const struct request *request,
                      struct asgi_template *template) {
    PyObject *method = py_text_get(&self->texts, head_method(request->head, request->bytes));
    int failed = !method || set(template, self->words->method, &template->method, method) ? -1 : 0;
    Py_XDECREF(method);
    return failed;
}

/* The subprotocols that a WebSocket's client offers. [new] a list; NULL with an exception. */
static PyObject *make_subprotocols(const struct request *request) {
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list && i < request->head->field_count; i++) {
        const struct field *field = &request->head->fields[i];
        struct slice rest = field_value(field, request->bytes);
        struct slice token;
        while (list && field->id == HEADER_SEC_WEBSOCKET_PROTOCOL &&
               ws_protocol_next(&rest, &token)) {
            PyObject *text =
                PyUnicode_DecodeLatin1((const char *)token.at, (Py_ssize_t)token.len, NULL);
            if (!text || PyList_Append(list, text) < 0) {
                Py_CLEAR(list);
            }
            Py_XDECREF(text);
        }
    }
    return list;
}

/* The scope's extensions. [new] NULL with an exception. */
static PyObject *copy_extensions(struct asgi_scope *self, enum asgi_scope_kind kind,
                                 const struct request *request) {
    PyObject *extensions = PyDict_Copy(self->extensions[kind]);
    if (extensions && request->security &&
        put(extensions, self->words->tls, asgi_security_make(&self->security, request->security))) {
        Py_CLEAR(extensions);
    }
    return extensions;
}

/* The host and port that a trusted proxy has told; an address without its brackets. 0, or -1 with
 * an exception. */
static int rename_server(struct asgi_scope *self, const struct origin *origin, PyObject *scope) {
    int port = origin->port > 0 ? origin->port : origin->secure ? 443 : 80;
    struct slice host = origin->host;
    if (host.len > 2 && host.at[0] == '[') {
        host = slice_of(host.at + 1, host.len - 2);
    }
    PyObject *name = py_text_get(&self->texts, host);
    return put(scope, self->words->server, name ? Py_BuildValue("(Ni)", name, port) : NULL);
}

PyObject *asgi_scope_make(struct asgi_scope *self, enum asgi_scope_kind kind,
                          const struct request *request) {
    const struct asgi_words *words = self->words;
    struct asgi_template *template = template_of(self, kind, request);
    PyObject *version = request->head->minor == 0 ? self->http10 : self->http11;
    if (!template || set_target(self, request, template) || set_client(self, request, template) ||
        set(template, words->http_version, &template->version, version) ||
        (kind == ASGI_SCOPE_HTTP && set_method(self, request, template))) {
        return NULL;
    }
    PyObject *scope = PyDict_Copy(template->dict);
    if (scope && (put(scope, words->asgi, PyDict_Copy(self->asgi)) ||
                  put(scope, words->headers, asgi_fields_make(&self->fields, request)) ||
                  put(scope, words->extensions, copy_extensions(self, kind, request)) ||
                  (self->state && put(scope, words->state, PyDict_Copy(self->state))) ||
                  (kind == ASGI_SCOPE_WEBSOCKET &&
                   put(scope, words->subprotocols, make_subprotocols(request))) ||
                  (request->origin->renamed && rename_server(self, request->origin, scope)))) {
        Py_CLEAR(scope);
    }
    return scope;
}
