/* Pieces and queues of them; see chain.h. */
#include "base/chain.h"

#include <stdlib.h>

#include "base/size.h"

#include "base/banned.h"

void piece_pool_init(struct piece_pool *pool, uint32_t keep) {
    slab_init(&pool->bare, sizeof(struct piece), keep);
    slab_init(&pool->roomy, sizeof(struct piece) + PIECE_ROOM, keep);
    pool->large = 0;
}

void piece_pool_release(struct piece_pool *pool) {
    slab_release(&pool->bare);
    slab_release(&pool->roomy);
}

uint32_t piece_pool_live(const struct piece_pool *pool) {
    return pool->bare.live + pool->roomy.live + pool->large;
}

static void piece_init(struct piece *piece, struct slab *home) {
    *piece = (struct piece){.fd = -1, .home = home};
}

struct piece *piece_memory(struct piece_pool *pool, struct slice bytes,
                           void (*release)(struct piece *), void *owner) {
    struct piece *piece = slab_take(&pool->bare);
    if (piece) {
        piece_init(piece, &pool->bare);
        piece->at = bytes.at;
        piece->len = bytes.len;
        piece->whole = bytes.len;
        piece->release = release;
        piece->owner = owner;
    }
    return piece;
}

struct piece *piece_file(struct piece_pool *pool, int fd, off_t offset, size_t len,
                         void (*release)(struct piece *), void *owner) {
    struct piece *piece = piece_memory(pool, slice_of(NULL, len), release, owner);
    if (piece) {
        piece->fd = fd;
        piece->offset = offset;
    }
    return piece;
}

struct piece *piece_own(struct piece_pool *pool, size_t size) {
    struct piece *piece;
    if (size <= PIECE_ROOM) {
        piece = slab_take(&pool->roomy);
        if (piece) {
            piece_init(piece, &pool->roomy);
        }
    } else {
        size_t total;
        if (!size_add(size, sizeof(struct piece), &total)) {
            return NULL;
        }
        piece = malloc(total);
        if (piece) {
            piece_init(piece, NULL);
            pool->large++;
        }
    }
    if (piece) {
        piece->at = piece_room(piece);
    }
    return piece;
}

void piece_free(struct piece_pool *pool, struct piece *piece) {
    if (piece->home) {
        slab_give(piece->home, piece);
    } else {
        pool->large--;
        free(piece);
    }
}

/* A piece is over: where somebody waits to be told, the run beat does it. */
static void piece_end(struct piece *piece, struct piece_pool *pool, struct chain *trash) {
    if (piece->release) {
        piece->len = piece->whole;
        chain_append(trash, piece);
    } else {
        piece_free(pool, piece);
    }
}

void chain_consume(struct chain *chain, size_t count, struct piece_pool *pool,
                   struct chain *trash) {
    while (chain->first && count >= chain->first->len) {
        count -= chain->first->len;
        piece_end(chain_take(chain), pool, trash);
    }
    struct piece *piece = chain->first;
    if (piece && count > 0) {
        if (piece->fd < 0) {
            piece->at += count;
        } else {
            piece->offset += (off_t)count;
        }
        piece->len -= count;
        chain->bytes -= count;
    }
}

void chain_cut(struct chain *chain, size_t count, struct piece_pool *pool, struct chain *trash) {
    struct chain kept;
    struct piece *piece;
    chain_init(&kept);
    while ((piece = chain_take(chain)) != NULL) {
        if (count == 0) {
            piece_end(piece, pool, trash);
            continue;
        }
        if (piece->len > count) {
            piece->len = count;
        }
        count -= piece->len;
        chain_append(&kept, piece);
    }
    *chain = kept;
}

void chain_drop(struct chain *chain, struct piece_pool *pool, struct chain *trash) {
    struct piece *piece;
    while ((piece = chain_take(chain)) != NULL) {
        piece_end(piece, pool, trash);
    }
}

void chain_sweep(struct chain *trash, struct piece_pool *pool) {
    struct piece *piece;
    while ((piece = chain_take(trash)) != NULL) {
        piece->release(piece);
        piece_free(pool, piece);
    }
}
