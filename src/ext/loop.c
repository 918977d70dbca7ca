/* The type Loop; see loop.h. */
#include "ext/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ext/state.h"

#include "base/banned.h"

/* Longer waits are as good as endless ones, and fit libuv's milliseconds. */
static const double LONGEST_S = 1e9;

/* Arguments of call_soon and call_at that need no memory from the heap. */
enum { FEW = 8 };

/* A descriptor that libuv watches for the loop's own sake; freed when libuv has let it go. */
struct fd_watch {
    uv_poll_t poll;
    struct py_loop *loop;
};

/* --- what the floors below call --- */

void py_loop_enter(struct py_loop *self) {
    PyEval_RestoreThread(self->thread);
}

void py_loop_leave(struct py_loop *self) {
    self->thread = PyEval_SaveThread();
}

static void enter(void *arg) {
    py_loop_enter(arg);
}

static void leave(void *arg) {
    py_loop_leave(arg);
}

static void stir(void *arg) {
    struct py_loop *self = arg;
    PyObject *raised = py_take_exception(); /* of whoever has put something out */
    PyObject *done = PyObject_CallNoArgs(self->on_stir);
    if (!done) {
        PyErr_WriteUnraisable(self->on_stir);
    }
    Py_XDECREF(done);
    if (raised) {
        py_give_exception(raised); /* steals */
    }
}

void py_loop_stir(struct py_loop *self) {
    loop_stir(&self->loop);
}

static void on_time_over(uv_timer_t *timer) {
    struct py_loop *self = timer->data;
    self->news = true;
    loop_end_wait(&self->loop);
}

static void on_watched(uv_poll_t *poll, int status, int events) {
    struct fd_watch *watch = poll->data;
    (void)status;
    (void)events;
    watch->loop->readable = true;
    watch->loop->news = true;
}

/* Takes the bytes of signals out of the pipe. False where it is at its end. */
static bool take_signals(struct py_loop *self, int fd) {
    char bytes[64];
    ssize_t got;
    while ((got = read(fd, bytes, sizeof(bytes))) > 0) {
        if (self->forward_fd >= 0 && write(self->forward_fd, bytes, (size_t)got) < 0) {
            continue; /* full: whoever reads it has been woken already */
        }
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR);
}

static void on_signals(uv_poll_t *poll, int status, int events) {
    struct fd_watch *watch = poll->data;
    struct py_loop *self = watch->loop;
    uv_os_fd_t fd;
    (void)events;
    if (status < 0 || uv_fileno((uv_handle_t *)poll, &fd) < 0 || !take_signals(self, fd)) {
        uv_poll_stop(poll);
    }
    self->signalled = true;
    self->news = true;
}

/* --- making and freeing --- */

static void free_watch(uv_handle_t *handle) {
    free(handle->data);
}

static void drop_watch(struct fd_watch **watch) {
    if (*watch) {
        uv_close((uv_handle_t *)&(*watch)->poll, free_watch);
        *watch = NULL;
    }
}

/* [gives] a watch for readability; NULL with an exception. */
static struct fd_watch *watch_fd(struct py_loop *self, int fd, uv_poll_cb callback) {
    struct fd_watch *watch = malloc(sizeof(*watch));
    if (!watch) {
        PyErr_NoMemory();
        return NULL;
    }
    watch->loop = self;
    int err = uv_poll_init(&self->loop.uv, &watch->poll, fd);
    if (err) {
        free(watch);
    } else {
        watch->poll.data = watch;
        err = uv_poll_start(&watch->poll, UV_READABLE, callback);
        if (err) {
            drop_watch(&watch);
        }
    }
    if (err) {
        PyErr_Format(PyExc_OSError, "descriptor %d cannot be watched: %s", fd, uv_strerror(err));
        return NULL;
    }
    return watch;
}

