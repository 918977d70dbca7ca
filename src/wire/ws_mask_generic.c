/* ws_unmask by 8 bytes. */
#include "wire/ws_mask.h"
#include "wire/ws_mask_words.h"

#include "base/banned.h"

void ws_unmask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t key[4], size_t phase) {
    ws_mask_rest(to, from, len, ws_mask_word(key, phase));
}
