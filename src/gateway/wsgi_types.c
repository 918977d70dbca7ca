/* The gateway's Python types; see wsgi_types.h. */
#include "gateway/wsgi_types.h"

#include "gateway/wsgi_errors.h"
#include "gateway/wsgi_file.h"
#include "gateway/wsgi_input.h"
#include "gateway/wsgi_start.h"

#include "base/banned.h"

int wsgi_types_init(struct wsgi_types *types, PyObject *module) {
    return (types->start_response = wsgi_start_response_type(module)) != NULL &&
                   (types->write = wsgi_write_type(module)) != NULL &&
                   (types->input = wsgi_input_type(module)) != NULL &&
                   (types->errors = wsgi_errors_type(module)) != NULL &&
                   (types->file = wsgi_file_type(module)) != NULL
               ? 0
               : -1;
}

void wsgi_types_share(struct wsgi_types *to, const struct wsgi_types *from) {
#define X(name)                                                                                    \
    Py_XINCREF(from->name);                                                                        \
    to->name = from->name;
    WSGI_TYPES(X)
#undef X
}

int wsgi_types_traverse(const struct wsgi_types *types, visitproc visit, void *arg) {
#define X(name) Py_VISIT(types->name);
    WSGI_TYPES(X)
#undef X
    return 0;
}

void wsgi_types_clear(struct wsgi_types *types) {
#define X(name) Py_CLEAR(types->name);
    WSGI_TYPES(X)
#undef X
}