int py_loop_make(struct py_loop *self) {
    if (self->life == PY_LOOP_MADE) {
        return 0;
    }
    if (self->life == PY_LOOP_RELEASED) {
        PyErr_SetString(PyExc_RuntimeError, "the loop has been released");
        return -1;
    }
    int err = loop_init(&self->loop, (struct loop_hooks){enter, leave, self});
    if (err) {
        PyErr_Format(PyExc_OSError, "the loop cannot be made: %s", uv_strerror(err));
        return -1;
    }
    uv_timer_init(&self->loop.uv, &self->timer);
    self->timer.data = self;
    self->pid = getpid();
    self->ident = PyThread_get_thread_ident();
    self->life = PY_LOOP_MADE;
    return 0;
}

static void close_signal_fd(struct py_loop *self) {
    if (self->signal_fd >= 0) {
        close(self->signal_fd);
        self->signal_fd = -1;
    }
}

/* The reading end of signal_fd() is nobody else's. */
static void close_signals(struct py_loop *self) {
    uv_os_fd_t fd = -1;
    if (self->signals && self->signal_fd >= 0) {
        uv_fileno((uv_handle_t *)&self->signals->poll, &fd);
    }
    drop_watch(&self->signals);
    close_signal_fd(self);
    if (fd >= 0) {
        close(fd);
    }
}

static void release(struct py_loop *self) {
    if (self->life == PY_LOOP_MADE && !py_loop_is_inherited(self)) {
        drop_watch(&self->watched);
        close_signals(self);
        uv_close((uv_handle_t *)&self->timer, NULL);
        py_loop_leave(self);
        loop_release(&self->loop);
        py_loop_enter(self);
    }
    self->life = PY_LOOP_RELEASED;
    Py_CLEAR(self->on_stir);
}

bool py_loop_is_mine(const struct py_loop *self) {
    return self->ident == PyThread_get_thread_ident();
}

bool py_loop_is_inherited(const struct py_loop *self) {
    return self->pid != getpid();
}

int py_loop_watch_signals(struct py_loop *self, int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    self->signals = watch_fd(self, fd, on_signals);
    return self->signals ? 0 : -1;
}

/* --- residents --- */

static void hold(struct resident *resident) {
    resident->held = true;
    Py_INCREF(resident->owner);
}

void py_loop_join(struct py_loop *self, struct resident *resident) {
    list_append(&self->residents, &resident->link);
    if (self->turning) {
        hold(resident);
    }
    py_loop_stir(self); /* what it polls is not known to the kernel before */
}

void py_loop_part(struct py_loop *self, struct resident *resident) {
    (void)self;
    list_remove(&resident->link);
}

static struct resident *resident_of(struct list *node) {
    return LIST_OWNER(node, struct resident, link);
}

static void hold_residents(struct py_loop *self) {
    struct list *all = &self->residents;
    for (struct list *node = all->next; node != all; node = node->next) {
        hold(resident_of(node));
    }
}

/* Without the GIL. */
static struct resident *first_over(struct py_loop *self) {
    struct list *all = &self->residents;
    for (struct list *node = all->next; node != all; node = node->next) {
        struct resident *resident = resident_of(node);
        if (resident->leaving && resident->is_over(resident)) {
            return resident;
        }
    }
    return NULL;
}

/* Tells residents that they are over, and lets go of all. Either may change the list. */
static void let_residents_go(struct py_loop *self) {
    struct resident *over;
    while ((over = first_over(self)) != NULL) {
        over->leaving = false;
        over->on_over(over);
    }
    struct list *all = &self->residents;
    struct list *node = all->next;
    while (node != all) {
        struct resident *resident = resident_of(node);
        node = node->next;
        if (resident->held) {
            resident->held = false;
            Py_DECREF(resident->owner);
            node = all->next;
        }
    }
}

/* --- the turn --- */

/* Rounded up to milliseconds, as selectors.EpollSelector does: never too early. */
static void set_timer(struct py_loop *self, double seconds) {
    uint64_t due = uv_hrtime() + (uint64_t)ceil(seconds * 1e9);
    uint64_t due_ms = (due + 999999) / 1000000;
    uv_update_time(&self->loop.uv);
    uint64_t now = uv_now(&self->loop.uv);
    uv_timer_start(&self->timer, on_time_over, due_ms > now ? due_ms - now : 0, 0);
}

