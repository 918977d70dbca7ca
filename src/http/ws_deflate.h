/* The compressor and the decompressor of one WebSocket (RFC 7692 section 7.2), by zlib.
 *
 * Neither is there before its first message, nor, without context take-over, between messages.
 * Windows of 12 bits and memLevel 5 bound them to 39 kB and 11 kB (docs/DECISIONS.md 31). Any beat,
 * one thread. */
#ifndef HTTP_WS_DEFLATE_H
#define HTTP_WS_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "wire/ws_deflate_params.h"

struct ws_deflate;

/* What this server would like to agree upon. */
extern const struct ws_deflate_wishes ws_deflate_wishes;

/* [gives] or NULL where memory is short. */
struct ws_deflate *ws_deflate_new(const struct ws_deflate_params *params);

/* [takes]; NULL is nothing. */
void ws_deflate_free(struct ws_deflate *self);

/* Inflates a part of a message: what is left of *in, into `room` bytes at `out`. *in is what is
 * left afterwards, *made how many bytes came out; call again while there is more of either.
 * 0, ERR_WS_DEFLATE or ERR_NOMEM. */
int ws_inflate(struct ws_deflate *self, struct slice *in, uint8_t *out, size_t room, size_t *made);

/* What a message ends with, and is sent without (RFC 7692 section 7.2.1): to be inflated behind
 * it. */
#define WS_DEFLATE_TAIL SLICE("\x00\x00\xff\xff")

/* Bytes of room with which zlib can end a message. */
enum { WS_DEFLATE_ROOM = 16 };

/* The message has ended. */
void ws_inflate_end(struct ws_deflate *self);

/* Compresses what is left of a message that is not empty, *in, into `room` bytes at `out`, at least
 * WS_DEFLATE_ROOM. *in is what is left afterwards, *made how many bytes came out; the message is
 * whole when nothing is left and there was room for more. Its WS_DEFLATE_TAIL then is to be cut
 * off. 0 or ERR_NOMEM. */
int ws_deflate(struct ws_deflate *self, struct slice *in, uint8_t *out, size_t room, size_t *made);

/* The message is whole. */
void ws_deflate_end(struct ws_deflate *self);

#endif
