/* Free lists of fixed-size objects; see slab.h. */
#include "base/slab.h"

#include <assert.h>
#include <stdlib.h>

#include "base/banned.h"

struct link {
    struct link *next;
};

void slab_init(struct slab *slab, size_t size, uint32_t keep) {
    assert(size >= sizeof(struct link));
    *slab = (struct slab){.size = size, .keep = keep};
}

void slab_release(struct slab *slab) {
    struct link *link = slab->free;
    while (link) {
        struct link *next = link->next;
        free(link);
        link = next;
    }
    slab->free = NULL;
    slab->idle = 0;
    slab->keep = 0;
}

void *slab_take(struct slab *slab) {
    struct link *link = slab->free;
    if (link) {
        slab->free = link->next;
        slab->idle--;
    } else {
        link = malloc(slab->size);
        if (!link) {
            return NULL;
        }
    }
    slab->live++;
    return link;
}

void slab_give(struct slab *slab, void *object) {
    assert(slab->live > 0);
    slab->live--;
    if (slab->idle >= slab->keep) {
        free(object);
        return;
    }
    struct link *link = object;
    link->next = slab->free;
    slab->free = link;
    slab->idle++;
}
