/* Response heads from Python objects; see wsgi_head.h. */
#include "gateway/wsgi_head.h"

#include "base/err.h"
#include "base/log.h"
#include "base/size.h"

#include "base/banned.h"

static int wrong_type(const char *what, const char *allowed, PyObject *object) {
    PyErr_Format(PyExc_TypeError, "%s must be %s, not %.200s", what, allowed,
                 Py_TYPE(object)->tp_name);
    return -1;
}

/* The characters of a str, which must all be latin-1. An exception calls it `what`, of the
 * header `name` where that is not NULL. [new] an exact str, whose end never runs Python code;
 * NULL with an exception. */
static PyObject *read_text(PyObject *object, const char *what, PyObject *name, struct slice *text) {
    if (!PyUnicode_Check(object)) {
        return PyErr_Format(PyExc_TypeError,
                            name ? "%s %R must be a str, not %.200s"
                                 : "%s%.0R must be a str, not %.200s",
                            what, name ? name : Py_None, Py_TYPE(object)->tp_name);
    }
    PyObject *exact =
        PyUnicode_CheckExact(object) ? Py_NewRef(object) : PyUnicode_FromObject(object);
    if (!exact || py_ready(exact)) {
        Py_XDECREF(exact);
        return NULL;
    }
    if (PyUnicode_KIND(exact) != PyUnicode_1BYTE_KIND) {
        Py_DECREF(exact);
        return PyErr_Format(PyExc_ValueError,
                            name ? "%s %R must hold latin-1 characters only (PEP 3333)"
                                 : "%s%.0R must hold latin-1 characters only (PEP 3333)",
                            what, name ? name : Py_None);
    }
    *text = slice_of(PyUnicode_1BYTE_DATA(exact), (size_t)PyUnicode_GET_LENGTH(exact));
    return exact;
}

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

/* "200 OK", also without a reason. 0, or -1 with an exception. */
static int read_status(struct wsgi_head *head, PyObject *object) {
    struct slice text;
    head->line = read_text(object, "the response status", NULL, &text);
    if (!head->line) {
        return -1;
    }
    const uint8_t *at = text.at;
    bool good = text.len >= 3 && is_digit(at[0]) && is_digit(at[1]) && is_digit(at[2]) &&
                (text.len == 3 || at[3] == ' ');
    head->status = good ? (at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0') : 0;
    if (head->status < 200 || head->status > 599) {
        PyErr_Format(PyExc_ValueError, "%s, a space and a reason", err_text(ERR_RESPONSE_STATUS));
        return -1;
    }
    head->reason = text.len > 4 ? slice_of(at + 4, text.len - 4) : slice_of(at, 0);
    return 0;
}

/* The items of a list or a tuple, in place; there may be none. [borrows object until Python code
 * runs] False for other objects. */
static bool items_of(PyObject *object, PyObject *const **items, Py_ssize_t *count) {
    if (!PyList_Check(object) && !PyTuple_Check(object)) {
        return false;
    }
    *count = PySequence_Fast_GET_SIZE(object);
    *items = PySequence_Fast_ITEMS(object);
    return true;
}

/* One pair. [borrows pair] 0, or -1 with an exception. */
static int read_pair(struct wsgi_head *head, PyObject *pair) {
    Py_ssize_t parts = 0;
    PyObject *const *part;
    struct response_field *field = &head->fields[head->count];
    if (!items_of(pair, &part, &parts)) {
        return wrong_type("each response header", "a tuple of name and value", pair);
    }
    if (parts != 2) {
        PyErr_Format(PyExc_ValueError,
                     "each response header must be a tuple of name and value, not of %zd items",
                     parts);
        return -1;
    }
    PyObject *name = read_text(part[0], "a response header's name", NULL, &field->name);
    PyObject *value =
        name ? read_text(part[1], "the value of the response header", name, &field->value) : NULL;
    if (!value) {
        Py_XDECREF(name);
        return -1;
    }
    head->strings[2 * head->count] = name;
    head->strings[2 * head->count + 1] = value;
    head->count++;
    return 0;
}

/* Room for `count` fields. 0, or -1 with MemoryError. */
static int make_room(struct wsgi_head *head, size_t count) {
    head->fields = head->near_fields;
    head->strings = head->near_strings;
    if (count <= WSGI_HEAD_FIELDS) {
        return 0;
    }
    size_t each = sizeof(struct response_field) + 2 * sizeof(PyObject *);
    size_t size;
    struct response_field *fields = size_mul(count, each, &size) ? PyMem_Malloc(size) : NULL;
    if (!fields) {
        PyErr_NoMemory();
        return -1;
    }
    head->fields = fields;
    head->strings = (PyObject **)(void *)(fields + count);
    return 0;
}

int wsgi_head_set(struct wsgi_head *head, PyObject *status, PyObject *headers) {
    Py_ssize_t count = 0;
    PyObject *const *pairs;
    wsgi_head_clear(head);
    if (!items_of(headers, &pairs, &count)) {
        return wrong_type("the response headers", "a list of tuples", headers);
    }
    if (make_room(head, (size_t)count)) {
        return -1;
    }
    head->count = 0;
    head->set = true;
    int failed = read_status(head, status);
    for (Py_ssize_t i = 0; i < count && !failed; i++) {
        failed = read_pair(head, pairs[i]);
    }
    if (failed) {
        wsgi_head_clear(head);
    }
    return failed;
}

void wsgi_head_clear(struct wsgi_head *head) {
    if (!head->set) {
        return;
    }
    head->set = false;
    for (size_t i = 0; i < 2 * head->count; i++) {
        Py_DECREF(head->strings[i]);
    }
    if (head->fields != head->near_fields) {
        PyMem_Free(head->fields);
    }
    Py_XDECREF(head->line);
}

int64_t wsgi_head_length(const struct wsgi_head *head) {
    uint64_t length;
    for (size_t i = 0; i < head->count; i++) {
        const struct response_field *field = &head->fields[i];
        if (slice_equal_nocase(field->name, SLICE("content-length"))) {
            return http_rules_content_length(field->value, &length) ? -1 : (int64_t)length;
        }
    }
    return -1;
}

void wsgi_head_blame(const struct wsgi_head *head, char *text, size_t size) {
    enum header_id id;
    for (size_t i = 0; i < head->count; i++) {
        const struct response_field *field = &head->fields[i];
        int err = http_rules_response_field(field->name, field->value, &id);
        if (err && err != ERR_RESPONSE_HOP) {
            log_escape(text, size, field->name);
            return;
        }
    }
    log_escape(text, size, SLICE(""));
}
