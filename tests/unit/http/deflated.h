/* The peer's half of permessage-deflate in tests: a compressor and a decompressor of its own. */
#ifndef UNIT_HTTP_DEFLATED_H
#define UNIT_HTTP_DEFLATED_H

#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#include "base/slice.h"
#include "must.h"

struct deflated {
    z_stream out;
    z_stream in;
};

static inline void deflated_init(struct deflated *self, int out_bits, int in_bits) {
    memset(self, 0, sizeof(*self));
    MUST(deflateInit2(&self->out, 9, Z_DEFLATED, -out_bits, 9, Z_DEFAULT_STRATEGY) == Z_OK);
    MUST(inflateInit2(&self->in, -in_bits) == Z_OK);
}

static inline void deflated_release(struct deflated *self) {
    deflateEnd(&self->out);
    inflateEnd(&self->in);
}

/* The payload of a message, without the tail, into `room` bytes at `to`. [borrows to] */
static inline struct slice deflated_pack(struct deflated *self, struct slice message, uint8_t *to,
                                         size_t room) {
    self->out.next_in = (Bytef *)(uintptr_t)message.at;
    self->out.avail_in = (uInt)message.len;
    self->out.next_out = to;
    self->out.avail_out = (uInt)room;
    MUST(deflate(&self->out, Z_SYNC_FLUSH) == Z_OK && self->out.avail_out > 0);
    return slice_of(to, room - self->out.avail_out - 4);
}

/* The message of a payload; `broken` where it is none. [borrows to] */
static inline struct slice deflated_unpack(struct deflated *self, struct slice payload, uint8_t *to,
                                           size_t room, bool *broken) {
    static const uint8_t tail[] = {0, 0, 0xff, 0xff};
    self->in.next_out = to;
    self->in.avail_out = (uInt)room;
    self->in.next_in = (Bytef *)(uintptr_t)payload.at;
    self->in.avail_in = (uInt)payload.len;
    int status = inflate(&self->in, Z_SYNC_FLUSH);
    bool whole = (status == Z_OK || status == Z_BUF_ERROR) && self->in.avail_in == 0;
    self->in.next_in = (Bytef *)(uintptr_t)tail;
    self->in.avail_in = sizeof(tail);
    status = inflate(&self->in, Z_SYNC_FLUSH);
    *broken = !whole || (status != Z_OK && status != Z_BUF_ERROR) || self->in.avail_in > 0;
    return slice_of(to, room - self->in.avail_out);
}

#endif
