/* Input memory: a run of bytes with one owner, filled at its end, used from its start.
 *
 * Buffers of the usual size, and large ones for bytes that come in plenty, are from a pool and go
 * back to it; others (a head beyond the usual size) are malloc's. A connection owns one only while
 * it has bytes to keep. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/slab.h"
#include "base/slice.h"

enum { BUF_SIZE = 16 * 1024, BUF_LARGE = 64 * 1024 };

struct buf {
    uint32_t start;    /* first byte not used yet */
    uint32_t end;      /* behind the last byte */
    uint32_t size;     /* bytes there is room for */
    struct slab *home; /* private: NULL for a malloc'ed one */
    uint8_t bytes[];
};

struct buf_pool {
    struct slab slab;  /* slab.live: pooled buffers in use */
    struct slab large; /* the same for those of BUF_LARGE */
};

/* Keeps so many buffers for reuse, and large ones of the same size in sum. */
void buf_pool_init(struct buf_pool *pool, uint32_t keep);
void buf_pool_release(struct buf_pool *pool);

/* [gives] an empty buffer of BUF_SIZE, or NULL where memory is short. */
struct buf *buf_take(struct buf_pool *pool);

/* [gives] an empty buffer of BUF_LARGE; of BUF_SIZE, or NULL, where memory is short. */
struct buf *buf_take_large(struct buf_pool *pool);

/* [takes] buf; NULL is nothing. */
void buf_give(struct buf *buf);

/* Pooled buffers in use. */
static inline size_t buf_pool_live(const struct buf_pool *pool) {
    return (size_t)pool->slab.live + pool->large.live;
}

static inline size_t buf_len(const struct buf *buf) {
    return buf->end - buf->start;
}

static inline size_t buf_room(const struct buf *buf) {
    return buf->size - buf->end;
}

static inline struct slice buf_slice(const struct buf *buf) {
    return slice_of(buf->bytes + buf->start, buf_len(buf));
}

/* Puts the bytes of `more` behind those of `*buf`, which may move, and grow to at most `limit`
 * bytes. [takes more] always. 0, ERR_NOMEM, or ERR_LIMIT where they do not fit. */
int buf_append(struct buf **buf, struct buf *more, size_t limit);

#endif