/* Turns until there is news; `seconds`: at most, negative for ever, 0 once. */
static int turn(struct py_loop *self, double seconds) {
    bool wait = seconds != 0;
    bool timed = seconds > 0;
    self->news = false;
    self->readable = false;
    self->signalled = false;
    self->ident = PyThread_get_thread_ident();
    hold_residents(self);
    if (timed) {
        set_timer(self, seconds);
    }
    self->turning = true;
    py_loop_leave(self);
    do {
        loop_turn(&self->loop, wait);
    } while (wait && !self->news && !first_over(self));
    py_loop_enter(self);
    self->turning = false;
    if (timed) {
        uv_timer_stop(&self->timer);
    }
    let_residents_go(self);
    return self->signalled ? PyErr_CheckSignals() : 0;
}

int py_loop_turn(struct py_loop *self, bool wait) {
    return turn(self, wait ? -1 : 0);
}

/* --- methods --- */

/* 0 where the loop is made and its methods may be called; -1 with an exception. */
static int check_usable(struct py_loop *self) {
    if (py_loop_make(self) < 0) {
        return -1;
    }
    if (py_loop_is_inherited(self)) {
        PyErr_SetString(PyExc_RuntimeError, "the loop belongs to the parent process");
        return -1;
    }
    return 0;
}

static PyObject *method_turn(PyObject *object, PyObject *timeout) {
    struct py_loop *self = (struct py_loop *)object;
    double seconds = -1;
    if (timeout != Py_None) {
        seconds = PyFloat_AsDouble(timeout);
        if (seconds == -1.0 && PyErr_Occurred()) {
            return NULL;
        }
        seconds = seconds > 0 ? seconds : 0;
        seconds = seconds < LONGEST_S ? seconds : LONGEST_S;
    }
    if (self->life != PY_LOOP_MADE && py_loop_make(self) < 0) {
        return NULL;
    }
    if (self->turning) {
        PyErr_SetString(PyExc_RuntimeError, "the loop is being turned already");
        return NULL;
    }
    return turn(self, seconds) < 0 ? NULL : PyBool_FromLong(self->readable);
}

