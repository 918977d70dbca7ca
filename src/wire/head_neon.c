/* The head parser with the 16-byte vectors of aarch64. */
#include "wire/head_rows.h"

#include <arm_neon.h>

#include "wire/byte_class.h"
#include "wire/head_masks.h"
#include "wire/header_lookup.h"

#define VECTOR_BYTES 16

/* One bit for each byte, all of whose bits are equal: NEON has no instruction for it. */
static inline uint64_t bits_of(uint8x16_t bytes) {
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t bits = vandq_u8(bytes, vld1q_u8(weights));
    bits = vpaddq_u8(bits, bits);
    bits = vpaddq_u8(bits, bits);
    bits = vpaddq_u8(bits, bits);
    return vgetq_lane_u16(vreinterpretq_u16_u8(bits), 0);
}

/* A class less 1 is below CLASS_CTL - 1 for tokens alone, as 0 wraps round. */
static inline struct masks vector_classify(const uint8_t *at) {
    uint8x16_t bytes = vld1q_u8(at);
    uint8x16_t low = vandq_u8(bytes, vdupq_n_u8(0x0F));
    uint8x16_t class = vandq_u8(vqtbl1q_u8(vld1q_u8(class_by_low), low),
                                vqtbl1q_u8(vld1q_u8(class_by_high), vshrq_n_u8(bytes, 4)));
    uint8x16_t other = vcgeq_u8(vsubq_u8(class, vdupq_n_u8(1)), vdupq_n_u8(CLASS_CTL - 1));
    uint8x16_t outside = vcgeq_u8(vsubq_u8(bytes, vdupq_n_u8(0x21)), vdupq_n_u8(0x7F - 0x21));
    return (struct masks){
        .name_end = bits_of(other),
        .value_end = bits_of(vcgeq_u8(class, vdupq_n_u8(CLASS_CTL))),
        .target_end = bits_of(outside),
    };
}

static inline struct masks block_classify(const uint8_t *at) {
    struct masks low = masks_join(vector_classify(at), vector_classify(at + 16), 16);
    struct masks high = masks_join(vector_classify(at + 32), vector_classify(at + 48), 16);
    return masks_join(low, high, 32);
}

static inline bool vector_row_is(const struct header_row *row, const uint8_t *name, size_t len) {
    return row_is(row, name, len);
}

#include "wire/head_template.h"

#include "base/banned.h"

const struct head_parser head_parser_neon = {.name = "neon", .parse = parse};
