/* ws_unmask by 16 bytes; NEON is part of aarch64. */
#include <arm_neon.h>

#include "wire/ws_mask.h"
#include "wire/ws_mask_words.h"

#include "base/banned.h"

void ws_unmask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t key[4], size_t phase) {
    uint64_t word = ws_mask_word(key, phase);
    uint8x16_t mask = vreinterpretq_u8_u64(vdupq_n_u64(word));
    size_t i = 0;
    for (; i + 16 <= len; i += 16) {
        vst1q_u8(to + i, veorq_u8(vld1q_u8(from + i), mask));
    }
    ws_mask_rest(to + i, from + i, len - i, word);
}
