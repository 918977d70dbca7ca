/* Objects of one size, kept for reuse, so that the hot path calls no allocator.
 *
 * Given objects wait on a free list, last in first out (the next taker finds them in the
 * cache); at most `keep` of them, the rest goes back to malloc. Contents of a taken object are
 * not defined. One thread. */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

struct slab {
    /* read-only */
    size_t size;   /* bytes of an object */
    uint32_t live; /* objects taken and not given back */
    /* private */
    uint32_t keep;
    uint32_t idle;
    void *free;
};

/* `size` at least a pointer's. */
void slab_init(struct slab *slab, size_t size, uint32_t keep);

/* Frees what waits for reuse. Objects still live stay valid; give them back to release them. */
void slab_release(struct slab *slab);

/* [gives] an object, or NULL where memory is short. */
void *slab_take(struct slab *slab);

/* [takes] an object of this slab. */
void slab_give(struct slab *slab, void *object);

#endif
