/* See asgi_file.h. */
#include "gateway/asgi_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"

void asgi_file_close(struct asgi_file *file) {
    close(file->fd);
    file->fd = -1;
}

/* The size of a regular file; -1 with an exception, also for what sendfile cannot read. */
static off_t size_of(int fd) {
    struct stat status;
    if (fstat(fd, &status) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (!S_ISREG(status.st_mode)) {
        PyErr_SetString(PyExc_ValueError, "only regular files can be sent");
        return -1;
    }
    return status.st_size;
}

int asgi_file_open(struct asgi_file *file, PyObject *path) {
    PyObject *bytes = NULL;
    if (!PyUnicode_FSConverter(path, &bytes)) {
        return -1;
    }
    /* O_NONBLOCK: a FIFO in this place must not hold up the loop. */
    file->fd = open(PyBytes_AS_STRING(bytes), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    Py_DECREF(bytes);
    if (file->fd < 0) {
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
        return -1;
    }
    off_t size = size_of(file->fd);
    if (size < 0) {
        asgi_file_close(file);
        return -1;
    }
    file->offset = 0;
    file->len = (size_t)size;
    return 0;
}

/* 0, or -1 with an exception. */
static int set_range(struct asgi_file *file, int64_t offset, int64_t count) {
    off_t size = size_of(file->fd);
    if (size < 0) {
        return -1;
    }
    file->offset = offset >= 0 ? (off_t)offset : lseek(file->fd, 0, SEEK_CUR);
    if (file->offset < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    off_t left = file->offset < size ? size - file->offset : 0;
    if (count > left) {
        PyErr_Format(PyExc_ValueError, "\"count\" is %lld: the file has %lld bytes from there on",
                     (long long)count, (long long)left);
        return -1;
    }
    file->len = count >= 0 ? (size_t)count : (size_t)left;
    if (offset < 0 && lseek(file->fd, file->offset + (off_t)file->len, SEEK_SET) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return 0;
}

int asgi_file_share(struct asgi_file *file, PyObject *object, int64_t offset, int64_t count) {
    int fd = PyObject_AsFileDescriptor(object);
    if (fd < 0) {
        return -1;
    }
    file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (file->fd < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (set_range(file, offset, count) < 0) {
        asgi_file_close(file);
        return -1;
    }
    return 0;
}
