/* The environ; see wsgi_environ.h. */
#include "gateway/wsgi_environ.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "gateway/wsgi_security.h"
#include "net/peer.h"
#include "wire/percent.h"

#include "base/banned.h"

enum { NAME_ROOM = 256, PATH_ROOM = 1024 };

/* http and https: behind a proxy, both come by one listener. */
enum { SCHEMES = 2 };

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
                   put(dict, keys->wsgi_file_wrapper, Py_NewRef(constants->file_wrapper)) ||
                   /* the 22nd key: the table and its copies have room for 20 more */
                   put(dict, self->headers[HEADER_HOST], Py_NewRef(self->empty))
               ? -1
               : 0;
}

int wsgi_environ_init(struct wsgi_environ *self, const struct wsgi_constants *constants,
                      uint32_t listeners) {
    py_text_init(&self->texts);
    self->templates = PyMem_Calloc((size_t)listeners * SCHEMES + 1, sizeof(struct wsgi_template));
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
    for (size_t i = 0; self->templates && i < (size_t)self->listeners * SCHEMES; i++) {
        Py_CLEAR(self->templates[i].dict);
    }
    for (int i = 0; i < WSGI_BLOCKS; i++) {
        PyMem_Free(self->blocks[i].bytes);
        Py_CLEAR(self->blocks[i].template.dict);
    }
    PyMem_Free(self->templates);
    self->templates = NULL;
    self->listeners = 0;
    Py_CLEAR(self->constants);
    Py_CLEAR(self->empty);
    Py_CLEAR(self->http10);
    Py_CLEAR(self->http11);
    py_text_clear(&self->texts);
}

/* A unix socket has neither name nor port, and PEP 3333 wants both: those that make the URL of
 * the proxy that stands before it, where Host does not say better. */
