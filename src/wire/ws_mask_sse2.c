/* ws_unmask by 16 bytes; SSE2 is part of x86-64. */
#include <emmintrin.h>

#include "wire/ws_mask.h"
#include "wire/ws_mask_words.h"

#include "base/banned.h"

void ws_unmask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t key[4], size_t phase) {
    uint64_t word = ws_mask_word(key, phase);
    __m128i mask = _mm_set1_epi64x((long long)word);
    size_t i = 0;
    for (; i + 64 <= len; i += 64) {
        for (size_t k = 0; k < 64; k += 16) {
            __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(from + i + k));
            _mm_storeu_si128((__m128i *)(void *)(to + i + k), _mm_xor_si128(block, mask));
        }
    }
    for (; i + 16 <= len; i += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(from + i));
        _mm_storeu_si128((__m128i *)(void *)(to + i), _mm_xor_si128(block, mask));
    }
    ws_mask_rest(to + i, from + i, len - i, word);
}
