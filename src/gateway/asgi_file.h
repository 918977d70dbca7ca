/* Ranges of files for http.response.pathsend and http.response.zerocopysend. With the GIL. */
#ifndef GATEWAY_ASGI_FILE_H
#define GATEWAY_ASGI_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/py_compat.h"

struct asgi_file {
    int fd; /* its holder's to close */
    off_t offset;
    size_t len;
};

/* Opens a regular file, all of it. [borrows path] 0, or -1 with an exception. */
int asgi_file_open(struct asgi_file *file, PyObject *path);

/* A range of an open file, by a descriptor of our own. [borrows object, which has fileno()]
 * `offset` -1: from where the file stands, which moves on as with sendfile(2); `count` -1: to its
 * end. 0, or -1 with an exception. */
int asgi_file_share(struct asgi_file *file, PyObject *object, int64_t offset, int64_t count);

void asgi_file_close(struct asgi_file *file);

#endif
