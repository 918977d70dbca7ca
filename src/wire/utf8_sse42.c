/* Valid UTF-8 by 16-byte vectors. Compiled with -msse4.2. */
#include "wire/utf8_paths.h"

#include <nmmintrin.h>

#include "wire/utf8_class.h"

#define VECTOR_BYTES 16

typedef __m128i vector_t;

static inline vector_t vector_load(const uint8_t *at) {
    return _mm_loadu_si128((const __m128i *)at);
}

static inline vector_t vector_zero(void) {
    return _mm_setzero_si128();
}

static inline vector_t vector_or(vector_t a, vector_t b) {
    return _mm_or_si128(a, b);
}

static inline bool vector_is_ascii(vector_t bytes) {
    return _mm_movemask_epi8(bytes) == 0;
}

static inline bool vector_is_zero(vector_t bytes) {
    return _mm_testz_si128(bytes, bytes);
}

static inline vector_t high_four(vector_t bytes) {
    return _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(0x0F));
}

static inline vector_t vector_errors(vector_t bytes, vector_t before) {
    vector_t first = _mm_alignr_epi8(bytes, before, 15); /* for each byte the one before it */
    vector_t low = _mm_and_si128(first, _mm_set1_epi8(0x0F));
    vector_t broken =
        _mm_and_si128(_mm_shuffle_epi8(vector_load(utf8_first_high), high_four(first)),
                      _mm_shuffle_epi8(vector_load(utf8_first_low), low));
    broken =
        _mm_and_si128(broken, _mm_shuffle_epi8(vector_load(utf8_second_high), high_four(bytes)));
    /* 0x80 and more where E0 or more stands two before, or F0 or more three before. */
    vector_t third = _mm_subs_epu8(_mm_alignr_epi8(bytes, before, 14), _mm_set1_epi8(0xE0 - 0x80));
    vector_t fourth = _mm_subs_epu8(_mm_alignr_epi8(bytes, before, 13), _mm_set1_epi8(0xF0 - 0x80));
    vector_t twice = _mm_and_si128(_mm_or_si128(third, fourth), _mm_set1_epi8((char)UTF8_TWICE));
    return _mm_xor_si128(broken, twice);
}

static inline vector_t vector_goes_on(vector_t bytes) {
    return _mm_subs_epu8(bytes, vector_load(utf8_last_max + sizeof utf8_last_max - VECTOR_BYTES));
}

#include "wire/utf8_template.h"

#include "base/banned.h"

static size_t prefix_of(const uint8_t *bytes, size_t len) {
    return prefix(bytes, len);
}

const struct utf8_path utf8_path_sse42 = {.name = "sse4.2", .prefix = prefix_of};
