/* wsgi.file_wrapper (PEP 3333 "Optional Platform-Specific File Handling"): an iterator over a
 * file-like object, and the range of a real file behind it, where there is one, for sendfile. */
#ifndef GATEWAY_WSGI_FILE_H
#define GATEWAY_WSGI_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "gateway/py_compat.h"

/* Bytes of a regular file. */
struct wsgi_range {
    int fd; /* a duplicate that its holder closes; -1: none */
    off_t offset;
    uint64_t len;
};

/* The type, of `module`. [new] NULL with an exception. */
PyTypeObject *wsgi_file_type(PyObject *module);

/* What `wrapper`, an object of that type, has left, as a range. Only for files whose bytes are
 * surely those of their descriptor: io.FileIO, and io.BufferedReader or io.BufferedRandom upon
 * it, none derived; others (gzip's has a fileno() too!) are iterated over.
 * 1: there is a range; 0: none; -1 with an exception. */
int wsgi_file_range(PyObject *wrapper, struct wsgi_range *range);

#endif
