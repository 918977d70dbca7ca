/* The head parser with 32-byte vectors. Compiled with -mavx2 -mbmi -mbmi2. */
#include "wire/head_rows.h"

#include <immintrin.h>

#include "wire/byte_class.h"
#include "wire/head_masks.h"
#include "wire/header_lookup.h"

#define VECTOR_BYTES 32

static inline uint64_t bits_of(__m256i bytes) {
    return (uint32_t)_mm256_movemask_epi8(bytes);
}

static inline __m256i table_of(const uint8_t *table) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
}

/* The shuffle gives 0 for a byte from 0x80 on, and so class 0. Adding 0x60 makes the classes of
 * control bytes, 0x20 and more, negative, and leaves 0x61 to 0x7F for tokens. */
static inline struct masks vector_classify(const uint8_t *at) {
    const __m256i by_low = table_of(class_by_low);
    const __m256i by_high = table_of(class_by_high);
    __m256i bytes = _mm256_loadu_si256((const __m256i *)at);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0F));
    __m256i class =
        _mm256_and_si256(_mm256_shuffle_epi8(by_low, bytes), _mm256_shuffle_epi8(by_high, high));
    __m256i order = _mm256_add_epi8(class, _mm256_set1_epi8(0x60));
    uint64_t control = bits_of(order);
    return (struct masks){
        .name_end = bits_of(_mm256_cmpgt_epi8(order, _mm256_set1_epi8(0x60))) ^ UINT32_MAX,
        .value_end = control,
        .target_end =
            (bits_of(_mm256_cmpgt_epi8(bytes, _mm256_set1_epi8(0x20))) ^ UINT32_MAX) | control,
    };
}

static inline struct masks block_classify(const uint8_t *at) {
    return masks_join(vector_classify(at), vector_classify(at + 32), 32);
}

static inline bool vector_row_is(const struct header_row *row, const uint8_t *name, size_t len) {
    __m256i cased = _mm256_loadu_si256((const __m256i *)name);
    __m256i same = _mm256_cmpeq_epi8(_mm256_or_si256(cased, _mm256_set1_epi8(0x20)),
                                     _mm256_loadu_si256((const __m256i *)row->name));
    /* They differ behind the colon at last, where the row has NUL. */
    return (size_t)__builtin_ctzll(~bits_of(same)) > len;
}

#include "wire/head_template.h"

#include "base/banned.h"

/* gcc 12 forgets to clear the upper halves of the registers on a way through a function that it
 * knows not to use them (-fipa-ra); without it the caller's SSE code costs 100 ns more. */
static ssize_t parse_and_clear(struct head *head, const uint8_t *bytes, size_t len,
                               const struct head_limits *limits) {
    ssize_t result = parse(head, bytes, len, limits);
    _mm256_zeroupper();
    return result;
}

const struct head_parser head_parser_avx2 = {.name = "avx2", .parse = parse_and_clear};
