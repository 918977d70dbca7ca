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

struct asgi_wait {
    PyObject ob_base;
    struct asgi_call *call; /* owned */
    asgi_ready_fn *ready;
    struct list *waits;
    struct list link;
    PyObject *future; /* owned, while it sleeps; or NULL */
    PyObject *sleep;  /* owned: the future's iterator */
    bool yields;      /* a bare yield is due */
    bool over;        /* it has given its value, or was closed */
};

static struct asgi_wait *own(PyObject *self) {
    return (struct asgi_wait *)(void *)self;
}

static void stop_sleeping(struct asgi_wait *self) {
    list_remove(&self->link);
    Py_CLEAR(self->sleep);
    Py_CLEAR(self->future);
}

static int fall_asleep(struct asgi_wait *self) {
    struct asgi_call *call = self->call;
    PyAsyncMethods *methods;
    self->future = call->asgi->tasks.future(call->asgi->tasks.arg);
    if (!self->future) {
        return -1;
    }
    methods = Py_TYPE(self->future)->tp_as_async;
    if (!methods || !methods->am_await) {
        PyErr_SetString(PyExc_TypeError, "the event loop's future cannot be awaited");
        return -1;
    }
    self->sleep = methods->am_await(self->future);
    if (!self->sleep) {
        return -1;
    }
    list_append(self->waits, &self->link);
    return 0;
}

static PySendResult wait_send(PyObject *object, PyObject *arg, PyObject **result) {
    struct asgi_wait *self = own(object);
    (void)arg;
    *result = NULL;
    if (self->over) {
        PyErr_SetString(PyExc_RuntimeError, "cannot await the same receive() or send() again");
        return PYGEN_ERROR;
    }
    if (self->yields) {
        self->yields = false;
        *result = Py_NewRef(Py_None);
        return PYGEN_NEXT;
    }
    for (;;) {
        if (!self->sleep) {
            int ready = self->ready(self->call, result);
            if (ready != 0 || fall_asleep(self) < 0) {
                stop_sleeping(self);
                self->over = true;
                return ready > 0 ? PYGEN_RETURN : PYGEN_ERROR;
            }
        }
        PySendResult sent = PyIter_Send(self->sleep, Py_None, result);
        if (sent == PYGEN_NEXT) {
            return PYGEN_NEXT;
        }
        stop_sleeping(self);
        if (sent == PYGEN_ERROR) {
            self->over = true;
            return PYGEN_ERROR;
        }
        Py_CLEAR(*result);
    }
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
    struct asgi_wait *self = own(object);
    PyObject *result = NULL;
    if (self->sleep) {
        PyObject *sleep = Py_NewRef(self->sleep);
        result = py_coroutine_throw(sleep, args, count);
        Py_DECREF(sleep);
    } else {
        py_coroutine_raise(args, count);
    }
    if (!result) {
        stop_sleeping(self);
        self->over = true;
    }
    return result;
}

static PyObject *wait_close(PyObject *object, PyObject *unused) {
    struct asgi_wait *self = own(object);
    (void)unused;
    stop_sleeping(self);
    self->over = true;
    Py_RETURN_NONE;
}

static int wait_traverse(PyObject *object, visitproc visit, void *arg) {
    struct asgi_wait *self = own(object);
    Py_VISIT(Py_TYPE(object));
    Py_VISIT((PyObject *)self->call);
    Py_VISIT(self->future);
    Py_VISIT(self->sleep);
    return 0;
}

/* The call stays: its list may still hold this object. */
static int wait_clear(PyObject *object) {
    stop_sleeping(own(object));
    return 0;
}

static void wait_dealloc(PyObject *object) {
    struct asgi_wait *self = own(object);
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    stop_sleeping(self);
    Py_CLEAR(self->call);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef wait_methods[] = {
    {"send", wait_method_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))wait_throw, METH_FASTCALL, NULL},
    {"close", wait_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot wait_slots[] = {
    {Py_tp_doc, PyDoc_STR("What an ASGI receive(), or a send() that waits, returns.")},
    {Py_tp_dealloc, wait_dealloc},
    {Py_tp_traverse, wait_traverse},
    {Py_tp_clear, wait_clear},
    {Py_tp_iternext, wait_next},
    {Py_tp_methods, wait_methods},
    {Py_am_await, py_coroutine_await},
    {Py_am_send, wait_send},
    {0, NULL},
};

static PyType_Spec wait_spec = {
    .name = "freastal._core.Wait",
    .basicsize = sizeof(struct asgi_wait),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = wait_slots,
};

PyTypeObject *asgi_wait_type(PyObject *module) {
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &wait_spec, NULL);
}

PyObject *asgi_wait_new(PyTypeObject *type, struct asgi_call *call, asgi_ready_fn *ready,
                        struct list *waits, bool yields) {
    struct asgi_wait *self = PyObject_GC_New(struct asgi_wait, type);
    if (!self) {
        return NULL;
    }
    self->call = (struct asgi_call *)(void *)Py_NewRef((PyObject *)call);
    self->ready = ready;
    self->waits = waits;
    list_init(&self->link);
    self->future = NULL;
    self->sleep = NULL;
    self->yields = yields;
    self->over = false;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

static void wake(const struct asgi_words *words, PyObject *future) {
    PyObject *done = PyObject_CallMethodNoArgs(future, words->done);
    /* A cancelled one is done: its task has not come to see it yet. */
    PyObject *set = done && !PyObject_IsTrue(done)
                        ? PyObject_CallMethodOneArg(future, words->set_result, Py_None)
                        : NULL;
    if (PyErr_Occurred()) {
        PyErr_WriteUnraisable(future);
    }
    Py_XDECREF(set);
    Py_XDECREF(done);
}

void asgi_wake(struct asgi_call *call, struct list *waits) {
    struct list *node;
    while ((node = list_take(waits)) != NULL) {
        struct asgi_wait *wait = LIST_OWNER(node, struct asgi_wait, link);
        PyObject *future = Py_NewRef(wait->future);
        wake(&call->asgi->words, future);
        Py_DECREF(future);
    }
}