static PyObject *method_watch(PyObject *object, PyObject *argument) {
    struct py_loop *self = (struct py_loop *)object;
    int fd = PyObject_AsFileDescriptor(argument);
    if (fd < 0 || check_usable(self) < 0) {
        return NULL;
    }
    drop_watch(&self->watched);
    self->watched = watch_fd(self, fd, on_watched);
    if (!self->watched) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *method_unwatch(PyObject *object, PyObject *unused) {
    struct py_loop *self = (struct py_loop *)object;
    (void)unused;
    if (self->life == PY_LOOP_MADE && !py_loop_is_inherited(self)) {
        drop_watch(&self->watched);
    }
    Py_RETURN_NONE;
}

/* 0, or -1 with an exception. */
static int make_signal_fd(struct py_loop *self) {
    uv_file ends[2];
    int err = uv_pipe(ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE);
    if (err) {
        PyErr_SetString(PyExc_OSError, uv_strerror(err));
        return -1;
    }
    if (py_loop_watch_signals(self, ends[0]) < 0) {
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    self->signal_fd = ends[1];
    return 0;
}

static PyObject *method_signal_fd(PyObject *object, PyObject *unused) {
    struct py_loop *self = (struct py_loop *)object;
    (void)unused;
    if (py_loop_make(self) < 0) {
        return NULL;
    }
    if (py_loop_is_inherited(self)) {
        return PyLong_FromLong(-1);
    }
    if (self->signal_fd < 0 && make_signal_fd(self) < 0) {
        return NULL;
    }
    return PyLong_FromLong(self->signal_fd);
}

static PyObject *method_forward_signals(PyObject *object, PyObject *to) {
    struct py_loop *self = (struct py_loop *)object;
    long fd = PyLong_AsLong(to);
    if (fd == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (fd < -1 || fd > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "fd is %ld: allowed is a descriptor, or -1 for none", fd);
        return NULL;
    }
    if (py_loop_is_inherited(self)) {
        Py_RETURN_NONE;
    }
    self->forward_fd = fd == self->signal_fd ? -1 : (int)fd;
    uv_os_fd_t from;
    if (self->signals && uv_fileno((uv_handle_t *)&self->signals->poll, &from) == 0) {
        take_signals(self, from);
    }
    Py_RETURN_NONE;
}

static PyObject *method_backend_fd(PyObject *object, PyObject *unused) {
    struct py_loop *self = (struct py_loop *)object;
    (void)unused;
    if (check_usable(self) < 0) {
        return NULL;
    }
    return PyLong_FromLong(uv_backend_fd(&self->loop.uv));
}

static PyObject *method_backend_timeout(PyObject *object, PyObject *unused) {
    struct py_loop *self = (struct py_loop *)object;
    (void)unused;
    if (check_usable(self) < 0) {
        return NULL;
    }
    int ms = loop_busy(&self->loop) ? 0 : uv_backend_timeout(&self->loop.uv);
    if (ms < 0) {
        Py_RETURN_NONE;
    }
    return PyFloat_FromDouble(ms / 1e3);
}

static PyObject *method_on_stir(PyObject *object, PyObject *callback) {
    struct py_loop *self = (struct py_loop *)object;
    if (check_usable(self) < 0) {
        return NULL;
    }
    bool wanted = callback != Py_None;
    loop_on_stir(&self->loop, wanted ? stir : NULL);
    if (wanted) {
        Py_INCREF(callback);
    }
    Py_XSETREF(self->on_stir, wanted ? callback : NULL);
    Py_RETURN_NONE;
}

static PyObject *method_release(PyObject *object, PyObject *unused) {
    struct py_loop *self = (struct py_loop *)object;
    (void)unused;
    if (self->turning || !list_empty(&self->residents)) {
        PyErr_SetString(PyExc_RuntimeError, self->turning ? "the loop is being turned"
                                                          : "a Worker is still on the loop");
        return NULL;
    }
    release(self);
    Py_RETURN_NONE;
}

/* [new] BaseEventLoop's method called with the same arguments. */
static PyObject *call_base(PyObject *object, PyObject *method, PyObject *const *args,
                           Py_ssize_t count, PyObject *names) {
    PyObject *few[FEW];
    size_t all = (size_t)count + (names ? (size_t)PyTuple_GET_SIZE(names) : 0);
    PyObject **stack = all < FEW ? few : PyMem_New(PyObject *, all + 1);
    if (!stack) {
        return PyErr_NoMemory();
    }
    stack[0] = object;
    if (all > 0) {
        memcpy(stack + 1, args, all * sizeof(*args));
    }
    PyObject *result = PyObject_Vectorcall(method, stack, (size_t)count + 1, names);
    if (stack != few) {
        PyMem_Free(stack);
    }
    return result;
}

/* [borrowed] asyncio's names; NULL with an exception. asyncio has been imported: the object is an
 * event loop. */
static struct asyncio *names_of(PyTypeObject *type) {
    struct state *state = PyType_GetModuleState(type);
    return asyncio_load(&state->asyncio) < 0 ? NULL : &state->asyncio;
}

static PyObject *method_call_soon(PyObject *object, PyTypeObject *type, PyObject *const *args,
                                  Py_ssize_t count, PyObject *names) {
    struct py_loop *self = (struct py_loop *)object;
    if (self->catching && count == 1 && names && PyTuple_GET_SIZE(names) == 1) {
        self->catching = false;
        self->caught = Py_NewRef(args[0]);
        self->caught_context = Py_NewRef(args[1]);
        Py_RETURN_NONE;
    }
    self->news = true;
    struct asyncio *asyncio = names_of(type);
    return asyncio ? call_base(object, asyncio->call_soon, args, count, names) : NULL;
}

static PyObject *method_call_at(PyObject *object, PyTypeObject *type, PyObject *const *args,
                                Py_ssize_t count, PyObject *names) {
    ((struct py_loop *)object)->news = true;
    struct asyncio *asyncio = names_of(type);
    return asyncio ? call_base(object, asyncio->call_at, args, count, names) : NULL;
}

static PyObject *method_stop(PyObject *object, PyTypeObject *type, PyObject *const *args,
                             Py_ssize_t count, PyObject *names) {
    ((struct py_loop *)object)->news = true;
    struct asyncio *asyncio = names_of(type);
    return asyncio ? call_base(object, asyncio->stop, args, count, names) : NULL;
}

/* --- the type --- */

static PyObject *new (PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args;
    (void)kwargs;
    struct py_loop *self = (struct py_loop *)type->tp_alloc(type, 0); /* all zero */
    if (self) {
        self->signal_fd = -1;
        self->forward_fd = -1;
        list_init(&self->residents);
    }
    return (PyObject *)self;
}

static int traverse(PyObject *object, visitproc visit, void *arg) {
    struct py_loop *self = (struct py_loop *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->caught);
    Py_VISIT(self->caught_context);
    Py_VISIT(self->on_stir);
    return 0;
}

static int clear(PyObject *object) {
    struct py_loop *self = (struct py_loop *)object;
    if (self->on_stir) {
        loop_on_stir(&self->loop, NULL);
        Py_CLEAR(self->on_stir);
    }
    return 0;
}

static void dealloc(PyObject *object) {
    struct py_loop *self = (struct py_loop *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    release(self);
    Py_CLEAR(self->caught);
    Py_CLEAR(self->caught_context);
    type->tp_free(object);
    Py_DECREF(type);
}

#define FORWARDED(name, text)                                                                      \
    {                                                                                              \
#name, (PyCFunction)(void (*)(void))method_##name,                                         \
            METH_METHOD | METH_FASTCALL | METH_KEYWORDS, PyDoc_STR(text)                           \
    }

static PyMethodDef methods[] = {
    {"turn", method_turn, METH_O,
     PyDoc_STR("turn(timeout)\n--\n\nTurn the beats until asyncio has something to do.")},
    {"watch", method_watch, METH_O, PyDoc_STR("watch(fd)\n--\n\nWatch a descriptor for turn().")},
    {"unwatch", method_unwatch, METH_NOARGS, PyDoc_STR("unwatch()\n--\n\nTake watch() back.")},
    {"signal_fd", method_signal_fd, METH_NOARGS,
     PyDoc_STR("signal_fd()\n--\n\nA descriptor for signal.set_wakeup_fd().")},
    {"forward_signals", method_forward_signals, METH_O,
     PyDoc_STR("forward_signals(fd)\n--\n\nWho else is to get what signal_fd() gets.")},
    {"backend_fd", method_backend_fd, METH_NOARGS,
     PyDoc_STR("backend_fd()\n--\n\nReadable when a turn has something to do.")},
    {"backend_timeout", method_backend_timeout, METH_NOARGS,
     PyDoc_STR("backend_timeout()\n--\n\nSeconds until a turn is due, or None.")},
    {"on_stir", method_on_stir, METH_O,
     PyDoc_STR("on_stir(callback)\n--\n\nCall this when something needs a turn.")},
    {"release", method_release, METH_NOARGS, PyDoc_STR("release()\n--\n\nFree the loop.")},
    FORWARDED(call_soon, "As asyncio's."),
    FORWARDED(call_at, "As asyncio's."),
    FORWARDED(stop, "As asyncio's."),
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, PyDoc_STR("Loop()\n--\n\nA libuv loop that turns the three beats.")},
    {Py_tp_new, new},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "freastal._core.Loop",
    .basicsize = sizeof(struct py_loop),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *py_loop_type_new(PyObject *module) {
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
