/* See tasks.h. */
#include "ext/tasks.h"

#include "base/banned.h"

/* A tuple of interned strings, as keywords must be. [new] NULL with an exception. */
static PyObject *intern(PyObject *names) {
    for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = Py_NewRef(PyTuple_GET_ITEM(names, i));
        PyUnicode_InternInPlace(&name);
        PyTuple_SetItem(names, i, name); /* steals name */
    }
    return names;
}

/* --- a task's first step --- */

#if PY_VERSION_HEX >= 0x030c0000

/* A tuple of interned strings, as keywords must be. [new] NULL with an exception. */
static PyObject *make_task_names(PyObject *loop) {
    (void)loop;
    return intern(Py_BuildValue("(sss)", "loop", "context", "eager_start"));
}

/* [new] NULL with an exception. */
static PyObject *new_task(const struct tasks *tasks, PyObject *coroutine, bool eager) {
    PyObject *context = PyContext_CopyCurrent();
    if (!context) {
        return NULL;
    }
    PyObject *args[5] = {NULL, coroutine, tasks->loop, context, eager ? Py_True : Py_False};
    PyObject *task = PyObject_Vectorcall(tasks->task, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                         tasks->task_names);
    Py_DECREF(context);
    return task;
}

static PyObject *begin_here(const struct tasks *tasks, PyObject *coroutine) {
    return new_task(tasks, coroutine, true);
}

static PyObject *begin_later(const struct tasks *tasks, PyObject *coroutine) {
    return new_task(tasks, coroutine, false);
}

/* Any running loop of asyncio's kind has them. */
static bool is_eager(const struct tasks *tasks) {
    return !tasks->host || !tasks->host->nested;
}

#else

/* A name of its own would be formatted for each task (CPython 3.12 leaves that until it is asked
 * for): 1,450 instructions of a request (bench/instructions.py). The dict is what the type would
 * make of keywords for each call. */
static PyObject *make_task_names(PyObject *loop) {
    return Py_BuildValue("{sOss}", "loop", loop, "name", "request");
}

/* Copies the current context by itself. */
static PyObject *begin_later(const struct tasks *tasks, PyObject *coroutine) {
    PyObject *args = PyTuple_Pack(1, coroutine);
    PyObject *task = args ? PyObject_Call(tasks->task, args, tasks->task_names) : NULL;
    Py_XDECREF(args);
    return task;
}

/* Carries out the call that was caught. [steals step and context] */
static void run_step(PyObject *step, PyObject *context) {
    PyObject *done = NULL;
    if (PyContext_Enter(context) == 0) {
        done = PyObject_CallNoArgs(step);
        if (!done) {
            PyErr_WriteUnraisable(step);
        }
        if (PyContext_Exit(context) < 0) {
            PyErr_WriteUnraisable(step);
        }
    } else {
        PyErr_WriteUnraisable(step);
    }
    Py_XDECREF(done);
    Py_DECREF(step);
    Py_DECREF(context);
}

static PyObject *begin_here(const struct tasks *tasks, PyObject *coroutine) {
    struct py_loop *host = tasks->host;
    host->catching = true;
    PyObject *task = begin_later(tasks, coroutine);
    PyObject *step = host->caught;
    PyObject *context = host->caught_context;
    host->catching = false;
    host->caught = NULL;
    host->caught_context = NULL;
    if (!step) {
        return task;
    }
    if (task) {
        run_step(step, context);
    } else {
        Py_DECREF(step);
        Py_DECREF(context);
    }
    return task;
}

static bool is_eager(const struct tasks *tasks) {
    return tasks->host && !tasks->host->nested;
}

#endif

static PyObject *begin(void *arg, PyObject *coroutine) {
    const struct tasks *tasks = arg;
    return is_eager(tasks) ? begin_here(tasks, coroutine) : begin_later(tasks, coroutine);
}

/* --- futures --- */

static PyObject *future(void *arg) {
    const struct tasks *tasks = arg;
    PyObject *args[2] = {NULL, tasks->loop};
    return PyObject_Vectorcall(tasks->future, args + 1, 0 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                               tasks->future_names);
}

/* --- life --- */

int tasks_init(struct tasks *tasks, const struct asyncio *asyncio, PyTypeObject *loop_type,
               PyObject *loop) {
    tasks->loop = Py_NewRef(loop);
    if (PyObject_TypeCheck(loop, loop_type)) {
        tasks->host = (struct py_loop *)(void *)loop;
    }
    tasks->task = Py_NewRef(asyncio->task);
    tasks->future = Py_NewRef(asyncio->future);
    tasks->task_names = make_task_names(loop);
    tasks->future_names = intern(Py_BuildValue("(s)", "loop"));
    return tasks->task_names && tasks->future_names ? 0 : -1;
}

void tasks_release(struct tasks *tasks) {
    tasks->host = NULL;
    Py_CLEAR(tasks->loop);
    Py_CLEAR(tasks->task);
    Py_CLEAR(tasks->future);
    Py_CLEAR(tasks->task_names);
    Py_CLEAR(tasks->future_names);
}

int tasks_traverse(const struct tasks *tasks, visitproc visit, void *arg) {
    Py_VISIT(tasks->loop);
    return 0;
}

struct asgi_tasks tasks_table(struct tasks *tasks) {
    return (struct asgi_tasks){.begin = begin, .future = future, .arg = tasks};
}
