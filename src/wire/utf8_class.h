/* What two neighbouring bytes of UTF-8 may break together, in tables small enough for a vector
 * register. Private to wire, for the vector paths.
 *
 * The method is that of J. Keiser and D. Lemire, "Validating UTF-8 In Less Than One Instruction Per
 * Byte" (2021): a rule is broken where its bit is in all three entries that the high and the low
 * four bits of the first byte and the high four bits of the second one choose. A continuation
 * behind a continuation has TWICE, which is right for the third and the fourth byte of a character:
 * the vector code expects it there and there alone. */
#ifndef WIRE_UTF8_CLASS_H
#define WIRE_UTF8_CLASS_H

#include <stdint.h>

enum {
    UTF8_SHORT = 1,      /* a first byte, and no continuation behind it */
    UTF8_LONG = 2,       /* ASCII, and a continuation behind it */
    UTF8_OVERLONG_2 = 4, /* C0, C1 */
    UTF8_OVERLONG_3 = 8, /* E0 80 to E0 9F */
    UTF8_SURROGATE = 16, /* ED A0 to ED BF */
    UTF8_BEYOND = 32,    /* F4 90 and more, with a second byte from 90 on */
    UTF8_FOUR_80 = 64,   /* F0 80 to F0 8F, overlong; F5 80 and more, too great */
    UTF8_TWICE = 128,    /* two continuations */
    UTF8_ANY = UTF8_SHORT | UTF8_LONG | UTF8_TWICE, /* where the low four bits do not matter */
    UTF8_FOUR = UTF8_SHORT | UTF8_BEYOND | UTF8_FOUR_80,
    UTF8_GREAT = UTF8_ANY | UTF8_BEYOND | UTF8_FOUR_80,  /* F5 to FF */
    UTF8_NEXT = UTF8_LONG | UTF8_TWICE | UTF8_OVERLONG_2 /* any continuation */
};

static const uint8_t utf8_first_high[16] = {
    [0x0] = UTF8_LONG,
    [0x1] = UTF8_LONG,
    [0x2] = UTF8_LONG,
    [0x3] = UTF8_LONG,
    [0x4] = UTF8_LONG,
    [0x5] = UTF8_LONG,
    [0x6] = UTF8_LONG,
    [0x7] = UTF8_LONG,
    [0x8] = UTF8_TWICE,
    [0x9] = UTF8_TWICE,
    [0xA] = UTF8_TWICE,
    [0xB] = UTF8_TWICE,
    [0xC] = UTF8_SHORT | UTF8_OVERLONG_2,
    [0xD] = UTF8_SHORT,
    [0xE] = UTF8_SHORT | UTF8_OVERLONG_3 | UTF8_SURROGATE,
    [0xF] = UTF8_FOUR,
};

static const uint8_t utf8_first_low[16] = {
    [0x0] = UTF8_ANY | UTF8_OVERLONG_2 | UTF8_OVERLONG_3 | UTF8_FOUR_80,
    [0x1] = UTF8_ANY | UTF8_OVERLONG_2,
    [0x2] = UTF8_ANY,
    [0x3] = UTF8_ANY,
    [0x4] = UTF8_ANY | UTF8_BEYOND,
    [0x5] = UTF8_GREAT,
    [0x6] = UTF8_GREAT,
    [0x7] = UTF8_GREAT,
    [0x8] = UTF8_GREAT,
    [0x9] = UTF8_GREAT,
    [0xA] = UTF8_GREAT,
    [0xB] = UTF8_GREAT,
    [0xC] = UTF8_GREAT,
    [0xD] = UTF8_GREAT | UTF8_SURROGATE,
    [0xE] = UTF8_GREAT,
    [0xF] = UTF8_GREAT,
};

static const uint8_t utf8_second_high[16] = {
    [0x0] = UTF8_SHORT,
    [0x1] = UTF8_SHORT,
    [0x2] = UTF8_SHORT,
    [0x3] = UTF8_SHORT,
    [0x4] = UTF8_SHORT,
    [0x5] = UTF8_SHORT,
    [0x6] = UTF8_SHORT,
    [0x7] = UTF8_SHORT,
    [0x8] = UTF8_NEXT | UTF8_OVERLONG_3 | UTF8_FOUR_80,
    [0x9] = UTF8_NEXT | UTF8_OVERLONG_3 | UTF8_BEYOND,
    [0xA] = UTF8_NEXT | UTF8_SURROGATE | UTF8_BEYOND,
    [0xB] = UTF8_NEXT | UTF8_SURROGATE | UTF8_BEYOND,
    [0xC] = UTF8_SHORT,
    [0xD] = UTF8_SHORT,
    [0xE] = UTF8_SHORT,
    [0xF] = UTF8_SHORT,
};

/* A byte greater than its entry begins a character that goes on behind the vector. A vector of
 * N bytes has the last N entries. */
static const uint8_t utf8_last_max[32] = {
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xEF, 0xDF, 0xBF,
};

#endif
