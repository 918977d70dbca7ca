/* See utf8.h. Runs of ASCII are skipped by words, the rest goes byte by byte. */
#include "wire/utf8.h"

#include <string.h>

#include "base/banned.h"

/* Bytes of ASCII at the beginning, by words. */
static size_t skip_ascii(const uint8_t *bytes, size_t len) {
    const uint64_t high = 0x8080808080808080u;
    size_t i = 0;
    while (i + 16 <= len) {
        uint64_t words[2];
        memcpy(words, bytes + i, sizeof(words));
        if ((words[0] | words[1]) & high) {
            break;
        }
        i += 16;
    }
    return i;
}

/* The first byte of a character. False where there is none like it (RFC 3629 section 4). */
static bool begin(struct utf8 *utf8, uint8_t c) {
    utf8->low = 0x80;
    utf8->high = 0xbf;
    if (c < 0x80) {
        return true;
    }
    if (c >= 0xc2 && c <= 0xdf) {
        utf8->need = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
        utf8->need = 2;
        utf8->low = c == 0xe0 ? 0xa0 : 0x80;  /* no overlong forms */
        utf8->high = c == 0xed ? 0x9f : 0xbf; /* no surrogates */
    } else if (c >= 0xf0 && c <= 0xf4) {
        utf8->need = 3;
        utf8->low = c == 0xf0 ? 0x90 : 0x80;
        utf8->high = c == 0xf4 ? 0x8f : 0xbf; /* nothing beyond U+10FFFF */
    } else {
        return false;
    }
    return true;
}

bool utf8_feed(struct utf8 *utf8, const uint8_t *bytes, size_t len) {
    size_t i = 0;
    while (i < len) {
        if (utf8->need == 0) {
            i += skip_ascii(bytes + i, len - i);
            if (i < len && !begin(utf8, bytes[i++])) {
                return false;
            }
            continue;
        }
        uint8_t c = bytes[i++];
        if (c < utf8->low || c > utf8->high) {
            return false;
        }
        utf8->need--;
        utf8->low = 0x80;
        utf8->high = 0xbf;
    }
    return true;
}
