/* Options; see options.h. */
#include "ext/options.h"

#include <stddef.h>

#include "base/banned.h"

enum type { INT, FLOAT, BOOL };

static const char *const type_names[] = {[INT] = "int", [FLOAT] = "float", [BOOL] = "bool"};

struct row {
    const char *name;
    enum type type;
    size_t at; /* in struct options */
    double initial;
    double minimum;
    double maximum;
};

static const struct row rows[] = {
#define OPTION(name, type, initial, minimum, maximum)                                              \
    {#name, type, offsetof(struct options, name), initial, minimum, maximum},
#include "ext/options.def"
#undef OPTION
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void put(struct options *options, const struct row *row, double value) {
    char *at = (char *)options + row->at;
    int64_t number = (int64_t)value;
    bool truth = value != 0;
    switch (row->type) {
    case INT:
        memcpy(at, &number, sizeof(number));
        break;
    case FLOAT:
        memcpy(at, &value, sizeof(value));
        break;
    case BOOL:
        memcpy(at, &truth, sizeof(truth));
        break;
    }
}

void options_init(struct options *options) {
    for (size_t i = 0; i < ROWS; i++) {
        put(options, &rows[i], rows[i].initial);
    }
}

static const struct row *row_of(PyObject *name) {
    for (size_t i = 0; i < ROWS; i++) {
        if (PyUnicode_CompareWithASCIIString(name, rows[i].name) == 0) {
            return &rows[i];
        }
    }
    PyErr_Format(PyExc_TypeError, "Worker() has no option %R", name);
    return NULL;
}

/* [new] the number of the table as its type has it; NULL with an exception. */
static PyObject *number(const struct row *row, double value) {
    if (row->type == BOOL) {
        return PyBool_FromLong(value != 0);
    }
    return row->type == INT ? PyLong_FromDouble(value) : PyFloat_FromDouble(value);
}

static bool type_fits(const struct row *row, PyObject *value) {
    if (row->type == BOOL || PyBool_Check(value)) {
        return row->type == BOOL && PyBool_Check(value);
    }
    return PyLong_Check(value) || (row->type == FLOAT && PyFloat_Check(value));
}

static int refuse(const struct row *row, PyObject *value) {
    PyObject *minimum = number(row, row->minimum);
    PyObject *maximum = minimum ? number(row, row->maximum) : NULL;
    if (maximum) {
        PyErr_Format(PyExc_ValueError, "%s is %R: allowed is %S to %S", row->name, value, minimum,
                     maximum);
    }
    Py_XDECREF(minimum);
    Py_XDECREF(maximum);
    return -1;
}

int options_set(struct options *options, PyObject *name, PyObject *value) {
    const struct row *row = row_of(name);
    if (!row) {
        return -1;
    }
    if (!type_fits(row, value)) {
        static const char *const allowed[] = {
            [INT] = "a number without a fraction",
            [FLOAT] = "a number",
            [BOOL] = "True or False",
        };
        PyErr_Format(PyExc_TypeError, "%s is %R: allowed is %s", row->name, value,
                     allowed[row->type]);
        return -1;
    }
    /* Every bound of the table fits a double exactly. */
    double given = PyFloat_AsDouble(value);
    if (given == -1.0 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
            return -1;
        }
        PyErr_Clear();
        return refuse(row, value);
    }
    if (!(given >= row->minimum && given <= row->maximum)) {
        return refuse(row, value);
    }
    put(options, row, given);
    return 0;
}

static PyObject *row_dict(const struct row *row) {
    return Py_BuildValue("{sssssNsNsN}", "name", row->name, "type", type_names[row->type],
                         "default", number(row, row->initial), "minimum", number(row, row->minimum),
                         "maximum", number(row, row->maximum));
}

PyObject *options_table(void) {
    PyObject *table = PyTuple_New(ROWS);
    for (Py_ssize_t i = 0; table && i < ROWS; i++) {
        PyObject *dict = row_dict(&rows[i]);
        if (!dict) {
            Py_CLEAR(table);
            break;
        }
        PyTuple_SET_ITEM(table, i, dict); /* steals */
    }
    return table;
}

/* The table's bounds keep these in range. A time-out that is on is never rounded to "off". */
uint32_t options_milliseconds(double seconds) {
    return seconds > 0 && seconds < 0.001 ? 1 : (uint32_t)(seconds * 1000);
}

void options_to_server(const struct options *options, struct server_config *config) {
    *config = (struct server_config){
        .head = {.line = (uint32_t)options->limit_request_line,
                 .head = (uint32_t)options->limit_request_head,
                 .fields = (uint32_t)options->limit_request_fields},
        .body = (uint64_t)options->limit_request_body,
        .connections = (uint32_t)options->limit_connections,
        .timeout_headers = options_milliseconds(options->timeout_headers),
        .timeout_body = options_milliseconds(options->timeout_body),
        .timeout_keep_alive = options_milliseconds(options->timeout_keep_alive),
        .timeout_write = options_milliseconds(options->timeout_write),
        .access_log.fd = -1,
    };
}