static PyObject *make_template(const struct wsgi_environ *self, const struct peer *local,
                               bool secure) {
    char ip[PEER_TEXT] = "localhost";
    unsigned port = secure ? 443 : 80;
    if (local->family != PEER_UNIX) {
        peer_ip_text(local, ip);
        port = local->port;
    }
    PyObject *dict = PyDict_Copy(self->constants);
    if (dict &&
        (put(dict, self->keys.server_name, PyUnicode_FromString(ip)) ||
         put(dict, self->keys.server_port, PyUnicode_FromFormat("%u", port)) ||
         (secure && put(dict, self->keys.wsgi_url_scheme, PyUnicode_InternFromString("https"))))) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* --- each request --- */

/* Which template is the request's. */
static uint32_t place_of(const struct request *request) {
    return request->listener * SCHEMES + request->origin->secure;
}

/* The template of the request's listener and scheme. NULL with an exception. */
static struct wsgi_template *template_of(struct wsgi_environ *self, const struct request *request) {
    assert(request->listener < self->listeners);
    struct wsgi_template *template = &self->templates[place_of(request)];
    if (!template->dict) {
        template->dict = make_template(self, request->local, request->origin->secure);
    }
    return template->dict ? template : NULL;
}

/* One value of the request into the template, unless it is there. [steals value]
 * 0, or -1 with an exception, also where value is NULL. */
static int set(struct wsgi_template *template, PyObject *key, PyObject **last, PyObject *value) {
    int failed = 0;
    if (!value || value != *last) {
        failed = value ? PyDict_SetItem(template->dict, key, value) : -1;
        *last = failed ? NULL : value;
    }
    Py_XDECREF(value);
    return failed;
}

/* PATH_INFO; `text` is that of the whole target [borrowed]. [new] */
static PyObject *make_path(struct wsgi_environ *self, struct slice path, struct slice target,
                           PyObject *text) {
    uint8_t near[PATH_ROOM];
    if (path.len == 0) {
        return py_text_get(&self->texts, SLICE("/")); /* RFC 9110 section 4.2.3 */
    }
    if (!memchr(path.at, '%', path.len)) {
        return path.len == target.len ? Py_NewRef(text) : py_text_get(&self->texts, path);
    }
    uint8_t *to = path.len <= sizeof(near) ? near : PyMem_Malloc(path.len);
    if (!to) {
        return PyErr_NoMemory();
    }
    PyObject *decoded = py_text_get(&self->texts, slice_of(to, percent_decode(path, to)));
    if (to != near) {
        PyMem_Free(to);
    }
    return decoded;
}

static int set_request_line(struct wsgi_environ *self, const struct request *request,
                            struct wsgi_template *template, struct wsgi_request *out) {
    const struct wsgi_keys *keys = &self->keys;
    const struct request_rules *rules = request->rules;
    struct slice target = head_target(request->head, request->bytes);
    out->method = py_text_get(&self->texts, head_method(request->head, request->bytes));
    out->uri = py_text_get(&self->texts, target);
    if (!out->method || !out->uri) {
        return -1;
    }
    PyObject *query =
        rules->query.len > 0 ? py_text_get(&self->texts, rules->query) : Py_NewRef(self->empty);
    PyObject *protocol = request->head->minor == 0 ? self->http10 : self->http11;
    PyObject *uri = template->uri;
    return set(template, keys->request_method, &template->method, Py_NewRef(out->method)) ||
                   set(template, keys->query_string, &template->query, query) ||
                   set(template, keys->server_protocol, &template->protocol, Py_NewRef(protocol)) ||
                   set(template, keys->path_info, &template->path,
                       make_path(self, rules->path, target, out->uri)) ||
                   set(template, keys->raw_uri, &uri, Py_NewRef(out->uri)) ||
                   set(template, keys->request_uri, &template->uri, Py_NewRef(out->uri))
               ? -1
               : 0;
}

/* The peer's address and port as text, from its last request if it is there still. NULL with an
 * exception. */
static const struct wsgi_peer *find_peer(struct wsgi_environ *self, const struct peer *peer) {
    struct wsgi_peer *slot = &self->peers[peer_hash(peer) % WSGI_PEERS];
    if (slot->port && peer_equal(&slot->peer, peer)) {
        return slot;
    }
    char ip[PEER_TEXT];
    char port[8] = "";
    int port_len = 0;
    size_t ip_len = peer_ip_text(peer, ip);
    if (peer->family != PEER_UNIX) {
        port_len = snprintf(port, sizeof(port), "%u", peer->port);
    }
    Py_CLEAR(slot->port);
    Py_XSETREF(slot->address, py_text_get(&self->texts, slice_of(ip, ip_len)));
    if (!slot->address) {
        return NULL;
    }
    slot->peer = *peer;
    slot->port = py_text_make(slice_of(port, (size_t)port_len));
    return slot->port ? slot : NULL;
}

static int set_peer(struct wsgi_environ *self, const struct request *request,
                    struct wsgi_template *template) {
    const struct wsgi_peer *peer = find_peer(self, &request->origin->client);
    return !peer ||
                   set(template, self->keys.remote_addr, &template->address,
                       Py_NewRef(peer->address)) ||
                   set(template, self->keys.remote_port, &template->port, Py_NewRef(peer->port))
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
        text = py_text_get(&self->texts, slice_of(key, name.len + 5));
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

/* [borrows key] 0, or -1 with an exception. */
static int put_field(struct wsgi_environ *self, PyObject *dict, PyObject *key, enum header_id id,
                     struct slice bytes, bool repeated) {
    PyObject *value = py_text_get(&self->texts, bytes);
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
    if (!(seen & (uint64_t)1 << HEADER_HOST)) {
        return PyDict_DelItem(dict, self->headers[HEADER_HOST]); /* HTTP/1.0 */
    }
    return 0;
}

/* --- blocks of fields --- */

/* All fields of the head, from the first one's name to the last one's value. */
static struct slice block_of(const struct request *request) {
    const struct head *head = request->head;
    if (head->field_count == 0) {
        return slice_of(request->bytes, 0);
    }
    const struct field *first = &head->fields[0];
    const struct field *last = &head->fields[head->field_count - 1];
    return slice_of(request->bytes + first->name, last->value + last->value_len - first->name);
}

/* Makes `dict`, a copy of `from` with the fields in `bytes` put into it, a template for more
 * such requests. 0, or -1 with an exception. */
static int keep_block(struct wsgi_block *block, struct slice bytes, uint32_t place,
                      const struct wsgi_template *from, PyObject *dict) {
    PyObject *old = block->template.dict;
    PyObject *copy = PyDict_Copy(dict);
    if (!copy) {
        return -1;
    }
    PyMem_Free(block->bytes);
    block->template = *from;
    block->template.dict = copy;
    block->bytes = PyMem_Malloc(bytes.len);
    Py_XDECREF(old);
    if (!block->bytes) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(block->bytes, bytes.at, bytes.len);
    block->len = bytes.len;
    block->place = place;
    return 0;
}

static bool same_block(const struct wsgi_block *block, struct slice bytes, uint32_t place) {
    return block->bytes && block->place == place &&
           slice_equal(slice_of(block->bytes, block->len), bytes);
}

/* A dict with all of the request. [new] NULL with an exception. */
static PyObject *make(struct wsgi_environ *self, const struct request *request,
                      struct wsgi_request *out) {
    struct slice bytes = block_of(request);
    bool short_enough = bytes.len > 0 && bytes.len <= WSGI_BLOCK_MAX;
    uint64_t hash = short_enough ? py_text_hash(bytes) : 0;
    struct wsgi_block *block = &self->blocks[hash % WSGI_BLOCKS];
    bool again = short_enough && block->hash == hash;
    bool known = again && same_block(block, bytes, place_of(request));
    struct wsgi_template *template = known ? &block->template : template_of(self, request);
    if (!template || set_request_line(self, request, template, out) ||
        set_peer(self, request, template)) {
        return NULL;
    }
    PyObject *dict = PyDict_Copy(template->dict);
    if (dict && !known && put_fields(self, request, dict)) {
        Py_CLEAR(dict);
    }
    if (dict && again && !known && keep_block(block, bytes, place_of(request), template, dict)) {
        Py_CLEAR(dict);
    }
    if (short_enough) {
        block->hash = hash;
    }
    return dict;
}

/* The host and port that a trusted proxy has told, as werkzeug's ProxyFix puts them. 0, or -1 with
 * an exception. */
static int rename_host(struct wsgi_environ *self, const struct origin *origin, PyObject *environ) {
    unsigned port = origin->port > 0 ? origin->port : origin->secure ? 443 : 80;
    PyObject *name = py_text_get(&self->texts, origin->host);
    PyObject *host = NULL;
    if (name) {
        host = origin->port > 0 ? PyUnicode_FromFormat("%U:%u", name, port) : Py_NewRef(name);
    }
    return put(environ, self->keys.server_name, name) ||
                   put(environ, self->headers[HEADER_HOST], host) ||
                   put(environ, self->keys.server_port, PyUnicode_FromFormat("%u", port))
               ? -1
               : 0;
}

int wsgi_environ_make(struct wsgi_environ *self, const struct request *request,
                      struct wsgi_request *out) {
    *out = (struct wsgi_request){0};
    out->environ = make(self, request, out);
    /* RFC 9112 section 3.2.2: the target's authority stands above the Host field. */
    if (out->environ && request->rules->form == TARGET_ABSOLUTE &&
        put(out->environ, self->headers[HEADER_HOST],
            py_text_get(&self->texts, request->rules->authority))) {
        Py_CLEAR(out->environ);
    }
    if (out->environ && request->origin->renamed &&
        rename_host(self, request->origin, out->environ)) {
        Py_CLEAR(out->environ);
    }
    if (out->environ && request->security &&
        wsgi_security_put(out->environ, &self->texts, request->security)) {
        Py_CLEAR(out->environ);
    }
    if (out->environ && request->id.len > 0 &&
        put(out->environ, self->headers[HEADER_X_REQUEST_ID], py_text_make(request->id))) {
        Py_CLEAR(out->environ);
    }
    if (!out->environ) {
        Py_CLEAR(out->method);
        Py_CLEAR(out->uri);
        return -1;
    }
    return 0;
}
