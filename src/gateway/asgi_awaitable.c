/* See asgi_awaitable.h. */
#include "gateway/asgi_awaitable.h"

#include "gateway/asgi.h"
#include "gateway/asgi_call.h"
#include "gateway/py_coroutine.h"

#include "base/banned.h"

/* --- asgi_done --- */

static PySendResult done_send(PyObject *self, PyObject *arg, PyObject **result) {
    (void)self;
    (void)arg;
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

static PyObject *done_next(PyObject *self) {
    (void)self;
    return NULL; /* StopIteration with None */
}

static PyObject *done_method_send(PyObject *self, PyObject *arg) {
    (void)self;
    (void)arg;
    return py_coroutine_result(PYGEN_RETURN, Py_NewRef(Py_None));
}

static PyObject *done_throw(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)self;
    py_coroutine_raise(args, count);
    return NULL;
}

static PyObject *done_close(PyObject *self, PyObject *unused) {
    (void)self;
    (void)unused;
    Py_RETURN_NONE;
}

static void done_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef done_methods[] = {
    {"send", done_method_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))done_throw, METH_FASTCALL, NULL},
    {"close", done_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot done_slots[] = {
    {Py_tp_doc, PyDoc_STR("What an ASGI send() that need not wait returns.")},
    {Py_tp_dealloc, done_dealloc},
    {Py_tp_iternext, done_next},
    {Py_tp_methods, done_methods},
    {Py_am_await, py_coroutine_await},
    {Py_am_send, done_send},
    {0, NULL},
};

static PyType_Spec done_spec = {
    .name = "freastal._core.Done",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = done_slots,
};

PyTypeObject *asgi_done_type(PyObject *module) {
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &done_spec, NULL);
}

PyObject *asgi_done_new(PyTypeObject *type) {
    return type->tp_alloc(type, 0);
}

/* --- asgi_wait --- */

/*   FRESH     -> ASLEEP     what is waited for is not there
 *   ASLEEP    -> WOKEN      asgi_wake
 *   ASLEEP    -> CANCELLED  by its task
 *   WOKEN     -> ASLEEP     it is still not there
 *   any       -> OVER       it has given its value or an exception, or was closed */
enum wait_state { WAIT_FRESH, WAIT_ASLEEP, WAIT_WOKEN, WAIT_CANCELLED, WAIT_OVER };

/* No cycle that the garbage collector could free goes through it: while it sleeps, its call is
 * alive and will wake it; else it holds nothing but the call. */
struct asgi_wait {
    PyObject ob_base;
    struct asgi_call *call; /* owned */
    struct list link;       /* in the call's waits while it is ASLEEP */
    PyObject *callback;     /* owned: whom to tell that it sleeps no more; or NULL */
    union {
        PyObject *context; /* owned: of the callback; or NULL */
        PyObject *error;   /* owned, of CANCELLED: the CancelledError; or NULL */
    };
    uint8_t state; /* enum wait_state */
    uint8_t kind;  /* enum asgi_wait_kind */
    bool yields;   /* a bare yield is due */
    bool blocking; /* it was yielded, and its task has not seen it yet */
};

static struct asgi_wait *own(PyObject *self) {
    return (struct asgi_wait *)(void *)self;
}

static void finish(struct asgi_wait *self) {
    list_remove(&self->link);
    self->state = WAIT_OVER;
    Py_CLEAR(self->callback);
    Py_CLEAR(self->context);
}

/* Is it there? See asgi_ready_fn. */
static int ask(struct asgi_wait *self, PyObject **value) {
    const struct asgi_kind *kind = self->call->kind;
    return (self->kind == ASGI_WAIT_RECEIVE ? kind->receive : kind->drained)(self->call, value);
}

static void fall_asleep(struct asgi_wait *self) {
    self->state = WAIT_ASLEEP;
    self->blocking = true;
    list_append(&self->call->waits[self->kind], &self->link);
}

/* The callback is called soon, with this object, once. */
static void tell(struct asgi_wait *self) {
    const struct asgi_tasks *tasks = &self->call->asgi->tasks;
    PyObject *callback = self->callback;
    PyObject *context = self->context;
    self->callback = NULL;
    self->context = NULL;
    if (callback && tasks->call_soon(tasks->arg, callback, (PyObject *)self, context) < 0) {
        PyErr_WriteUnraisable(callback);
    }
    Py_XDECREF(callback);
    Py_XDECREF(context);
}

