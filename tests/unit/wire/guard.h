/* Memory that ends at a page which nobody may touch: a parser that reads one byte behind its
 * input dies there. For the tests of src/wire. */
#ifndef UNIT_GUARD_H
#define UNIT_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD_BYTES (256u * 1024u)

struct guard {
    uint8_t *memory;
    size_t size; /* without the page behind */
};

static inline struct guard guard_new(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct guard guard = {.size = (GUARD_BYTES + page - 1) / page * page};
    void *memory =
        mmap(NULL, guard.size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect((uint8_t *)memory + guard.size, page, PROT_NONE) != 0) {
        perror("guard page");
        exit(1);
    }
    guard.memory = memory;
    return guard;
}

static inline void guard_free(struct guard *guard) {
    munmap(guard->memory, guard->size + (size_t)sysconf(_SC_PAGESIZE));
}

/* A copy of the bytes whose end is the end of the memory. Overwrites the one before.
 * [borrows until the next guard_put or guard_free] */
static inline const uint8_t *guard_put(struct guard *guard, const void *bytes, size_t len) {
    if (len > guard->size) {
        fprintf(stderr, "guard_put: %zu bytes do not fit\n", len);
        exit(1);
    }
    uint8_t *at = guard->memory + guard->size - len;
    memcpy(at, bytes, len);
    return at;
}

#endif
