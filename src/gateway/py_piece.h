/* Output that belongs to Python objects or open files, by reference. Run beat. */
#ifndef GATEWAY_PY_PIECE_H
#define GATEWAY_PY_PIECE_H

#include <sys/types.h>

#include "base/chain.h"
#include "gateway/py_compat.h"

/* The bytes of a bytes object, kept alive until they have left. [borrows bytes] Nothing for an
 * empty one. 0 or ERR_NOMEM. */
int py_piece_bytes(struct chain *chain, struct piece_pool *pool, PyObject *bytes);

/* `len` bytes of a file from `offset`; nothing for none. [takes fd on success] 0 or ERR_NOMEM. */
int py_piece_file(struct chain *chain, struct piece_pool *pool, int fd, off_t offset, size_t len);

#endif
