/* See base64.h. */
#include "wire/base64.h"

#include "base/banned.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct slice bytes, char *text) {
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = (uint32_t)bytes.at[i] << 16;
        group |= have > 1 ? (uint32_t)bytes.at[i + 1] << 8 : 0;
        group |= have > 2 ? bytes.at[i + 2] : 0;
        *text++ = digits[group >> 18];
        *text++ = digits[group >> 12 & 63];
        *text++ = have > 1 ? digits[group >> 6 & 63] : '=';
        *text++ = have > 2 ? digits[group & 63] : '=';
    }
}

/* 0 to 63; -1 for what is no digit. */
static int value_of(uint8_t c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_is_16_bytes(struct slice text) {
    if (text.len != 24 || text.at[22] != '=' || text.at[23] != '=') {
        return false;
    }
    for (size_t i = 0; i < 22; i++) {
        if (value_of(text.at[i]) < 0) {
            return false;
        }
    }
    return (value_of(text.at[21]) & 15) == 0;
}

ssize_t base64_decode(struct slice text, uint8_t *bytes, size_t size) {
    uint32_t word = 0;
    unsigned bits = 0;
    size_t len = 0;
    for (int padding = 0; padding < 2 && text.len > 0 && text.at[text.len - 1] == '='; padding++) {
        text.len--;
    }
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.at[i]);
        if (value < 0) {
            return -1;
        }
        word = word << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            if (len < size) {
                bytes[len++] = (uint8_t)(word >> bits);
            }
        }
    }
    return text.len % 4 == 1 ? -1 : (ssize_t)len;
}
