/* Private to wire/ws_mask_*.c: the key from a phase on, and what is left behind whole blocks. */
#ifndef WIRE_WS_MASK_WORDS_H
#define WIRE_WS_MASK_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t ws_mask_rotate(uint32_t word, unsigned right) {
    return word >> right | word << (-right & 31);
}

/* The key of the bytes from `phase` on, as it lies in memory, twice. In registers: bytes that have
 * been written one by one are slow to read as a word. */
static inline uint64_t ws_mask_word(const uint8_t key[4], size_t phase) {
    const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    unsigned bits = 8 * (unsigned)(phase & 3);
    uint32_t word;
    memcpy(&word, key, sizeof(word));
    word = ws_mask_rotate(word, little ? bits : -bits & 31);
    return (uint64_t)word << 32 | word;
}

/* By words of 8 bytes, then by bytes. */
static inline void ws_mask_rest(uint8_t *to, const uint8_t *from, size_t len, uint64_t key) {
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, from + i, 8);
        word ^= key;
        memcpy(to + i, &word, 8);
    }
    uint8_t turned[8];
    memcpy(turned, &key, 8);
    for (size_t k = 0; i < len; i++, k++) {
        to[i] = from[i] ^ turned[k];
    }
}

#endif
