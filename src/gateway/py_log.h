/* What the gateway tells the operator, through the Python logger `freastal.error`. With the GIL,
 * in any thread. Nothing here fails: where logging does, sys.unraisablehook is told. */
#ifndef GATEWAY_PY_LOG_H
#define GATEWAY_PY_LOG_H

#include "gateway/py_compat.h"

/* Logs one line; `format` as for PyUnicode_FromFormat. `method` is the logger's: "error",
 * "warning". No exception may be set. [borrows logger] */
void py_log(PyObject *logger, const char *method, const char *format, ...);

/* Logs the exception that is set, with its traceback, and clears it. [borrows logger] */
void py_log_exception(PyObject *logger, const char *format, ...);

#endif
