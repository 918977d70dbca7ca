/* See utf8.h. A vector path vouches for as much as it can; what it does not vouch for goes byte by
 * byte, runs of ASCII by words. */
#include "wire/utf8.h"

#include <string.h>

#include "wire/utf8_paths.h"

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

/* The next byte of a character that has begun. */
static bool go_on(struct utf8 *utf8, uint8_t c) {
    if (c < utf8->low || c > utf8->high) {
        return false;
    }
    utf8->need--;
    utf8->low = 0x80;
    utf8->high = 0xbf;
    return true;
}

static bool feed_scalar(struct utf8 *utf8, const uint8_t *bytes, size_t len) {
    size_t i = 0;
    while (i < len) {
        if (utf8->need > 0) {
            if (!go_on(utf8, bytes[i++])) {
                return false;
            }
            continue;
        }
        i += skip_ascii(bytes + i, len - i);
        if (i < len && !begin(utf8, bytes[i++])) {
            return false;
        }
    }
    return true;
}

bool utf8_feed_by(const struct utf8_path *path, struct utf8 *utf8, const uint8_t *bytes,
                  size_t len) {
    size_t i = 0;
    if (len == 0) {
        return true; /* `bytes` may be NULL */
    }
    while (i < len && utf8->need > 0) {
        if (!go_on(utf8, bytes[i++])) {
            return false;
        }
    }
    i += path->prefix(bytes + i, len - i);
    return feed_scalar(utf8, bytes + i, len - i);
}

bool utf8_feed(struct utf8 *utf8, const uint8_t *bytes, size_t len) {
    size_t count;
    return utf8_feed_by(utf8_paths(&count)[0], utf8, bytes, len);
}

const struct utf8_path utf8_path_scalar = {.name = "scalar", .prefix = skip_ascii};
