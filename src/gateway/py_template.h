/* Dictionaries to be copied many times: scopes and messages.
 *
 * CPython lets the attributes of a class's instances share one table of keys (PEP 412), and a copy
 * of such a dictionary shares it too: it holds its values only. That is a matter of size and speed,
 * never of meaning: a copy is a dict like any other, and has a table of its own once that is
 * needed. With the GIL. */
#ifndef GATEWAY_PY_TEMPLATE_H
#define GATEWAY_PY_TEMPLATE_H

#include "gateway/py_compat.h"

/* Equal to `dict`, whose keys are str, and to be copied by PyDict_Copy. `spare`: keys, 1 or more,
 * that a copy's owner may add before its table grows; each takes the room of a pointer in every
 * copy. [new] NULL with an exception. [borrows dict for the call] */
PyObject *py_template_make(PyObject *dict, Py_ssize_t spare);

#endif
