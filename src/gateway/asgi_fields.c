/* See asgi_fields.h. */
#include "gateway/asgi_fields.h"

#include <string.h>

#include "gateway/py_text.h"

#include "base/banned.h"

static PyObject *bytes_of(struct slice slice) {
    return PyBytes_FromStringAndSize((const char *)slice.at, (Py_ssize_t)slice.len);
}

int asgi_fields_init(struct asgi_fields *fields) {
    for (int id = 1; id < HEADER_COUNT; id++) {
        fields->names[id] = bytes_of(header_id_name((enum header_id)id));
        if (!fields->names[id]) {
            return -1;
        }
    }
    return 0;
}

void asgi_fields_release(struct asgi_fields *fields) {
    for (int id = 1; id < HEADER_COUNT; id++) {
        Py_CLEAR(fields->names[id]);
    }
    for (size_t i = 0; i < ASGI_PAIRS; i++) {
        Py_CLEAR(fields->pairs[i]);
    }
    for (size_t i = 0; i < ASGI_BLOCKS; i++) {
        PyMem_Free(fields->blocks[i].bytes);
        fields->blocks[i].bytes = NULL;
        Py_CLEAR(fields->blocks[i].pairs);
    }
}

/* A name that is not known, in lower case. [new] NULL with an exception. */
static PyObject *make_name(struct slice name) {
    PyObject *made = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)name.len);
    if (made) {
        char *to = PyBytes_AS_STRING(made);
        for (size_t i = 0; i < name.len; i++) {
            to[i] = (char)ascii_lower(name.at[i]);
        }
    }
    return made;
}

/* [steals name and value] [new] NULL with an exception. */
static PyObject *make_pair(PyObject *name, PyObject *value) {
    PyObject *pair = name && value ? PyTuple_New(2) : NULL;
    if (!pair) {
        Py_XDECREF(name);
        Py_XDECREF(value);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, name);
    PyTuple_SET_ITEM(pair, 1, value);
    return pair;
}

static bool same_pair(PyObject *pair, PyObject *name, struct slice value) {
    PyObject *kept = PyTuple_GET_ITEM(pair, 1);
    return PyTuple_GET_ITEM(pair, 0) == name &&
           slice_equal(slice_of(PyBytes_AS_STRING(kept), (size_t)PyBytes_GET_SIZE(kept)), value);
}

/* A pair with a known name, the one that came before if it is there still. [new] NULL with an
 * exception. */
static PyObject *known_pair(struct asgi_fields *fields, enum header_id id, struct slice value) {
    PyObject *name = fields->names[id];
    if (value.len > ASGI_PAIR_MAX || id == HEADER_SEC_WEBSOCKET_KEY) {
        return make_pair(Py_NewRef(name), bytes_of(value));
    }
    PyObject **slot = &fields->pairs[(py_text_hash(value) + id) % ASGI_PAIRS];
    if (!*slot || !same_pair(*slot, name, value)) {
        PyObject *pair = make_pair(Py_NewRef(name), bytes_of(value));
        if (!pair) {
            return NULL;
        }
        Py_XSETREF(*slot, pair);
    }
    return Py_NewRef(*slot);
}

/* Has the application another host than its Host field says? */
static bool has_other_host(const struct request *request) {
    return request->rules->form == TARGET_ABSOLUTE || request->origin->renamed;
}

/* A pair with the host that a trusted proxy has told. [new] NULL with an exception. */
static PyObject *renamed_pair(const struct asgi_fields *fields, const struct origin *origin) {
    PyObject *value = bytes_of(origin->host);
    if (value && origin->port > 0) {
        PyBytes_ConcatAndDel(&value, PyBytes_FromFormat(":%u", (unsigned)origin->port));
    }
    return make_pair(Py_NewRef(fields->names[HEADER_HOST]), value);
}

