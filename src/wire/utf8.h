/* Is it UTF-8 (RFC 3629)? Incremental, since a text may come in fragments, and said as soon as it
 * is certain that it is not. Pure. */
#ifndef WIRE_UTF8_H
#define WIRE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct utf8 {
    uint8_t need; /* private: bytes that the character still needs */
    uint8_t low;  /* the next of them is within low..high */
    uint8_t high;
};

static inline void utf8_init(struct utf8 *utf8) {
    utf8->need = 0;
    utf8->low = 0x80;
    utf8->high = 0xbf;
}

/* False as soon as no text can begin like this. */
bool utf8_feed(struct utf8 *utf8, const uint8_t *bytes, size_t len);

/* True where no character is left incomplete. */
static inline bool utf8_done(const struct utf8 *utf8) {
    return utf8->need == 0;
}

#endif
