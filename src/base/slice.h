/* A run of bytes that somebody else owns: the currency of every room.
 * Passed by value; never freed; not terminated by NUL. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *at; /* [borrows until the owner says] */
    size_t len;
};

/* A string literal as a slice, without its NUL. */
#define SLICE(literal) ((struct slice){(const uint8_t *)("" literal), sizeof(literal) - 1})

static inline struct slice slice_of(const void *at, size_t len) {
    return (struct slice){at, len};
}

static inline bool slice_equal(struct slice a, struct slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* ASCII only, as RFC 9110 compares names and tokens; no locale. */
static inline uint8_t ascii_lower(uint8_t c) {
    return (uint8_t)(c | ((c >= 'A' && c <= 'Z') << 5));
}

static inline bool slice_equal_nocase(struct slice a, struct slice b) {
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.at[i]) != ascii_lower(b.at[i])) {
            return false;
        }
    }
    return true;
}

#endif
