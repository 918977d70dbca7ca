/* The module freastal._core (freastal/_core.pyi): multi-phase, all state in the module object. */
#include <stddef.h>

#include "base/board.h"
#include "ext/loop.h"
#include "ext/options.h"
#include "ext/state.h"
#include "ext/tls.h"

#include "base/banned.h"

static int add(PyObject *module, const char *name, PyObject *value) {
    int result = value ? PyModule_AddObjectRef(module, name, value) : -1;
    Py_XDECREF(value);
    return result;
}

/* [new] ((name, place in words of the board, words), …), NULL with an exception. */
static PyObject *figures_table(void) {
    static const struct {
        const char *name;
        size_t offset;
        size_t size;
    } rows[] = {
#define FIGURE(name, words)                                                                        \
    {#name, offsetof(struct board, figures.name), sizeof(uint64_t) * (words)},
#include "base/figures.def"
#undef FIGURE
    };
    Py_ssize_t count = sizeof(rows) / sizeof(rows[0]);
    PyObject *table = PyTuple_New(count);
    for (Py_ssize_t i = 0; table && i < count; i++) {
        PyObject *row = Py_BuildValue("(snn)", rows[i].name, (Py_ssize_t)rows[i].offset / 8,
                                      (Py_ssize_t)rows[i].size / 8);
        if (!row || PyTuple_SetItem(table, i, row) < 0) { /* steals, also when it fails */
            Py_CLEAR(table);
        }
    }
    return table;
}

static int exec(PyObject *module) {
    struct state *state = PyModule_GetState(module);
    state->loop_type = py_loop_type_new(module);
    if (!state->loop_type || PyModule_AddType(module, state->loop_type) < 0) {
        return -1;
    }
    if (tls_type_add(module, &state->tls_type) < 0) {
        return -1;
    }
    state->worker_type = worker_type_new(module);
    if (!state->worker_type || PyModule_AddType(module, state->worker_type) < 0) {
        return -1;
    }
    if (wsgi_types_init(&state->wsgi, module) < 0 || asgi_types_init(&state->asgi, module) < 0 ||
        PyModule_AddObjectRef(module, "ClientDisconnected", state->asgi.disconnected) < 0) {
        return -1;
    }
    if (add(module, "OPTIONS", options_table()) < 0 ||
        add(module, "FIGURES", figures_table()) < 0) {
        return -1;
    }
    return PyModule_AddStringConstant(module, "__version__", FREASTAL_VERSION);
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
    struct state *state = PyModule_GetState(module);
    Py_VISIT(state->loop_type);
    Py_VISIT(state->worker_type);
    Py_VISIT(state->tls_type);
    int result = asyncio_traverse(&state->asyncio, visit, arg);
    if (!result) {
        result = wsgi_types_traverse(&state->wsgi, visit, arg);
    }
    return result ? result : asgi_types_traverse(&state->asgi, visit, arg);
}

static int clear(PyObject *module) {
    struct state *state = PyModule_GetState(module);
    Py_CLEAR(state->loop_type);
    Py_CLEAR(state->worker_type);
    Py_CLEAR(state->tls_type);
    asyncio_clear(&state->asyncio);
    wsgi_types_clear(&state->wsgi);
    asgi_types_clear(&state->asgi);
    return 0;
}

static void free_module(void *module) {
    clear((PyObject *)module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, exec},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "freastal._core",
    .m_doc = PyDoc_STR("The C core of freastal."),
    .m_size = sizeof(struct state),
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = free_module,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&definition);
}
