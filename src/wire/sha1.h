/* SHA-1 (RFC 3174), for the handshake of WebSocket alone, which proves nothing with it but that
 * the server has understood (RFC 6455 section 1.3). Not for anything that must be secure. Pure. */
#ifndef WIRE_SHA1_H
#define WIRE_SHA1_H

#include <stdint.h>

#include "base/slice.h"

enum { SHA1_SIZE = 20, SHA1_TEXT_MAX = 119 };

/* The digest of a text of at most SHA1_TEXT_MAX bytes. */
void sha1(struct slice text, uint8_t digest[SHA1_SIZE]);

#endif
