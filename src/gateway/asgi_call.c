/* See asgi_call.h. */
#include "gateway/asgi_call.h"

#include <structmember.h>

#include "gateway/asgi_awaitable.h"
#include "gateway/py_coroutine.h"
#include "gateway/py_log.h"

#include "base/banned.h"

static struct asgi_call *own(PyObject *self) {
    return (struct asgi_call *)(void *)self;
}

static PyObject *as_object(struct asgi_call *call) {
    return (PyObject *)call;
}

static struct asgi_call *receiver_of(PyObject *channel) {
    return LIST_OWNER(channel, struct asgi_call, receive);
}

static struct asgi_call *sender_of(PyObject *channel) {
    return LIST_OWNER(channel, struct asgi_call, send);
}

/* --- receive and send --- */

/* Either of them. Their memory is the call's, to which each holds a reference while it is alive. */
static PyObject *channel_init(struct asgi_channel *self, PyTypeObject *type, struct asgi_call *call,
                              vectorcallfunc function) {
    self->vectorcall = function;
    Py_INCREF(as_object(call));
    return PyObject_Init((PyObject *)self, type);
}

static void receive_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    Py_DECREF(as_object(receiver_of(self)));
    Py_DECREF(type);
}

static void send_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    Py_DECREF(as_object(sender_of(self)));
    Py_DECREF(type);
}

static PyObject *receive_message(PyObject *self, PyObject *const *args, size_t flagged,
                                 PyObject *kwnames) {
    struct asgi_call *call = receiver_of(self);
    (void)args;
    if (PyVectorcall_NARGS(flagged) != 0 || (kwnames && PyTuple_GET_SIZE(kwnames) > 0)) {
        PyErr_SetString(PyExc_TypeError, "receive() takes no arguments");
        return NULL;
    }
    return asgi_wait_new(call->wait_type, call, ASGI_WAIT_RECEIVE, false);
}

static PyObject *send_message(PyObject *self, PyObject *const *args, size_t flagged,
                              PyObject *kwnames) {
    struct asgi_call *call = sender_of(self);
    Py_ssize_t named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    if (PyVectorcall_NARGS(flagged) + named != 1 ||
        (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "message") != 0)) {
        PyErr_SetString(PyExc_TypeError, "send() takes one argument, the message");
        return NULL;
    }
    if (!PyDict_Check(args[0])) {
        return PyErr_Format(PyExc_TypeError, "send() takes a dict, not %.200s",
                            Py_TYPE(args[0])->tp_name);
    }
    if (call->reading) {
        PyErr_SetString(PyExc_RuntimeError, "send() called while it reads another message");
        return NULL;
    }
    call->reading = true;
    PyObject *result = call->kind->send(call, args[0]);
    call->reading = false;
    return result;
}

