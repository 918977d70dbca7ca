/* Input buffers and their pool; see buf.h. */
#include "base/buf.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/size.h"

#include "base/banned.h"

/* Buffers whose distance is a multiple of 4 KiB would put every head into the same sets of the
 * first-level cache; nine lines more spread them. */
enum { STRIDE = BUF_SIZE + 9 * 64, STRIDE_LARGE = BUF_LARGE + 9 * 64 };

void buf_pool_init(struct buf_pool *pool, uint32_t keep) {
    slab_init(&pool->slab, STRIDE, keep);
    slab_init(&pool->large, STRIDE_LARGE, keep / (BUF_LARGE / BUF_SIZE));
}

void buf_pool_release(struct buf_pool *pool) {
    slab_release(&pool->slab);
    slab_release(&pool->large);
}

static struct buf *take(struct slab *slab, uint32_t size) {
    struct buf *buf = slab_take(slab);
    if (buf) {
        buf->start = 0;
        buf->end = 0;
        buf->size = size;
        buf->home = slab;
    }
    return buf;
}

struct buf *buf_take(struct buf_pool *pool) {
    return take(&pool->slab, BUF_SIZE);
}

struct buf *buf_take_large(struct buf_pool *pool) {
    struct buf *buf = take(&pool->large, BUF_LARGE);
    return buf ? buf : buf_take(pool);
}

void buf_give(struct buf *buf) {
    if (!buf) {
        return;
    }
    if (buf->home) {
        slab_give(buf->home, buf);
    } else {
        free(buf);
    }
}

static struct buf *grown(const struct buf *old, size_t need) {
    size_t size = old->size;
    size_t total = 0;
    while (size < need) {
        if (!size_mul(size, 2, &size)) {
            return NULL;
        }
    }
    if (size > UINT32_MAX || !size_add(size, sizeof(struct buf), &total)) {
        return NULL;
    }
    struct buf *buf = malloc(total);
    if (buf) {
        buf->start = 0;
        buf->end = (uint32_t)buf_len(old);
        buf->size = (uint32_t)size;
        buf->home = NULL;
        memcpy(buf->bytes, old->bytes + old->start, buf_len(old));
    }
    return buf;
}

int buf_append(struct buf **buf, struct buf *more, size_t limit) {
    struct buf *into = *buf;
    size_t need = 0;
    int err = 0;
    if (!size_add(buf_len(into), buf_len(more), &need) || need > limit) {
        err = ERR_LIMIT;
        goto out;
    }
    if (buf_room(into) < buf_len(more) && need <= into->size) {
        memmove(into->bytes, into->bytes + into->start, buf_len(into));
        into->end -= into->start;
        into->start = 0;
    } else if (need > into->size) {
        into = grown(*buf, need);
        if (!into) {
            err = ERR_NOMEM;
            goto out;
        }
        buf_give(*buf);
        *buf = into;
    }
    memcpy(into->bytes + into->end, more->bytes + more->start, buf_len(more));
    into->end += (uint32_t)buf_len(more);
out:
    buf_give(more);
    return err;
}
