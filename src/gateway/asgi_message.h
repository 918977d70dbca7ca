/* Reading the messages that an application sends: dicts whose values have a type. Each raises in
 * the application where a value is not what was expected. With the GIL. */
#ifndef GATEWAY_ASGI_MESSAGE_H
#define GATEWAY_ASGI_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/py_compat.h"

/* The text of `type`, UTF-8. [borrows until the message changes] NULL with an exception. */
const char *asgi_message_type(PyObject *message, PyObject *key);

/* [new] a value, or NULL: without an exception where the key is not there or is None. */
PyObject *asgi_message_get(PyObject *message, PyObject *key);

/* The truth of a value; false where it is not there. 0, or -1 with an exception. */
int asgi_message_bool(PyObject *message, PyObject *key, bool *value);

/* A whole number from `least` to `most`. 1: it is there; 0: it is not, *value is as it was; -1
 * with an exception. */
int asgi_message_int(PyObject *message, PyObject *key, int64_t least, int64_t most, int64_t *value);

/* A bytes object: of bytes itself, of another buffer a copy. [new] NULL: without an exception
 * where it is not there. */
PyObject *asgi_message_bytes(PyObject *message, PyObject *key);

/* Raises RuntimeError: a message of this type came where `expected` was. NULL, for the caller to
 * return. */
PyObject *asgi_message_unexpected(const char *type, const char *expected);

#endif
