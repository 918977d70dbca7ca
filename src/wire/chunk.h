/* The chunked transfer coding of a request body (RFC 9112 section 7.1), decoded in place.
 *
 * Pure and incremental. The data is not moved: each call shows the next run of it. Trailers are
 * checked, bounded and discarded (RFC 9110 section 6.5.1 allows it). Called by http/http1. */
#ifndef WIRE_CHUNK_H
#define WIRE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"

struct chunk_decoder {
    bool done; /* read-only: the last chunk and the trailer section have been used up */
    /* private */
    uint8_t state;
    uint8_t digits;    /* of the size so far */
    uint32_t line;     /* bytes of the size line so far */
    uint32_t trailer;  /* bytes of the trailer section so far */
    uint32_t fields;   /* of the trailer section so far */
    uint64_t left;     /* data bytes of this chunk still to come */
    uint64_t data;     /* bytes that the chunks up to this one hold together */
    uint64_t overhead; /* bytes of size lines beyond what their data pays for */
    uint8_t name_len;  /* of the trailer field's name, kept in name */
    uint8_t name[32];
};

void chunk_decoder_init(struct chunk_decoder *decoder);

/* Uses bytes of `bytes[0..len)` up to and including the first run of data, or all of them.
 * Returns how many; 0 where len is 0 or the decoder is done; a negative error otherwise.
 * `data` gives the run, empty where none was met. [borrows bytes]
 * Call again with what is left until all is used or `done`. Bytes behind the end of the body
 * are never used. */
ssize_t chunk_decode(struct chunk_decoder *decoder, const uint8_t *bytes, size_t len,
                     struct slice *data);

/* True for fields that frame, route, authenticate or steer the message: they have no place in a
 * trailer section (RFC 9110 section 6.5.1). */
bool chunk_trailer_forbidden(struct slice name);

#endif
