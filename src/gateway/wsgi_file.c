/* wsgi.file_wrapper; see wsgi_file.h. */
#include "gateway/wsgi_file.h"

#include <fcntl.h>
#include <structmember.h>
#include <sys/stat.h>

#include "base/banned.h"

enum { BLOCK = 8192 };

struct file {
    PyObject_HEAD PyObject *filelike;
    Py_ssize_t block;
};

static struct file *own(PyObject *self) {
    return (struct file *)(void *)self;
}

static PyObject *file_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"filelike", "blksize", NULL};
    PyObject *filelike;
    Py_ssize_t block = BLOCK;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|n:FileWrapper", keywords, &filelike,
                                     &block)) {
        return NULL;
    }
    if (block <= 0) {
        PyErr_Format(PyExc_ValueError, "blksize must be at least 1, not %zd", block);
        return NULL;
    }
    struct file *file = PyObject_GC_New(struct file, type);
    if (!file) {
        return NULL;
    }
    file->filelike = Py_NewRef(filelike);
    file->block = block;
    PyObject_GC_Track((PyObject *)file);
    return (PyObject *)file;
}

static int file_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(own(self)->filelike);
    return 0;
}

static int file_clear(PyObject *self) {
    Py_CLEAR(own(self)->filelike);
    return 0;
}

static void file_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    file_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *file_next(PyObject *self) {
    struct file *file = own(self);
    PyObject *data = PyObject_CallMethod(file->filelike, "read", "n", file->block);
    int more = data ? PyObject_IsTrue(data) : -1;
    if (more <= 0) {
        Py_CLEAR(data);
    }
    return data;
}

static PyObject *file_close(PyObject *self, PyObject *unused) {
    (void)unused;
    PyObject *close = PyObject_GetAttrString(own(self)->filelike, "close");
    if (!close && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    PyObject *done = close ? PyObject_CallNoArgs(close) : NULL;
    Py_XDECREF(close);
    return done;
}

static PyMethodDef methods[] = {
    {"close", file_close, METH_NOARGS,
     PyDoc_STR("close()\n--\n\nCloses the file-like object, if it can be closed.")},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"filelike", T_OBJECT, offsetof(struct file, filelike), READONLY,
     PyDoc_STR("The object that is read.")},
    {"blksize", T_PYSSIZET, offsetof(struct file, block), READONLY,
     PyDoc_STR("Bytes asked of each read().")},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("FileWrapper(filelike, blksize=8192)\n--\n\n"
                                  "The blocks of a file-like object (PEP 3333).")},
    {Py_tp_new, (void *)file_new},
    {Py_tp_dealloc, (void *)file_dealloc},
    {Py_tp_traverse, (void *)file_traverse},
    {Py_tp_clear, (void *)file_clear},
    {Py_tp_iter, (void *)PyObject_SelfIter},
    {Py_tp_iternext, (void *)file_next},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "freastal._core.FileWrapper",
    .basicsize = sizeof(struct file),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *wsgi_file_type(PyObject *module) {
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

/* Is `object` of exactly the type io.<name>? 1, 0, or -1 with an exception. */
static int is_exactly(PyObject *io, const char *name, PyObject *object) {
    PyObject *type = PyObject_GetAttrString(io, name);
    int same = type ? (PyObject *)Py_TYPE(object) == type : -1;
    Py_XDECREF(type);
    return same;
}

/* 1, 0, or -1 with an exception. */
static int is_plain_file(PyObject *object) {
    PyObject *io = PyImport_ImportModule("io");
    if (!io) {
        return -1;
    }
    int plain = is_exactly(io, "FileIO", object);
    if (plain == 0) {
        int buffered = is_exactly(io, "BufferedReader", object);
        if (buffered == 0) {
            buffered = is_exactly(io, "BufferedRandom", object);
        }
        PyObject *raw = buffered > 0 ? PyObject_GetAttrString(object, "raw") : NULL;
        plain = buffered > 0 ? (raw ? is_exactly(io, "FileIO", raw) : -1) : buffered;
        Py_XDECREF(raw);
    }
    Py_DECREF(io);
    return plain;
}

/* The result of a method without arguments, a number that is not negative; or -1 with an
 * exception. */
static long long ask(PyObject *object, const char *method) {
    PyObject *result = PyObject_CallMethod(object, method, NULL);
    long long number = result ? PyLong_AsLongLong(result) : -1;
    Py_XDECREF(result);
    return number;
}

/* 1, 0, or -1 with an exception. */
static int range_of(PyObject *filelike, struct wsgi_range *range) {
    struct stat status;
    PyObject *flushed = PyObject_CallMethod(filelike, "flush", NULL);
    long long at = flushed ? ask(filelike, "tell") : -1;
    long long fd = at >= 0 ? ask(filelike, "fileno") : -1;
    Py_XDECREF(flushed);
    if (fd < 0) {
        return -1;
    }
    /* Files of /proc are regular and claim to be empty: only reading shows. */
    if (fd > INT_MAX || fstat((int)fd, &status) || !S_ISREG(status.st_mode) ||
        status.st_size == 0) {
        return 0;
    }
    range->fd = fcntl((int)fd, F_DUPFD_CLOEXEC, 0);
    if (range->fd < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    range->offset = (off_t)at;
    range->len = status.st_size > at ? (uint64_t)(status.st_size - at) : 0;
    return 1;
}

int wsgi_file_range(PyObject *wrapper, struct wsgi_range *range) {
    PyObject *filelike = Py_NewRef(own(wrapper)->filelike);
    int found = is_plain_file(filelike);
    range->fd = -1;
    if (found > 0) {
        found = range_of(filelike, range);
    }
    /* A pipe cannot tell where it stands, a closed file nothing: iterating will show. */
    if (found < 0 &&
        (PyErr_ExceptionMatches(PyExc_OSError) || PyErr_ExceptionMatches(PyExc_ValueError))) {
        PyErr_Clear();
        found = 0;
    }
    Py_DECREF(filelike);
    return found;
}
