/* The environ; see wsgi_environ.h. */
#include "gateway/wsgi_environ.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "net/peer.h"

#include "base/banned.h"

enum { NAME_ROOM = 256, PATH_ROOM = 1024 };

static_assert(HEADER_COUNT <= 64, "the set of header ids seen is one word");

/* --- set-up --- */

/* "HTTP_" and the name in CGI's spelling (RFC 3875 section 4.1.18) into `key`, which has room for
 * NAME_PREFIX + name.len bytes. False where the name has an underscore: it would be taken for
 * the name with a dash, which a proxy may have vouched for. */
static bool spell(struct slice name, uint8_t *key) {
    bool clear = true;
    memcpy(key, "HTTP_", 5);
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.at[i];
        clear = clear && c != '_';
        c = (uint8_t)(c - ((c >= 'a' && c <= 'z') << 5));
        key[5 + i] = c == '-' ? '_' : c;
    }
    return clear;
}

static int make_keys(struct wsgi_environ *self) {
#define X(field, text)                                                                             \
    self->keys.field = PyUnicode_InternFromString(text);                                           \
    if (!self->keys.field) {                                                                       \
        return -1;                                                                                 \
    }
    WSGI_KEYS(X)
#undef X
    for (int id = HEADER_OTHER + 1; id < HEADER_COUNT; id++) {
        struct slice name = header_id_name((enum header_id)id);
        uint8_t key[NAME_ROOM] = {0};
        assert(name.len < NAME_ROOM - 5);
        spell(name, key);
        self->headers[id] = PyUnicode_InternFromString((const char *)key);
        if (!self->headers[id]) {
            return -1;
        }
    }
    /* CVE-2016-5385: HTTP_PROXY would choose the application's own proxy. */
    Py_CLEAR(self->headers[HEADER_PROXY]);
    return 0;
}

/* [steals value] 0, or -1 with an exception, also where value is NULL. */
static int put(PyObject *dict, PyObject *key, PyObject *value) {
    int failed = value ? PyDict_SetItem(dict, key, value) : -1;
    Py_XDECREF(value);
    return failed;
}

static int put_constants(struct wsgi_environ *self, const struct wsgi_constants *constants) {
    const struct wsgi_keys *keys = &self->keys;
    PyObject *dict = self->constants;
    return put(dict, keys->request_method, Py_NewRef(self->empty)) ||
                   put(dict, keys->script_name, Py_NewRef(self->empty)) ||
                   put(dict, keys->path_info, Py_NewRef(self->empty)) ||
                   put(dict, keys->query_string, Py_NewRef(self->empty)) ||
                   put(dict, keys->raw_uri, Py_NewRef(self->empty)) ||
                   put(dict, keys->request_uri, Py_NewRef(self->empty)) ||
                   put(dict, keys->server_name, Py_NewRef(self->empty)) ||
                   put(dict, keys->server_port, Py_NewRef(self->empty)) ||
                   put(dict, keys->server_protocol, Py_NewRef(self->http11)) ||
                   put(dict, keys->server_software, PyUnicode_FromString(constants->software)) ||
                   put(dict, keys->remote_addr, Py_NewRef(self->empty)) ||
                   put(dict, keys->remote_port, Py_NewRef(self->empty)) ||
                   put(dict, keys->wsgi_version, Py_BuildValue("(ii)", 1, 0)) ||
                   put(dict, keys->wsgi_url_scheme, PyUnicode_InternFromString("http")) ||
                   put(dict, keys->wsgi_input, Py_NewRef(constants->empty_input)) ||
                   put(dict, keys->wsgi_input_terminated, Py_NewRef(Py_True)) ||
                   put(dict, keys->wsgi_errors, Py_NewRef(constants->errors)) ||
                   put(dict, keys->wsgi_multithread, PyBool_FromLong(constants->multithread)) ||
                   put(dict, keys->wsgi_multiprocess, PyBool_FromLong(constants->multiprocess)) ||
                   put(dict, keys->wsgi_run_once, Py_NewRef(Py_False)) ||
                   put(dict, keys->wsgi_file_wrapper, Py_NewRef(constants->file_wrapper))
               ? -1
               : 0;
}

int wsgi_environ_init(struct wsgi_environ *self, const struct wsgi_constants *constants,
                      uint32_t listeners) {
    wsgi_text_init(&self->texts);
    self->templates = PyMem_Calloc(listeners > 0 ? listeners : 1, sizeof(PyObject *));
    self->empty = PyUnicode_New(0, 0);
    self->http10 = PyUnicode_InternFromString("HTTP/1.0");
    self->http11 = PyUnicode_InternFromString("HTTP/1.1");
    self->constants = PyDict_New();
    if (!self->templates) {
        PyErr_NoMemory();
        return -1;
    }
    self->listeners = listeners;
    if (!self->empty || !self->http10 || !self->http11 || !self->constants || make_keys(self)) {
        return -1;
    }
    return put_constants(self, constants);
}

