/* A response's head as the application gave it to start_response: checked, and read in place.
 * The slices point into str objects that the head owns. With the GIL. */
#ifndef GATEWAY_WSGI_HEAD_H
#define GATEWAY_WSGI_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/py_compat.h"
#include "http/exchange.h"

enum { WSGI_HEAD_FIELDS = 12 };

struct wsgi_head {
    /* read-only */
    bool set; /* start_response has been called; else nothing else is valid */
    int status;
    struct slice reason;
    size_t count;
    struct response_field *fields;
    /* private */
    PyObject *line;     /* owner of `reason` */
    PyObject **strings; /* owners of the fields, two each */
    PyObject *near_strings[2 * WSGI_HEAD_FIELDS];
    struct response_field near_fields[WSGI_HEAD_FIELDS];
};

static inline void wsgi_head_init(struct wsgi_head *head) {
    head->set = false;
}

/* Takes status and headers as PEP 3333 has them: "200 OK" and a list of pairs of str (a tuple of
 * lists is as good), in place of what was set before. [borrows both] 0; -1 with a TypeError or
 * ValueError that says what is wrong and what is allowed, and `head` is not set then. Runs no
 * Python code. */
int wsgi_head_set(struct wsgi_head *head, PyObject *status, PyObject *headers);

/* Drops what it holds. */
void wsgi_head_clear(struct wsgi_head *head);

/* The application's Content-Length, or -1: none, or none that is valid. */
int64_t wsgi_head_length(const struct wsgi_head *head);

/* The name of the first field that breaks a rule, escaped, in `text`; empty where none does. */
void wsgi_head_blame(const struct wsgi_head *head, char *text, size_t size);

#endif