static PyMemberDef channel_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct asgi_channel, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject *channel_type(PyObject *module, const char *name, destructor dealloc) {
    PyType_Slot slots[] = {
        {Py_tp_doc, PyDoc_STR("The receive or send of one call of an ASGI application.")},
        {Py_tp_call, PyVectorcall_Call},
        {Py_tp_dealloc, dealloc},
        {Py_tp_members, channel_members},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = name,
        .basicsize = sizeof(struct asgi_channel),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE |
                 Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

PyTypeObject *asgi_receive_type(PyObject *module) {
    return channel_type(module, "freastal._core.Receive", receive_dealloc);
}

PyTypeObject *asgi_send_type(PyObject *module) {
    return channel_type(module, "freastal._core.Send", send_dealloc);
}

/* --- ends --- */

void asgi_call_part(struct asgi_call *call) {
    if (call->exchange) {
        call->exchange->job = NULL;
        call->exchange = NULL;
    }
    asgi_wake(call, ASGI_WAIT_RECEIVE);
    asgi_wake(call, ASGI_WAIT_SEND);
}

/* The application has returned, or its worker goes: nothing holds the call any more. */
static void end(struct asgi_call *call, bool failed) {
    struct asgi *asgi = call->asgi;
    PyObject *coroutine = call->coroutine;
    if (!asgi) {
        return;
    }
    call->kind->finish(call, failed);
    asgi_call_part(call);
    asgi_response_clear(call);
    call->kind->clear(call);
    list_remove(&call->link);
    asgi->calls--;
    call->asgi = NULL;
    call->coroutine = NULL;
    Py_CLEAR(call->scope);
    Py_CLEAR(call->task);
    Py_XDECREF(coroutine);
    Py_DECREF(as_object(call)); /* the live list's */
}

/* An exception has left the application. True where it must go on to the task. */
static bool end_failed(struct asgi_call *call) {
    struct asgi *asgi = call->asgi;
    PyObject *exception = py_take_exception();
    bool cancelled = PyErr_GivenExceptionMatches(exception, asgi->cancelled);
    bool left = PyErr_GivenExceptionMatches(exception, asgi->types.disconnected);
    if (!cancelled && !left) {
        py_give_exception(exception); /* steals */
        exception = NULL;
        py_log_exception(asgi->logger, "exception in the ASGI application (%s)", call->kind->name);
    } else if (cancelled && call->exchange) {
        py_log(asgi->logger, "warning",
               "the ASGI application (%s) was cancelled before its response was complete",
               call->kind->name);
    }
    end(call, true);
    if (cancelled) {
        py_give_exception(exception); /* steals */
        return true;
    }
    Py_XDECREF(exception);
    return false;
}

void asgi_call_abandon(struct asgi_call *call) {
    PyObject *held = Py_NewRef(as_object(call));
    PyObject *coroutine = Py_XNewRef(call->coroutine);
    end(call, true);
    if (coroutine && !call->running) { /* CPython 3.11 may crash where a running one is closed */
        PyObject *closed = PyObject_CallMethod(coroutine, "close", NULL);
        if (!closed) {
            PyErr_WriteUnraisable(coroutine);
        }
        Py_XDECREF(closed);
    }
    Py_XDECREF(coroutine);
    Py_DECREF(held);
}

/* --- the coroutine --- */

/* What a coroutine is awaited by: itself, or what its __await__ gives. [steals awaitable] [new]
 * NULL with an exception. */
static PyObject *iterator_of(PyObject *awaitable) {
    PyAsyncMethods *methods;
    if (PyCoro_CheckExact(awaitable)) {
        return awaitable;
    }
    methods = Py_TYPE(awaitable)->tp_as_async;
    PyObject *iterator = NULL;
    if (methods && methods->am_await) {
        iterator = methods->am_await(awaitable);
    } else {
        PyErr_Format(PyExc_TypeError,
                     "the application returned %.200s: an ASGI 3 application returns a coroutine",
                     Py_TYPE(awaitable)->tp_name);
    }
    Py_DECREF(awaitable);
    return iterator;
}

/* 0, or -1 with an exception. */
static int check_alive(const struct asgi_call *call) {
    if (!call->asgi) {
        PyErr_SetString(PyExc_RuntimeError, "the call of the application is over");
        return -1;
    }
    return 0;
}

/* As a coroutine's own. 0, or -1 with an exception. */
static int check_not_running(const struct asgi_call *call) {
    if (call->running) {
        PyErr_SetString(PyExc_ValueError, "the call of the application is running already");
        return -1;
    }
    return 0;
}

/* May a step begin? 0, or -1 with an exception. */
static int check_waiting(const struct asgi_call *call) {
    return check_not_running(call) < 0 ? -1 : check_alive(call);
}

/* Calls the application, in the task's first step. 0, or -1 with an exception. */
static int begin(struct asgi_call *call) {
    struct asgi_types *types = &call->asgi->types;
    PyObject *scope = call->scope;
    PyObject *receiver = channel_init(&call->receive, types->receive, call, receive_message);
    PyObject *sender = channel_init(&call->send, types->send, call, send_message);
    PyObject *app = Py_NewRef(call->asgi->app);
    PyObject *args[4] = {NULL, scope, receiver, sender};
    call->scope = NULL;
    PyObject *awaitable =
        PyObject_Vectorcall(app, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    PyObject *iterator = awaitable ? iterator_of(awaitable) : NULL;
    if (iterator && check_alive(call) < 0) { /* it has closed its worker */
        Py_CLEAR(iterator);
    }
    call->coroutine = iterator;
    Py_DECREF(app);
    Py_DECREF(scope);
    Py_DECREF(sender);
    Py_DECREF(receiver);
    return call->coroutine ? 0 : -1;
}

static PySendResult call_send(PyObject *self, PyObject *arg, PyObject **result) {
    struct asgi_call *call = own(self);
    PySendResult sent = PYGEN_ERROR;
    *result = NULL;
    if (check_waiting(call) < 0) {
        return PYGEN_ERROR;
    }
    Py_INCREF(self);
    call->running = true;
    if (call->coroutine || begin(call) == 0) {
        PyObject *coroutine = Py_NewRef(call->coroutine);
        sent = PyIter_Send(coroutine, arg, result);
        Py_DECREF(coroutine);
    }
    call->running = false;
    if (sent == PYGEN_RETURN) {
        Py_SETREF(*result, Py_NewRef(Py_None));
        end(call, false);
    } else if (sent == PYGEN_ERROR && call->asgi && !end_failed(call)) {
        *result = Py_NewRef(Py_None);
        sent = PYGEN_RETURN;
    }
    Py_DECREF(self);
    return sent;
}

static PyObject *call_method_send(PyObject *self, PyObject *arg) {
    PyObject *value;
    PySendResult sent = call_send(self, arg, &value);
    return py_coroutine_result(sent, value);
}

static PyObject *call_next(PyObject *self) {
    return call_method_send(self, Py_None);
}

static PyObject *call_throw(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    struct asgi_call *call = own(self);
    PyObject *result = NULL;
    if (check_waiting(call) < 0) {
        return NULL;
    }
    Py_INCREF(self);
    call->running = true;
    if (call->coroutine) {
        PyObject *coroutine = Py_NewRef(call->coroutine);
        result = py_coroutine_throw(coroutine, args, count);
        Py_DECREF(coroutine);
    } else {
        py_coroutine_raise(args, count); /* before the first step */
    }
    call->running = false;
    if (!result && call->asgi) {
        PyObject *value = py_coroutine_take_value();
        if (value) {
            Py_DECREF(value);
            end(call, false);
            PyErr_SetNone(PyExc_StopIteration);
        } else if (!end_failed(call)) {
            PyErr_SetNone(PyExc_StopIteration);
        }
    }
    Py_DECREF(self);
    return result;
}

static PyObject *call_close(PyObject *self, PyObject *unused) {
    (void)unused;
    if (check_not_running(own(self)) < 0) {
        return NULL;
    }
    if (own(self)->asgi) {
        asgi_call_abandon(own(self));
    }
    Py_RETURN_NONE;
}

/* cr_frame and the like, for whoever shows where a task stands. */
static PyObject *call_get(PyObject *self, void *name) {
    PyObject *coroutine = own(self)->coroutine;
    if (!coroutine) {
        Py_RETURN_NONE;
    }
    return PyObject_GetAttrString(coroutine, name);
}

/* --- the type --- */

static void call_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    Py_DECREF((PyObject *)own(self)->wait_type);
    Py_DECREF(own(self)->disconnected);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef call_methods[] = {
    {"send", call_method_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))call_throw, METH_FASTCALL, NULL},
    {"close", call_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef call_getset[] = {
    {"cr_frame", call_get, NULL, NULL, "cr_frame"},
    {"cr_await", call_get, NULL, NULL, "cr_await"},
    {"cr_code", call_get, NULL, NULL, "cr_code"},
    {"cr_suspended", call_get, NULL, NULL, "cr_suspended"}, /* CPython 3.11 */
    {"cr_running", call_get, NULL, NULL, "cr_running"},
    {"cr_origin", call_get, NULL, NULL, "cr_origin"},
    {"__name__", call_get, NULL, NULL, "__name__"},
    {"__qualname__", call_get, NULL, NULL, "__qualname__"},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_doc, PyDoc_STR("The coroutine that runs one call of an ASGI application.")},
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_iternext, call_next},
    {Py_tp_methods, call_methods},
    {Py_tp_getset, call_getset},
    {Py_am_await, py_coroutine_await},
    {Py_am_send, call_send},
    {0, NULL},
};

static PyType_Spec call_spec = {
    .name = "freastal._core.Call",
    .basicsize = sizeof(struct asgi_call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = call_slots,
};

PyTypeObject *asgi_call_type(PyObject *module) {
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &call_spec, NULL);
}

/* --- life --- */

struct asgi_call *asgi_call_new(struct asgi *asgi, const struct asgi_kind *kind,
                                struct exchange *exchange, PyObject *scope) {
    struct asgi_call *call = PyObject_New(struct asgi_call, asgi->types.call);
    if (!call) {
        Py_DECREF(scope);
        return NULL;
    }
    memset((char *)call + sizeof(PyObject), 0, sizeof(*call) - sizeof(PyObject));
    call->asgi = asgi;
    call->kind = kind;
    call->exchange = exchange;
    call->scope = scope;
    call->wait_type = (PyTypeObject *)Py_NewRef((PyObject *)asgi->types.wait);
    call->disconnected = Py_NewRef(asgi->types.disconnected);
    list_init(&call->waits[ASGI_WAIT_RECEIVE]);
    list_init(&call->waits[ASGI_WAIT_SEND]);
    list_append(&asgi->live, &call->link);
    asgi->calls++;
    exchange->job = call;
    return call;
}

void asgi_call_begin(struct asgi_call *call) {
    struct asgi *asgi = call->asgi;
    PyObject *held = Py_NewRef(as_object(call));
    PyObject *task = asgi->tasks.begin(asgi->tasks.arg, held);
    if (!task) {
        py_log_exception(asgi->logger, "cannot begin a task for the application");
        if (call->asgi) {
            end(call, true);
        }
    } else if (call->asgi) {
        call->task = task;
    } else {
        Py_DECREF(task);
    }
    Py_DECREF(held);
}

PyObject *asgi_call_disconnected(const struct asgi_call *call) {
    PyErr_SetString(call->disconnected, "the client has left: nothing can be sent any more");
    return NULL;
}

PyObject *asgi_call_done(const struct asgi_call *call) {
    return Py_NewRef(call->asgi->done);
}
