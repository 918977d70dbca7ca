/* See asgi_head.h. */
#include "gateway/asgi_head.h"

#include "base/err.h"
#include "base/log.h"
#include "base/size.h"

#include "base/banned.h"

void asgi_head_init(struct asgi_head *head) {
    head->status = 0;
    head->count = 0;
    head->room = ASGI_HEAD_FIELDS;
    head->fields = head->near_fields;
    head->owners = head->near_owners;
}

/* Room for twice as many. 0, or -1 with MemoryError. */
static int grow(struct asgi_head *head) {
    size_t room = head->room * 2;
    size_t bytes;
    struct response_field *fields = NULL;
    PyObject **owners = NULL;
    if (size_mul(room, sizeof(*fields), &bytes)) {
        fields = PyMem_Malloc(bytes);
        owners = PyMem_Malloc(room * 2 * sizeof(PyObject *));
    }
    if (!fields || !owners) {
        PyMem_Free(fields);
        PyMem_Free(owners);
        PyErr_NoMemory();
        return -1;
    }
    memcpy(fields, head->fields, head->count * sizeof(*fields));
    memcpy(owners, head->owners, head->count * 2 * sizeof(PyObject *));
    if (head->fields != head->near_fields) {
        PyMem_Free(head->fields);
        PyMem_Free(head->owners);
    }
    head->fields = fields;
    head->owners = owners;
    head->room = room;
    return 0;
}

static struct slice slice_of_bytes(PyObject *bytes) {
    return slice_of(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
}

int asgi_head_add(struct asgi_head *head, PyObject *name, PyObject *value) {
    if (head->count == head->room && grow(head) < 0) {
        return -1;
    }
    head->fields[head->count] =
        (struct response_field){.name = slice_of_bytes(name), .value = slice_of_bytes(value)};
    head->owners[2 * head->count] = Py_NewRef(name);
    head->owners[2 * head->count + 1] = Py_NewRef(value);
    head->count++;
    return 0;
}

/* One [name, value]. 0, or -1 with an exception. */
static int add_pair(struct asgi_head *head, PyObject *pair) {
    PyObject *fast = PySequence_Fast(pair, "a header must be a pair of bytes: [name, value]");
    int result = -1;
    if (!fast) {
        return -1;
    }
    if (PySequence_Fast_GET_SIZE(fast) != 2) {
        PyErr_Format(PyExc_ValueError, "a header must be a pair of bytes, [name, value], not %R",
                     pair);
    } else if (!PyBytes_Check(PySequence_Fast_GET_ITEM(fast, 0)) ||
               !PyBytes_Check(PySequence_Fast_GET_ITEM(fast, 1))) {
        PyErr_Format(PyExc_TypeError,
                     "a header's name and value must be bytes, not %.200s and %.200s",
                     Py_TYPE(PySequence_Fast_GET_ITEM(fast, 0))->tp_name,
                     Py_TYPE(PySequence_Fast_GET_ITEM(fast, 1))->tp_name);
    } else {
        result = asgi_head_add(head, PySequence_Fast_GET_ITEM(fast, 0),
                               PySequence_Fast_GET_ITEM(fast, 1));
    }
    Py_DECREF(fast);
    return result;
}

int asgi_head_add_all(struct asgi_head *head, PyObject *headers) {
    PyObject *fast = PySequence_Fast(headers, "headers must be an iterable of pairs of bytes");
    if (!fast) {
        return -1;
    }
    int result = 0;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast) && result == 0; i++) {
        PyObject *pair = Py_NewRef(PySequence_Fast_GET_ITEM(fast, i));
        result = add_pair(head, pair);
        Py_DECREF(pair);
    }
    Py_DECREF(fast);
    return result;
}

int asgi_head_append(struct asgi_head *head, const struct asgi_head *from) {
    int result = 0;
    for (size_t i = 0; i < from->count && result == 0; i++) {
        result = asgi_head_add(head, from->owners[2 * i], from->owners[2 * i + 1]);
    }
    return result;
}

void asgi_head_clear(struct asgi_head *head) {
    size_t count = 2 * head->count;
    head->count = 0;
    for (size_t i = 0; i < count; i++) {
        Py_DECREF(head->owners[i]); /* bytes: no code runs */
    }
    if (head->fields != head->near_fields) {
        PyMem_Free(head->fields);
        PyMem_Free(head->owners);
    }
    asgi_head_init(head);
}

PyObject *asgi_head_blame(const struct asgi_head *head, int err) {
    if (err == ERR_NOMEM) {
        return PyErr_NoMemory();
    }
    for (size_t i = 0; head && i < head->count; i++) {
        const struct response_field *field = &head->fields[i];
        enum header_id id;
        if (http_rules_response_field(field->name, field->value, &id) == err) {
            char name[128];
            log_escape(name, sizeof(name), field->name);
            return PyErr_Format(PyExc_ValueError, "%s: %s", err_text(err), name);
        }
    }
    PyErr_SetString(PyExc_ValueError, err_text(err));
    return NULL;
}
