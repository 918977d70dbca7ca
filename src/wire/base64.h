/* Base64 (RFC 4648 section 4), as much of it as the handshake of WebSocket and Basic authentication
 * need. Pure. */
#ifndef WIRE_BASE64_H
#define WIRE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"

#define BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4)

/* Writes BASE64_SIZE(bytes.len) characters, without a NUL. */
void base64_encode(struct slice bytes, char *text);

/* The bytes of `text`, padded or not, into `bytes`, which has room for `size`; what does not fit is
 * left out. How many; -1: it is no base64. */
ssize_t base64_decode(struct slice text, uint8_t *bytes, size_t size);

/* Is it the encoding of exactly 16 bytes, padding and its zero bits included? */
bool base64_is_16_bytes(struct slice text);

#endif
