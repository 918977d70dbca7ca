/* See py_piece.h. */
#include "gateway/py_piece.h"

#include <unistd.h>

#include "base/err.h"

#include "base/banned.h"

static void release_bytes(struct piece *piece) {
    Py_DECREF((PyObject *)piece->owner);
}

static void release_file(struct piece *piece) {
    close(piece->fd);
}

int py_piece_bytes(struct chain *chain, struct piece_pool *pool, PyObject *bytes) {
    struct slice slice = slice_of(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    if (slice.len == 0) {
        return 0;
    }
    struct piece *piece = piece_memory(pool, slice, release_bytes, bytes);
    if (!piece) {
        return ERR_NOMEM;
    }
    Py_INCREF(bytes);
    chain_append(chain, piece);
    return 0;
}

int py_piece_file(struct chain *chain, struct piece_pool *pool, int fd, off_t offset, size_t len) {
    if (len == 0) {
        close(fd);
        return 0;
    }
    struct piece *piece = piece_file(pool, fd, offset, len, release_file, NULL);
    if (!piece) {
        return ERR_NOMEM;
    }
    chain_append(chain, piece);
    return 0;
}
