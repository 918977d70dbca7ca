/* The head parser with 16-byte vectors. Compiled with -msse4.2; needs SSSE3 of it. */
#include "wire/head_rows.h"

#include <immintrin.h>

#include "wire/byte_class.h"
#include "wire/head_masks.h"
#include "wire/header_lookup.h"

#define VECTOR_BYTES 16

static inline uint64_t bits_of(__m128i bytes) {
    return (uint32_t)_mm_movemask_epi8(bytes);
}

/* The shuffle gives 0 for a byte from 0x80 on, and so class 0. Adding 0x60 makes the classes of
 * control bytes, 0x20 and more, negative, and leaves 0x61 to 0x7F for tokens. */
static inline struct masks vector_classify(const uint8_t *at) {
    const __m128i by_low = _mm_loadu_si128((const __m128i *)class_by_low);
    const __m128i by_high = _mm_loadu_si128((const __m128i *)class_by_high);
    __m128i bytes = _mm_loadu_si128((const __m128i *)at);
    __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(0x0F));
    __m128i class = _mm_and_si128(_mm_shuffle_epi8(by_low, bytes), _mm_shuffle_epi8(by_high, high));
    __m128i order = _mm_add_epi8(class, _mm_set1_epi8(0x60));
    uint64_t control = bits_of(order);
    return (struct masks){
        .name_end = bits_of(_mm_cmpgt_epi8(order, _mm_set1_epi8(0x60))) ^ 0xFFFF,
        .value_end = control,
        .target_end = (bits_of(_mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x20))) ^ 0xFFFF) | control,
    };
}

static inline struct masks block_classify(const uint8_t *at) {
    struct masks low = masks_join(vector_classify(at), vector_classify(at + 16), 16);
    struct masks high = masks_join(vector_classify(at + 32), vector_classify(at + 48), 16);
    return masks_join(low, high, 32);
}

static inline bool vector_row_is(const struct header_row *row, const uint8_t *name, size_t len) {
    const __m128i case_bit = _mm_set1_epi8(0x20);
    const __m128i *lower = (const __m128i *)row->name;
    __m128i low = _mm_or_si128(_mm_loadu_si128((const __m128i *)name), case_bit);
    __m128i high = _mm_or_si128(_mm_loadu_si128((const __m128i *)(name + 16)), case_bit);
    uint64_t same = bits_of(_mm_cmpeq_epi8(low, _mm_loadu_si128(lower))) |
                    bits_of(_mm_cmpeq_epi8(high, _mm_loadu_si128(lower + 1))) << 16;
    /* They differ behind the colon at last, where the row has NUL. */
    return (size_t)__builtin_ctzll(~same) > len;
}

#include "wire/head_template.h"

#include "base/banned.h"

const struct head_parser head_parser_sse42 = {.name = "sse4.2", .parse = parse};
