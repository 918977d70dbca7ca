/* Base64 (RFC 4648 section 4), as much of it as the handshake of WebSocket needs. Pure. */
#ifndef WIRE_BASE64_H
#define WIRE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4)

/* Writes BASE64_SIZE(bytes.len) characters, without a NUL. */
void base64_encode(struct slice bytes, char *text);

/* Is it the encoding of exactly 16 bytes, padding and its zero bits included? */
bool base64_is_16_bytes(struct slice text);

#endif
