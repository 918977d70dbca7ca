/* What a byte may be part of, in tables small enough for a vector register.
 *
 * Private to wire. A byte's class is the AND of an entry chosen by its low four bits and one
 * chosen by its high four: 1 to 31 for a token character (RFC 9110 section 5.6.2), 32 and more
 * for a control byte that ends or breaks a field value (section 5.5: all but HTAB), 0 for the
 * rest. The vector parsers look up 16 or 32 bytes at once, everyone else calls the functions. */
#ifndef WIRE_BYTE_CLASS_H
#define WIRE_BYTE_CLASS_H

#include <stdbool.h>
#include <stdint.h>

/* The bits are columns of the ASCII table (the low four bits of a byte) that rows (the high
 * four) have in common. Row 6 needs no bit of its own: it is rows 3 and 4 together. */
enum {
    CLASS_ROW_2 = 1,        /* ! # $ % & ' * + - . */
    CLASS_ROW_3 = 2,        /* 0 to 9 */
    CLASS_ROW_4 = 4,        /* A to O */
    CLASS_ROW_5 = 8,        /* P to Z ^ _ */
    CLASS_ROW_7 = 16,       /* p to z | ~ */
    CLASS_CTL_0 = 32,       /* 0x00 to 0x0F but HTAB */
    CLASS_CTL_1 = 64,       /* 0x10 to 0x1F */
    CLASS_DELETE = 128,     /* 0x7F */
    CLASS_CTL = CLASS_CTL_0 /* the least class of a control byte */
};

#define CLASS_CTLS (CLASS_CTL_0 | CLASS_CTL_1)

static const uint8_t class_by_low[16] = {
    [0x0] = CLASS_ROW_3 | CLASS_ROW_5 | CLASS_ROW_7 | CLASS_CTLS,
    [0x1] = CLASS_ROW_2 | CLASS_ROW_3 | CLASS_ROW_4 | CLASS_ROW_5 | CLASS_ROW_7 | CLASS_CTLS,
    [0x2] = CLASS_ROW_3 | CLASS_ROW_4 | CLASS_ROW_5 | CLASS_ROW_7 | CLASS_CTLS,
    [0x3] = CLASS_ROW_2 | CLASS_ROW_3 | CLASS_ROW_4 | CLASS_ROW_5 | CLASS_ROW_7 | CLASS_CTLS,
    [0x4] = CLASS_ROW_2 | CLASS_ROW_3 | CLASS_ROW_4 | CLASS_ROW_5 | CLASS_ROW_7 | CLASS_CTLS,
    [0x5] = CLASS_ROW_2 | CLASS_ROW_3 | CLASS_ROW_4 | CLASS_ROW_5 | CLASS_ROW_7 | CLASS_CTLS,
    [0x6] = CLASS_ROW_2 | CLASS_ROW_3 | CLASS_ROW_4 | CLASS_ROW_5 | CLASS_ROW_7 | CLASS_CTLS,
    [0x7] = CLASS_ROW_2 | CLASS_ROW_3 | CLASS_ROW_4 | CLASS_ROW_5 | CLASS_ROW_7 | CLASS_CTLS,
    [0x8] = CLASS_ROW_3 | CLASS_ROW_4 | CLASS_ROW_5 | CLASS_ROW_7 | CLASS_CTLS,
    [0x9] = CLASS_ROW_3 | CLASS_ROW_4 | CLASS_ROW_5 | CLASS_ROW_7 | CLASS_CTL_1,
    [0xA] = CLASS_ROW_2 | CLASS_ROW_4 | CLASS_ROW_5 | CLASS_ROW_7 | CLASS_CTLS,
    [0xB] = CLASS_ROW_2 | CLASS_ROW_4 | CLASS_CTLS,
    [0xC] = CLASS_ROW_4 | CLASS_ROW_7 | CLASS_CTLS,
    [0xD] = CLASS_ROW_2 | CLASS_ROW_4 | CLASS_CTLS,
    [0xE] = CLASS_ROW_2 | CLASS_ROW_4 | CLASS_ROW_5 | CLASS_ROW_7 | CLASS_CTLS,
    [0xF] = CLASS_ROW_4 | CLASS_ROW_5 | CLASS_CTLS | CLASS_DELETE,
};

static const uint8_t class_by_high[16] = {
    [0x0] = CLASS_CTL_0,
    [0x1] = CLASS_CTL_1,
    [0x2] = CLASS_ROW_2,
    [0x3] = CLASS_ROW_3,
    [0x4] = CLASS_ROW_4,
    [0x5] = CLASS_ROW_5,
    [0x6] = CLASS_ROW_3 | CLASS_ROW_4,
    [0x7] = CLASS_ROW_7 | CLASS_DELETE,
};

static inline uint8_t byte_class(uint8_t c) {
    return class_by_low[c & 15] & class_by_high[c >> 4];
}

static inline bool byte_is_token(uint8_t c) {
    uint8_t class = byte_class(c);
    return class != 0 && class < CLASS_CTL;
}

/* HTAB, SP, visible ASCII, obs-text. */
static inline bool byte_is_value(uint8_t c) {
    return byte_class(c) < CLASS_CTL;
}

static inline bool byte_is_space(uint8_t c) {
    return c == ' ' || c == '\t';
}

static inline bool byte_is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

/* The value of a hexadecimal digit, -1 for any other byte. */
static inline int byte_hex(uint8_t c) {
    if (byte_is_digit(c)) {
        return c - '0';
    }
    uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

#endif
