/* See sha1.h. */
#include "wire/sha1.h"

#include <assert.h>

#include "base/banned.h"

enum { BLOCK = 64 };

static uint32_t rotate(uint32_t word, unsigned by) {
    return word << by | word >> (32 - by);
}

static uint32_t load(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void store(uint8_t *at, uint32_t word) {
    at[0] = (uint8_t)(word >> 24);
    at[1] = (uint8_t)(word >> 16);
    at[2] = (uint8_t)(word >> 8);
    at[3] = (uint8_t)word;
}

/* RFC 3174 section 6.1. */
static void mix(uint32_t h[5], const uint8_t block[BLOCK]) {
    uint32_t w[80];
    for (unsigned t = 0; t < 16; t++) {
        w[t] = load(block + 4 * (size_t)t);
    }
    for (unsigned t = 16; t < 80; t++) {
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    }
    uint32_t a = h[0];
    uint32_t b = h[1];
    uint32_t c = h[2];
    uint32_t d = h[3];
    uint32_t e = h[4];
    for (unsigned t = 0; t < 80; t++) {
        uint32_t f;
        if (t < 20) {
            f = ((b & c) | (~b & d)) + 0x5a827999;
        } else if (t < 40) {
            f = (b ^ c ^ d) + 0x6ed9eba1;
        } else if (t < 60) {
            f = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
        } else {
            f = (b ^ c ^ d) + 0xca62c1d6;
        }
        uint32_t next = rotate(a, 5) + f + e + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void sha1(struct slice text, uint8_t digest[SHA1_SIZE]) {
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t padded[2 * BLOCK] = {0};
    assert(text.len <= SHA1_TEXT_MAX);
    size_t size = text.len + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
    memcpy(padded, text.at, text.len);
    padded[text.len] = 0x80;
    store(padded + size - 4, (uint32_t)(text.len * 8));
    for (size_t at = 0; at < size; at += BLOCK) {
        mix(h, padded + at);
    }
    for (size_t i = 0; i < 5; i++) {
        store(digest + 4 * i, h[i]);
    }
}
