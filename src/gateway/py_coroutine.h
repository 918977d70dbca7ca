/* What objects need that pass for coroutines (collections.abc.Coroutine) and are made in C: the
 * slot am_send does the work, and the methods of a coroutine are spelled with it. With the GIL. */
#ifndef GATEWAY_PY_COROUTINE_H
#define GATEWAY_PY_COROUTINE_H

#include "gateway/py_compat.h"

/* The type's slot am_send. */
typedef PySendResult py_send_fn(PyObject *self, PyObject *arg, PyObject **result);

/* What a method `send` or tp_iternext gives for what am_send gave: the object yielded [new], or
 * NULL with StopIteration or the error set. [steals value] */
PyObject *py_coroutine_result(PySendResult sent, PyObject *value);

/* Sets the exception that the arguments of `throw` (type, value and traceback, or an instance)
 * mean. */
void py_coroutine_raise(PyObject *const *args, Py_ssize_t count);

/* A call of `throw` passed on to another coroutine or iterator. [new] NULL with an exception. */
PyObject *py_coroutine_throw(PyObject *to, PyObject *const *args, Py_ssize_t count);

/* If StopIteration is set: clears it. [new] its value; NULL where another exception is set. */
PyObject *py_coroutine_take_value(void);

/* The slot am_await of an object that is its own iterator. [new] */
PyObject *py_coroutine_await(PyObject *self);

#endif
