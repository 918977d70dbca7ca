/* How valid UTF-8 is found by vectors. Included once by each of utf8_sse42.c, utf8_avx2.c and
 * utf8_neon.c, which first define
 *
 *     VECTOR_BYTES                    how many bytes a vector holds: 16 or 32
 *     vector_t vector_zero(void)
 *     vector_t vector_load(at)
 *     vector_t vector_or(a, b)
 *     bool vector_is_ascii(bytes)     no byte has its high bit
 *     bool vector_is_zero(bytes)
 *     vector_t vector_errors(bytes, before)  not zero where a rule is broken in `bytes` or between
 *                                     them and the vector `before` them
 *     vector_t vector_goes_on(bytes)  not zero where the last character of `bytes` is incomplete
 *
 * and which get the function `prefix`, a utf8_prefix_fn. */
#ifndef WIRE_UTF8_TEMPLATE_H
#define WIRE_UTF8_TEMPLATE_H

#include <string.h>

#include "wire/utf8_paths.h"

/* `at`, or where the character begins that is incomplete there: all before `at` is valid but for
 * that. */
static size_t whole_characters(const uint8_t *bytes, size_t at) {
    for (size_t back = 1; back <= 3 && back <= at; back++) {
        uint8_t c = bytes[at - back];
        if (c >= 0xC0) {
            size_t needs = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
            return needs > back ? at - back : at;
        }
    }
    return at;
}

/* Four vectors a step, then one, then what is left with NULs behind it, where an incomplete
 * character is a broken rule. Stops at the first step in which a rule is broken. What a character
 * at the end of a vector lacks is seen with the next one only, or not at all: hence
 * whole_characters. */
static inline __attribute__((always_inline)) size_t prefix(const uint8_t *bytes, size_t len) {
    vector_t before = vector_zero();
    size_t at = 0;
    while (len - at >= 4 * (size_t)VECTOR_BYTES) {
        vector_t a = vector_load(bytes + at);
        vector_t b = vector_load(bytes + at + VECTOR_BYTES);
        vector_t c = vector_load(bytes + at + 2 * VECTOR_BYTES);
        vector_t d = vector_load(bytes + at + 3 * VECTOR_BYTES);
        vector_t errors = vector_goes_on(before);
        if (!vector_is_ascii(vector_or(vector_or(a, b), vector_or(c, d)))) {
            errors = vector_or(vector_or(vector_errors(a, before), vector_errors(b, a)),
                               vector_or(vector_errors(c, b), vector_errors(d, c)));
        }
        if (!vector_is_zero(errors)) {
            return whole_characters(bytes, at);
        }
        before = d;
        at += 4 * (size_t)VECTOR_BYTES;
    }
    while (len - at >= VECTOR_BYTES) {
        vector_t vector = vector_load(bytes + at);
        if (!vector_is_zero(vector_errors(vector, before))) {
            break;
        }
        before = vector;
        at += VECTOR_BYTES;
    }
    if (at < len && len - at < VECTOR_BYTES) {
        uint8_t rest[VECTOR_BYTES] = {0};
        memcpy(rest, bytes + at, len - at);
        if (vector_is_zero(vector_errors(vector_load(rest), before))) {
            return len;
        }
    }
    return whole_characters(bytes, at);
}

#endif
