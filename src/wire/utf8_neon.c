/* Valid UTF-8 by the 16-byte vectors of aarch64. */
#include "wire/utf8_paths.h"

#include <arm_neon.h>

#include "wire/utf8_class.h"

#define VECTOR_BYTES 16

typedef uint8x16_t vector_t;

static inline vector_t vector_load(const uint8_t *at) {
    return vld1q_u8(at);
}

static inline vector_t vector_zero(void) {
    return vdupq_n_u8(0);
}

static inline vector_t vector_or(vector_t a, vector_t b) {
    return vorrq_u8(a, b);
}

static inline bool vector_is_ascii(vector_t bytes) {
    return vmaxvq_u8(bytes) < 0x80;
}

static inline bool vector_is_zero(vector_t bytes) {
    return vmaxvq_u8(bytes) == 0;
}

static inline vector_t look_up(const uint8_t *table, vector_t indexes) {
    return vqtbl1q_u8(vld1q_u8(table), indexes);
}

static inline vector_t vector_errors(vector_t bytes, vector_t before) {
    vector_t first = vextq_u8(before, bytes, 15); /* for each byte the one before it */
    vector_t broken = vandq_u8(look_up(utf8_first_high, vshrq_n_u8(first, 4)),
                               look_up(utf8_first_low, vandq_u8(first, vdupq_n_u8(0x0F))));
    broken = vandq_u8(broken, look_up(utf8_second_high, vshrq_n_u8(bytes, 4)));
    /* 0x80 and more where E0 or more stands two before, or F0 or more three before. */
    vector_t third = vqsubq_u8(vextq_u8(before, bytes, 14), vdupq_n_u8(0xE0 - 0x80));
    vector_t fourth = vqsubq_u8(vextq_u8(before, bytes, 13), vdupq_n_u8(0xF0 - 0x80));
    vector_t twice = vandq_u8(vorrq_u8(third, fourth), vdupq_n_u8(UTF8_TWICE));
    return veorq_u8(broken, twice);
}

static inline vector_t vector_goes_on(vector_t bytes) {
    return vqsubq_u8(bytes, vld1q_u8(utf8_last_max + sizeof utf8_last_max - VECTOR_BYTES));
}

#include "wire/utf8_template.h"

#include "base/banned.h"

static size_t prefix_of(const uint8_t *bytes, size_t len) {
    return prefix(bytes, len);
}

const struct utf8_path utf8_path_neon = {.name = "neon", .prefix = prefix_of};
