/* Valid UTF-8 by 32-byte vectors. Compiled with -mavx2. */
#include "wire/utf8_paths.h"

#include <immintrin.h>

#include "wire/utf8_class.h"

#define VECTOR_BYTES 32

typedef __m256i vector_t;

static inline vector_t vector_load(const uint8_t *at) {
    return _mm256_loadu_si256((const __m256i *)at);
}

static inline vector_t vector_zero(void) {
    return _mm256_setzero_si256();
}

static inline vector_t vector_or(vector_t a, vector_t b) {
    return _mm256_or_si256(a, b);
}

static inline bool vector_is_ascii(vector_t bytes) {
    return _mm256_movemask_epi8(bytes) == 0;
}

static inline bool vector_is_zero(vector_t bytes) {
    return _mm256_testz_si256(bytes, bytes);
}

static inline vector_t high_four(vector_t bytes) {
    return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0F));
}

static inline vector_t look_up(const uint8_t *table, vector_t indexes) {
    __m128i entries = _mm_loadu_si128((const __m128i *)table);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries), indexes);
}

static inline vector_t vector_errors(vector_t bytes, vector_t before) {
    /* The halves of a vector are aligned each for itself: with the half before it. */
    vector_t halves = _mm256_permute2x128_si256(before, bytes, 0x21);
    vector_t first = _mm256_alignr_epi8(bytes, halves, 15); /* for each byte the one before it */
    vector_t broken =
        _mm256_and_si256(look_up(utf8_first_high, high_four(first)),
                         look_up(utf8_first_low, _mm256_and_si256(first, _mm256_set1_epi8(0x0F))));
    broken = _mm256_and_si256(broken, look_up(utf8_second_high, high_four(bytes)));
    /* 0x80 and more where E0 or more stands two before, or F0 or more three before. */
    vector_t third =
        _mm256_subs_epu8(_mm256_alignr_epi8(bytes, halves, 14), _mm256_set1_epi8(0xE0 - 0x80));
    vector_t fourth =
        _mm256_subs_epu8(_mm256_alignr_epi8(bytes, halves, 13), _mm256_set1_epi8(0xF0 - 0x80));
    vector_t twice =
        _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)UTF8_TWICE));
    return _mm256_xor_si256(broken, twice);
}

static inline vector_t vector_goes_on(vector_t bytes) {
    return _mm256_subs_epu8(bytes, vector_load(utf8_last_max));
}

#include "wire/utf8_template.h"

#include "base/banned.h"

/* As in head_avx2.c: gcc 12 forgets to clear the upper halves of the registers. */
static size_t prefix_and_clear(const uint8_t *bytes, size_t len) {
    size_t result = prefix(bytes, len);
    _mm256_zeroupper();
    return result;
}

const struct utf8_path utf8_path_avx2 = {.name = "avx2", .prefix = prefix_and_clear};