/* RFC 9112 section 3.2.2: the target's authority stands above the Host field. */
static struct slice value_of(const struct request *request, const struct field *field) {
    if (field->id == HEADER_HOST && request->rules->form == TARGET_ABSOLUTE) {
        return request->rules->authority;
    }
    return field_value(field, request->bytes);
}

/* [new] a pair; NULL with an exception. */
static PyObject *make_field(struct asgi_fields *fields, const struct request *request,
                            const struct field *field) {
    struct slice value = value_of(request, field);
    if (field->id == HEADER_HOST && request->origin->renamed) {
        return renamed_pair(fields, request->origin);
    }
    if (field->id != HEADER_OTHER) {
        return known_pair(fields, field->id, value);
    }
    return make_pair(make_name(field_name(field, request->bytes)), bytes_of(value));
}

/* [new] NULL with an exception. */
static PyObject *make_list(struct asgi_fields *fields, const struct request *request) {
    const struct head *head = request->head;
    PyObject *list = PyList_New(head->field_count);
    for (uint32_t i = 0; list && i < head->field_count; i++) {
        PyObject *pair = make_field(fields, request, &head->fields[i]);
        if (!pair) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, i, pair);
        }
    }
    return list;
}

/* [new] NULL with an exception. */
static PyObject *list_of(PyObject *pairs) {
    Py_ssize_t count = PyTuple_GET_SIZE(pairs);
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyList_SET_ITEM(list, i, Py_NewRef(PyTuple_GET_ITEM(pairs, i)));
    }
    return list;
}

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

/* Keeps a block that came again. Where memory is short it is not kept, and nothing is lost. */
static void keep(struct asgi_block *block, struct slice bytes, PyObject *list) {
    uint8_t *copy = PyMem_Malloc(bytes.len);
    PyObject *pairs = copy ? PyList_AsTuple(list) : NULL;
    if (!pairs) {
        PyErr_Clear();
        PyMem_Free(copy);
        return;
    }
    memcpy(copy, bytes.at, bytes.len);
    PyMem_Free(block->bytes);
    block->bytes = copy;
    block->len = bytes.len;
    Py_XSETREF(block->pairs, pairs);
}

/* The pairs of the head, made or from before. [new] NULL with an exception. */
static PyObject *find_list(struct asgi_fields *fields, const struct request *request) {
    struct slice bytes = block_of(request);
    if (bytes.len == 0 || bytes.len > ASGI_BLOCK_MAX || has_other_host(request)) {
        return make_list(fields, request);
    }
    uint64_t hash = py_text_hash(bytes);
    struct asgi_block *block = &fields->blocks[hash % ASGI_BLOCKS];
    bool again = block->hash == hash;
    if (again && block->bytes && slice_equal(slice_of(block->bytes, block->len), bytes)) {
        return list_of(block->pairs);
    }
    PyObject *list = make_list(fields, request);
    if (list && again) {
        keep(block, bytes, list);
    }
    block->hash = hash;
    return list;
}

/* Puts the request id in the place of the fields that have its name. 0, or -1 with an exception. */
static int put_id(const struct asgi_fields *fields, PyObject *list, struct slice id) {
    PyObject *name = fields->names[HEADER_X_REQUEST_ID];
    for (Py_ssize_t i = PyList_GET_SIZE(list); i-- > 0;) {
        if (PyTuple_GET_ITEM(PyList_GET_ITEM(list, i), 0) == name &&
            PyList_SetSlice(list, i, i + 1, NULL) < 0) {
            return -1;
        }
    }
    PyObject *pair = make_pair(Py_NewRef(name), bytes_of(id));
    int failed = pair ? PyList_Append(list, pair) : -1;
    Py_XDECREF(pair);
    return failed;
}

PyObject *asgi_fields_make(struct asgi_fields *fields, const struct request *request) {
    PyObject *list = find_list(fields, request);
    if (list && request->id.len > 0 && put_id(fields, list, request->id) < 0) {
        Py_CLEAR(list);
    }
    return list;
}