/* Sets the CancelledError. NULL, for the caller to return. */
static PyObject *raise_cancelled(const struct asgi_wait *self) {
    PyErr_SetObject((PyObject *)Py_TYPE(self->error), self->error);
    return NULL;
}

static PySendResult wait_send(PyObject *object, PyObject *arg, PyObject **result) {
    struct asgi_wait *self = own(object);
    int ready = -1;
    (void)arg;
    *result = NULL;
    if (self->yields && self->state == WAIT_FRESH) {
        self->yields = false;
        *result = Py_NewRef(Py_None);
        return PYGEN_NEXT;
    }
    if (self->state == WAIT_ASLEEP) { /* for another, who goes on waiting */
        PyErr_SetString(PyExc_RuntimeError, "this receive() or send() is being awaited already");
        return PYGEN_ERROR;
    }
    if (self->state == WAIT_OVER) {
        PyErr_SetString(PyExc_RuntimeError, "cannot await the same receive() or send() again");
    } else if (self->state == WAIT_CANCELLED) {
        raise_cancelled(self);
    } else {
        ready = ask(self, result);
    }
    if (ready == 0) {
        fall_asleep(self);
        *result = Py_NewRef(object);
        return PYGEN_NEXT;
    }
    finish(self);
    return ready > 0 ? PYGEN_RETURN : PYGEN_ERROR;
}

static PyObject *wait_method_send(PyObject *self, PyObject *arg) {
    PyObject *value;
    PySendResult sent = wait_send(self, arg, &value);
    return py_coroutine_result(sent, value);
}

static PyObject *wait_next(PyObject *self) {
    return wait_method_send(self, Py_None);
}

static PyObject *wait_throw(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    finish(own(object));
    py_coroutine_raise(args, count);
    return NULL;
}

static PyObject *wait_close(PyObject *object, PyObject *unused) {
    (void)unused;
    finish(own(object));
    Py_RETURN_NONE;
}

/* --- asgi_wait as the future that its task waits for --- */

/* None unless it sleeps or has slept for a task: to asyncio it is a future then, and before a
 * coroutine. */
static PyObject *get_blocking(PyObject *object, void *unused) {
    struct asgi_wait *self = own(object);
    (void)unused;
    if (self->state == WAIT_FRESH || self->state == WAIT_OVER) {
        Py_RETURN_NONE;
    }
    return PyBool_FromLong(self->blocking);
}

static int set_blocking(PyObject *object, PyObject *value, void *unused) {
    (void)unused;
    own(object)->blocking = value == Py_True;
    return 0;
}

/* The value of the one argument that is called `name`. [borrowed of args] NULL with an exception
 * where there are others. */
static PyObject *only_keyword(PyObject *const *args, PyObject *names, const char *name) {
    if (PyTuple_GET_SIZE(names) == 1 &&
        PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), name) == 0) {
        return args[0];
    }
    return PyErr_Format(PyExc_TypeError, "takes no keyword arguments but \"%s\"", name);
}

static PyObject *wait_add_done_callback(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                        PyObject *names) {
    struct asgi_wait *self = own(object);
    PyObject *context = names ? only_keyword(args + count, names, "context") : Py_None;
    if (!context) {
        return NULL;
    }
    if (count != 1 || self->callback || self->state != WAIT_ASLEEP) {
        PyErr_SetString(PyExc_RuntimeError, "only the task that awaits it may wait for it");
        return NULL;
    }
    context = context == Py_None ? PyContext_CopyCurrent() : Py_NewRef(context);
    if (!context) {
        return NULL;
    }
    self->callback = Py_NewRef(args[0]);
    self->context = context;
    Py_RETURN_NONE;
}

