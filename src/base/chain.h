/* Output memory: a queue of counted pieces, each bytes that somebody owns or a range of a file.
 *
 * Bodies travel by reference: a piece points at the owner's bytes and calls `release` when they
 * have been sent or dropped. An owner that belongs to Python may be touched in the run beat
 * only, so pieces with a `release` are not freed where they end but put on a second chain, the
 * loop's trash, which the next run beat sweeps. Loop thread only. */
#ifndef BASE_CHAIN_H
#define BASE_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slab.h"
#include "base/slice.h"

struct piece {
    struct piece *next;
    const uint8_t *at; /* bytes left to send; not used for a file */
    size_t len;        /* of them; of a file: bytes of it left to send */
    size_t whole;      /* of them at its beginning: what `owner` keeps until release */
    off_t offset;      /* in the file, where its next byte is */
    int fd;            /* -1: memory; else a file that sendfile can read. [borrows until release] */
    void (*release)(struct piece *piece); /* run beat; gives up `owner`; NULL: nobody to tell */
    void *owner;
    struct slab *home; /* private: NULL for a malloc'ed piece */
};

/* Bytes of a piece that carries its own text (a response head) behind the struct. */
enum { PIECE_ROOM = 1024 - sizeof(struct piece) };

struct chain {
    struct piece *first;
    struct piece *last;
    size_t bytes; /* left to send, files included; of the trash: kept by owners */
};

/* Where pieces come from; one a loop. */
struct piece_pool {
    struct slab bare;  /* struct piece */
    struct slab roomy; /* struct piece and PIECE_ROOM bytes */
    uint32_t large;    /* pieces malloc'ed because PIECE_ROOM was too small */
};

void piece_pool_init(struct piece_pool *pool, uint32_t keep);
void piece_pool_release(struct piece_pool *pool);

/* Pieces of the pool that are alive. */
uint32_t piece_pool_live(const struct piece_pool *pool);

/* [gives] a piece that refers to `bytes`, or NULL where memory is short. When it ends, `release`
 * is called with `owner` set. [borrows bytes until then] */
struct piece *piece_memory(struct piece_pool *pool, struct slice bytes,
                           void (*release)(struct piece *), void *owner);

/* [gives] a piece of `len` bytes of a file from `offset`, or NULL. [borrows fd until release] */
struct piece *piece_file(struct piece_pool *pool, int fd, off_t offset, size_t len,
                         void (*release)(struct piece *), void *owner);

/* [gives] a piece with room for `size` bytes of its own at piece_room(); len is 0 until the
 * caller sets it. NULL where memory is short. */
struct piece *piece_own(struct piece_pool *pool, size_t size);

static inline uint8_t *piece_room(struct piece *piece) {
    return (uint8_t *)(piece + 1);
}

/* [takes] a piece without `release`, or whose release has been called. */
void piece_free(struct piece_pool *pool, struct piece *piece);

static inline void chain_init(struct chain *chain) {
    *chain = (struct chain){0};
}

static inline bool chain_empty(const struct chain *chain) {
    return chain->first == NULL;
}

/* [takes piece] */
static inline void chain_append(struct chain *chain, struct piece *piece) {
    piece->next = NULL;
    if (chain->last) {
        chain->last->next = piece;
    } else {
        chain->first = piece;
    }
    chain->last = piece;
    chain->bytes += piece->len;
}

/* Moves all of `from` behind `to`. */
static inline void chain_splice(struct chain *to, struct chain *from) {
    if (chain_empty(from)) {
        return;
    }
    if (to->last) {
        to->last->next = from->first;
    } else {
        to->first = from->first;
    }
    to->last = from->last;
    to->bytes += from->bytes;
    chain_init(from);
}

/* [gives] the first piece, taken off; NULL for an empty chain. */
static inline struct piece *chain_take(struct chain *chain) {
    struct piece *piece = chain->first;
    if (piece) {
        chain->first = piece->next;
        if (!chain->first) {
            chain->last = NULL;
        }
        chain->bytes -= piece->len;
    }
    return piece;
}

/* Ends the first `count` bytes of `chain`: pieces without a release are freed, the others moved
 * to `trash`. */
void chain_consume(struct chain *chain, size_t count, struct piece_pool *pool, struct chain *trash);

/* Cuts `chain` to its first `count` bytes; the rest ends as in chain_consume. */
void chain_cut(struct chain *chain, size_t count, struct piece_pool *pool, struct chain *trash);

/* Ends all of it. */
void chain_drop(struct chain *chain, struct piece_pool *pool, struct chain *trash);

/* Calls every release and frees the pieces; run beat only. */
void chain_sweep(struct chain *trash, struct piece_pool *pool);

#endif
