/* The core's options, from Python's keywords to C. The table is options.def. */
#ifndef EXT_OPTIONS_H
#define EXT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/py_compat.h"
#include "http/server.h"

/* A value of each row; FLOAT rows in seconds. */
struct options {
#define INT                                           int64_t
#define FLOAT                                         double
#define BOOL                                          bool
#define OPTION(name, type, initial, minimum, maximum) type name;
#include "ext/options.def"
#undef OPTION
#undef BOOL
#undef FLOAT
#undef INT
};

/* The defaults of the table. */
void options_init(struct options *options);

/* Sets the row called `name` from a Python value. 0, or -1 with TypeError (no such row, wrong
 * type) or ValueError (out of its range) that says what is allowed. [borrowed name, value] */
int options_set(struct options *options, PyObject *name, PyObject *value);

/* [new] the table as a tuple of dicts, for `_core.OPTIONS`; NULL with an exception. */
PyObject *options_table(void);

/* The part that the server knows. */
void options_to_server(const struct options *options, struct server_config *config);

/* A FLOAT row in milliseconds; what is not 0 stays so. */
uint32_t options_milliseconds(double seconds);

#endif