/* What Task.cancel does to the future that it waits for. */
static PyObject *wait_cancel(PyObject *object, PyObject *const *args, Py_ssize_t count,
                             PyObject *names) {
    struct asgi_wait *self = own(object);
    PyObject *message = count > 0 ? args[0] : Py_None;
    if (names && !(message = only_keyword(args + count, names, "msg"))) {
        return NULL;
    }
    if (self->state != WAIT_ASLEEP) {
        Py_RETURN_FALSE;
    }
    PyObject *type = self->call->asgi->cancelled;
    PyObject *error =
        message == Py_None ? PyObject_CallNoArgs(type) : PyObject_CallOneArg(type, message);
    if (!error) {
        return NULL;
    }
    list_remove(&self->link);
    self->state = WAIT_CANCELLED;
    tell(self);
    self->error = error;
    Py_RETURN_TRUE;
}

static PyObject *wait_result(PyObject *object, PyObject *unused) {
    struct asgi_wait *self = own(object);
    (void)unused;
    if (self->state == WAIT_CANCELLED) {
        return raise_cancelled(self);
    }
    Py_RETURN_NONE;
}

static PyObject *wait_done(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(own(object)->state != WAIT_ASLEEP);
}

static PyObject *wait_cancelled(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(own(object)->state == WAIT_CANCELLED);
}

static PyObject *wait_get_loop(PyObject *object, PyObject *unused) {
    struct asgi *asgi = own(object)->call->asgi;
    (void)unused;
    if (!asgi) {
        PyErr_SetString(PyExc_RuntimeError, "the call of the application is over");
        return NULL;
    }
    return Py_NewRef(asgi->tasks.loop);
}

/* --- its type --- */

static void wait_dealloc(PyObject *object) {
    struct asgi_wait *self = own(object);
    PyTypeObject *type = Py_TYPE(object);
    finish(self);
    Py_DECREF((PyObject *)self->call);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef wait_methods[] = {
    {"send", wait_method_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))wait_throw, METH_FASTCALL, NULL},
    {"close", wait_close, METH_NOARGS, NULL},
    {"add_done_callback", (PyCFunction)(void (*)(void))wait_add_done_callback,
     METH_FASTCALL | METH_KEYWORDS, NULL},
    {"cancel", (PyCFunction)(void (*)(void))wait_cancel, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"cancelled", wait_cancelled, METH_NOARGS, NULL},
    {"done", wait_done, METH_NOARGS, NULL},
    {"result", wait_result, METH_NOARGS, NULL},
    {"get_loop", wait_get_loop, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef wait_getset[] = {
    {"_asyncio_future_blocking", get_blocking, set_blocking, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot wait_slots[] = {
    {Py_tp_doc, PyDoc_STR("What an ASGI receive(), or a send() that waits, returns.")},
    {Py_tp_dealloc, wait_dealloc},
    {Py_tp_iternext, wait_next},
    {Py_tp_methods, wait_methods},
    {Py_tp_getset, wait_getset},
    {Py_am_await, py_coroutine_await},
    {Py_am_send, wait_send},
    {0, NULL},
};

static PyType_Spec wait_spec = {
    .name = "freastal._core.Wait",
    .basicsize = sizeof(struct asgi_wait),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = wait_slots,
};

PyTypeObject *asgi_wait_type(PyObject *module) {
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &wait_spec, NULL);
}

PyObject *asgi_wait_new(PyTypeObject *type, struct asgi_call *call, enum asgi_wait_kind kind,
                        bool yields) {
    struct asgi_wait *self = PyObject_New(struct asgi_wait, type);
    if (!self) {
        return NULL;
    }
    self->call = (struct asgi_call *)(void *)Py_NewRef((PyObject *)call);
    list_init(&self->link);
    self->callback = NULL;
    self->context = NULL;
    self->state = WAIT_FRESH;
    self->kind = (uint8_t)kind;
    self->yields = yields;
    self->blocking = false;
    return (PyObject *)self;
}

void asgi_wake(struct asgi_call *call, enum asgi_wait_kind kind) {
    struct list *node;
    while ((node = list_take(&call->waits[kind])) != NULL) {
        struct asgi_wait *wait = LIST_OWNER(node, struct asgi_wait, link);
        Py_INCREF((PyObject *)wait);
        wait->state = WAIT_WOKEN;
        tell(wait);
        Py_DECREF((PyObject *)wait);
    }
}
