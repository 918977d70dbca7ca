/* Tasks of an asyncio loop; see tasks.h. */
#include "ext/tasks.h"

#include "base/banned.h"

/* [new] the task, which copies the current context by itself; NULL with an exception. */
static PyObject *new_task(const struct tasks *tasks, PyObject *coroutine, PyObject *words) {
    PyObject *args = PyTuple_Pack(1, coroutine);
    PyObject *task = args ? PyObject_Call(tasks->task, args, words) : NULL;
    Py_XDECREF(args);
    return task;
}

/* Calls call_soon with `count` arguments and the context behind them; the loop stands before them.
 * 0, or -1 with an exception. */
static int schedule(const struct tasks *tasks, PyObject *const *args, size_t count) {
    PyObject *handle =
        PyObject_VectorcallMethod(tasks->call_soon, args, count, tasks->context_name);
    Py_XDECREF(handle);
    return handle ? 0 : -1;
}

static int call_soon(void *arg, PyObject *callback, PyObject *argument, PyObject *context) {
    const struct tasks *tasks = arg;
    PyObject *const args[] = {tasks->loop, callback, argument, context};
    return schedule(tasks, args, 3);
}

static PyObject *begin_later(const struct tasks *tasks, PyObject *coroutine) {
    return new_task(tasks, coroutine, tasks->words);
}

/* --- a task's first step --- */

#if PY_VERSION_HEX >= 0x030c0000

static int add_words(struct tasks *tasks) {
    tasks->eager_words = PyDict_Copy(tasks->words);
    return tasks->eager_words ? PyDict_SetItemString(tasks->eager_words, "eager_start", Py_True)
                              : -1;
}

static PyObject *begin_here(const struct tasks *tasks, PyObject *coroutine) {
    return new_task(tasks, coroutine, tasks->eager_words);
}

/* Any running loop of asyncio's kind has them. */
static bool is_eager(const struct tasks *tasks) {
    return !tasks->host || !tasks->host->nested;
}

#else

/* A name of its own would be formatted for each task (CPython 3.12 leaves that until it is asked
 * for): 1,450 instructions of a request (bench/instructions.py). */
static int add_words(struct tasks *tasks) {
    PyObject *name = PyUnicode_InternFromString("request");
    int result = name ? PyDict_SetItemString(tasks->words, "name", name) : -1;
    Py_XDECREF(name);
    return result;
}

/* Is `step` a step of `task`? Something else may have called call_soon while the task was made: a
 * finalizer, if the memory that it took set off the garbage collector. False with an exception
 * where that cannot be said. */
static bool is_step_of(const struct tasks *tasks, PyObject *step, PyObject *task) {
    PyObject *owner = PyObject_GetAttr(step, tasks->self_name);
    if (!owner && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear(); /* any callable */
    }
    Py_XDECREF(owner);
    return owner == task;
}

/* Carries out the step that was caught. 0, or -1 with SystemExit or KeyboardInterrupt: the task
 * keeps all others. */
static int run_step(PyObject *step, PyObject *context) {
    if (PyContext_Enter(context) < 0) {
        return -1;
    }
    PyObject *done = PyObject_CallNoArgs(step);
    PyObject *raised = done ? NULL : py_take_exception();
    int result = PyContext_Exit(context);
    Py_XDECREF(done);
    if (raised) {
        PyErr_Clear();
        py_give_exception(raised); /* steals */
        result = -1;
    }
    return result;
}

static int carry_out(const struct tasks *tasks, PyObject *task, PyObject *step, PyObject *context) {
    if (is_step_of(tasks, step, task)) {
        return run_step(step, context);
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    PyObject *const args[] = {tasks->loop, step, context}; /* not ours: it is scheduled after all */
    return schedule(tasks, args, 2);
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
    if (step && task && carry_out(tasks, task, step, context) < 0) {
        Py_CLEAR(task);
    }
    Py_XDECREF(step);
    Py_XDECREF(context);
    return task;
}

static bool is_eager(const struct tasks *tasks) {
    return tasks->host && !tasks->host->nested;
}

#endif

static PyObject *begin(void *arg, PyObject *coroutine) {
    const struct tasks *tasks = arg;
    if (tasks->create_task) {
        return PyObject_CallOneArg(tasks->create_task, coroutine);
    }
    return is_eager(tasks) ? begin_here(tasks, coroutine) : begin_later(tasks, coroutine);
}

/* --- life --- */

/* A task factory that the loop has makes the tasks. 0, or -1 with an exception. */
static int respect_factory(struct tasks *tasks) {
    PyObject *factory = PyObject_CallMethod(tasks->loop, "get_task_factory", NULL);
    if (factory && factory != Py_None) {
        tasks->create_task = PyObject_GetAttrString(tasks->loop, "create_task");
    }
    Py_XDECREF(factory);
    return PyErr_Occurred() ? -1 : 0;
}

int tasks_init(struct tasks *tasks, const struct asyncio *asyncio, PyTypeObject *loop_type,
               PyObject *loop) {
    tasks->loop = Py_NewRef(loop);
    if (PyObject_TypeCheck(loop, loop_type)) {
        tasks->host = (struct py_loop *)(void *)loop;
    }
    tasks->task = Py_NewRef(asyncio->task);
    tasks->words = Py_BuildValue("{sO}", "loop", loop);
    tasks->self_name = tasks->words ? PyUnicode_InternFromString("__self__") : NULL;
    tasks->call_soon = tasks->self_name ? PyUnicode_InternFromString("call_soon") : NULL;
    tasks->context_name = tasks->call_soon ? Py_BuildValue("(s)", "context") : NULL;
    return tasks->context_name && add_words(tasks) == 0 ? respect_factory(tasks) : -1;
}

void tasks_release(struct tasks *tasks) {
    tasks->host = NULL;
    Py_CLEAR(tasks->task);
    Py_CLEAR(tasks->words);
    Py_CLEAR(tasks->eager_words);
    Py_CLEAR(tasks->self_name);
    Py_CLEAR(tasks->call_soon);
    Py_CLEAR(tasks->context_name);
    Py_CLEAR(tasks->create_task);
    Py_CLEAR(tasks->loop);
}

int tasks_traverse(const struct tasks *tasks, visitproc visit, void *arg) {
    Py_VISIT(tasks->loop);
    Py_VISIT(tasks->words);
    Py_VISIT(tasks->eager_words);
    Py_VISIT(tasks->create_task);
    return 0;
}

struct asgi_tasks tasks_table(struct tasks *tasks) {
    return (struct asgi_tasks){
        .begin = begin, .call_soon = call_soon, .loop = tasks->loop, .arg = tasks};
}
