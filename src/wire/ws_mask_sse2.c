/* ws_unmask by 16 bytes; SSE2 is part of x86-64. */
#include <emmintrin.h>

#include "wire/ws_mask.h"
#include "wire/ws_mask_words.h"

#include "base/banned.h"

static inline void unmask_16(uint8_t *to, const uint8_t *from, __m128i mask) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)from);
    _mm_storeu_si128((__m128i *)to, _mm_xor_si128(bytes, mask));
}

void ws_unmask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t key[4], size_t phase) {
    uint64_t word = ws_mask_word(key, phase);
    __m128i mask = _mm_set1_epi64x((long long)word);
    size_t i = 0;
    for (; len - i >= 64; i += 64) {
        unmask_16(to + i, from + i, mask);
        unmask_16(to + i + 16, from + i + 16, mask);
        unmask_16(to + i + 32, from + i + 32, mask);
        unmask_16(to + i + 48, from + i + 48, mask);
    }
    for (; len - i >= 16; i += 16) {
        unmask_16(to + i, from + i, mask);
    }
    ws_mask_rest(to + i, from + i, len - i, word);
}