void wsgi_environ_release(struct wsgi_environ *self) {
#define X(field, text) Py_CLEAR(self->keys.field);
    WSGI_KEYS(X)
#undef X
    for (int id = 0; id < HEADER_COUNT; id++) {
        Py_CLEAR(self->headers[id]);
    }
    for (int i = 0; i < WSGI_PEERS; i++) {
        Py_CLEAR(self->peers[i].address);
        Py_CLEAR(self->peers[i].port);
    }
    for (uint32_t i = 0; i < self->listeners; i++) {
        Py_CLEAR(self->templates[i]);
    }
    PyMem_Free(self->templates);
    self->templates = NULL;
    self->listeners = 0;
    Py_CLEAR(self->constants);
    Py_CLEAR(self->empty);
    Py_CLEAR(self->http10);
    Py_CLEAR(self->http11);
    wsgi_text_clear(&self->texts);
}

/* A unix socket has neither name nor port, and PEP 3333 wants both: those that make the URL of
 * the proxy that stands before it, where Host does not say better. */
static PyObject *make_template(const struct wsgi_environ *self, const struct peer *local) {
    char ip[PEER_TEXT] = "localhost";
    unsigned port = 80;
    if (local->family != PEER_UNIX) {
        peer_ip_text(local, ip);
        port = local->port;
    }
    PyObject *dict = PyDict_Copy(self->constants);
    if (dict && (put(dict, self->keys.server_name, PyUnicode_FromString(ip)) ||
                 put(dict, self->keys.server_port, PyUnicode_FromFormat("%u", port)))) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* --- each request --- */

static PyObject *copy_template(struct wsgi_environ *self, const struct request *request) {
    assert(request->listener < self->listeners);
    PyObject **slot = &self->templates[request->listener];
    if (!*slot) {
        *slot = make_template(self, request->local);
    }
    return *slot ? PyDict_Copy(*slot) : NULL;
}

static int hex(uint8_t c) {
    uint8_t lower = ascii_lower(c);
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Decodes %XX; what is no pair of hex digits stays as it is. `to` has room for path.len bytes.
 * Returns the bytes written. */
static size_t percent_decode(struct slice path, uint8_t *to) {
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = path.at[i];
        if (c == '%' && i + 2 < path.len && hex(path.at[i + 1]) >= 0 && hex(path.at[i + 2]) >= 0) {
            c = (uint8_t)(hex(path.at[i + 1]) << 4 | hex(path.at[i + 2]));
            i += 2;
        }
        to[len++] = c;
    }
    return len;
}

/* PATH_INFO. [new] */
static PyObject *make_path(struct wsgi_environ *self, struct slice path) {
    uint8_t near[PATH_ROOM];
    if (path.len == 0) {
        return wsgi_text_get(&self->texts, SLICE("/")); /* RFC 9110 section 4.2.3 */
    }
    if (!memchr(path.at, '%', path.len)) {
        return wsgi_text_get(&self->texts, path);
    }
    uint8_t *to = path.len <= sizeof(near) ? near : PyMem_Malloc(path.len);
    if (!to) {
        return PyErr_NoMemory();
    }
    PyObject *text = wsgi_text_get(&self->texts, slice_of(to, percent_decode(path, to)));
    if (to != near) {
        PyMem_Free(to);
    }
    return text;
}

static int put_request_line(struct wsgi_environ *self, const struct request *request,
                            PyObject *dict, struct wsgi_request *out) {
    const struct wsgi_keys *keys = &self->keys;
    const struct request_rules *rules = request->rules;
    out->method = wsgi_text_get(&self->texts, head_method(request->head, request->bytes));
    out->uri = wsgi_text_get(&self->texts, head_target(request->head, request->bytes));
    if (!out->method || !out->uri) {
        return -1;
    }
    if (PyDict_SetItem(dict, keys->request_method, out->method) ||
        PyDict_SetItem(dict, keys->raw_uri, out->uri) ||
        PyDict_SetItem(dict, keys->request_uri, out->uri) ||
        put(dict, keys->path_info, make_path(self, rules->path))) {
        return -1;
    }
    if (request->head->minor == 0 && PyDict_SetItem(dict, keys->server_protocol, self->http10)) {
        return -1;
    }
    if (rules->query.len > 0) {
        return put(dict, keys->query_string, wsgi_text_get(&self->texts, rules->query));
    }
    return 0;
}

static bool same_peer(const struct peer *a, const struct peer *b) {
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static int put_peer(struct wsgi_environ *self, const struct peer *peer, PyObject *dict) {
    struct wsgi_peer *slot = &self->peers[(peer->port ^ peer->port >> 8) % WSGI_PEERS];
    if (peer->family == PEER_UNIX) {
        return 0; /* no address: the template's empty strings */
    }
    if (!slot->port || !same_peer(&slot->peer, peer)) {
        char ip[PEER_TEXT];
        char port[8];
        size_t ip_len = peer_ip_text(peer, ip);
        int port_len = snprintf(port, sizeof(port), "%u", peer->port);
        Py_CLEAR(slot->port);
        Py_XSETREF(slot->address, wsgi_text_get(&self->texts, slice_of(ip, ip_len)));
        if (!slot->address) {
            return -1;
        }
        slot->peer = *peer;
        slot->port = wsgi_text_make(slice_of(port, (size_t)port_len));
        if (!slot->port) {
            return -1;
        }
    }
    return PyDict_SetItem(dict, self->keys.remote_addr, slot->address) ||
                   PyDict_SetItem(dict, self->keys.remote_port, slot->port)
               ? -1
               : 0;
}

/* The key of a field name that has no id. [new] NULL with *drop set: not put; NULL without: an
 * exception is set. */
static PyObject *make_key(struct wsgi_environ *self, struct slice name, bool *drop) {
    uint8_t near[NAME_ROOM];
    uint8_t *key = name.len <= sizeof(near) - 5 ? near : PyMem_Malloc(name.len + 5);
    PyObject *text = NULL;
    *drop = false;
    if (!key) {
        return PyErr_NoMemory();
    }
    if (spell(name, key)) {
        text = wsgi_text_get(&self->texts, slice_of(key, name.len + 5));
    } else {
        *drop = true;
    }
    if (key != near) {
        PyMem_Free(key);
    }
    return text;
}

/* A field that came before: its values in one (RFC 9110 section 5.3), cookies by "; "
 * (RFC 6265 section 5.4). [steals value] 0, or -1 with an exception. */
static int join(PyObject *dict, PyObject *key, enum header_id id, PyObject *value) {
    PyObject *first = PyDict_GetItemWithError(dict, key); /* borrowed */
    PyObject *joined = NULL;
    if (first) {
        joined = PyUnicode_FromFormat(id == HEADER_COOKIE ? "%U; %U" : "%U,%U", first, value);
    }
    Py_DECREF(value);
    return put(dict, key, joined);
}

/* What a client sent once need not be kept for its next request. */
static bool is_secret(enum header_id id) {
    return id == HEADER_AUTHORIZATION || id == HEADER_COOKIE;
}

/* [borrows key] 0, or -1 with an exception. */
static int put_field(struct wsgi_environ *self, PyObject *dict, PyObject *key, enum header_id id,
                     struct slice bytes, bool repeated) {
    PyObject *value = is_secret(id) ? wsgi_text_make(bytes) : wsgi_text_get(&self->texts, bytes);
    if (value && repeated) {
        return join(dict, key, id, value);
    }
    return put(dict, key, value);
}

static int put_other_field(struct wsgi_environ *self, PyObject *dict, const struct field *field,
                           const uint8_t *bytes) {
    bool drop;
    PyObject *key = make_key(self, field_name(field, bytes), &drop);
    if (!key) {
        return drop ? 0 : -1;
    }
    int repeated = PyDict_Contains(dict, key);
    int failed = repeated < 0 ? -1
                              : put_field(self, dict, key, HEADER_OTHER, field_value(field, bytes),
                                          repeated > 0);
    Py_DECREF(key);
    return failed;
}

/* The environ's name of a field with an id; NULL: it is not put. */
static PyObject *known_key(const struct wsgi_environ *self, enum header_id id) {
    switch (id) {
    case HEADER_CONTENT_TYPE:
        return self->keys.content_type;
    case HEADER_CONTENT_LENGTH:
        return self->keys.content_length;
    default:
        return self->headers[id];
    }
}

static int put_fields(struct wsgi_environ *self, const struct request *request, PyObject *dict) {
    const struct head *head = request->head;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < head->field_count; i++) {
        const struct field *field = &head->fields[i];
        int failed = 0;
        if (field->id == HEADER_OTHER) {
            failed = put_other_field(self, dict, field, request->bytes);
        } else {
            PyObject *key = known_key(self, field->id);
            uint64_t bit = (uint64_t)1 << field->id;
            if (key) {
                failed = put_field(self, dict, key, field->id, field_value(field, request->bytes),
                                   seen & bit);
            }
            seen |= bit;
        }
        if (failed) {
            return -1;
        }
    }
    /* RFC 9112 section 3.2.2: the target's authority stands above the Host field. */
    if (request->rules->form == TARGET_ABSOLUTE) {
        return put(dict, self->headers[HEADER_HOST],
                   wsgi_text_get(&self->texts, request->rules->authority));
    }
    return 0;
}

int wsgi_environ_make(struct wsgi_environ *self, const struct request *request,
                      struct wsgi_request *out) {
    *out = (struct wsgi_request){.environ = copy_template(self, request)};
    if (out->environ && put_request_line(self, request, out->environ, out) == 0 &&
        put_peer(self, request->peer, out->environ) == 0 &&
        put_fields(self, request, out->environ) == 0) {
        return 0;
    }
    Py_CLEAR(out->environ);
    Py_CLEAR(out->method);
    Py_CLEAR(out->uri);
    return -1;
}
