/* See ws_deflate.h. */
#include "http/ws_deflate.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/err.h"

#include "base/banned.h"

enum { MEM_LEVEL = 5, LEVEL = 6 };

const struct ws_deflate_wishes ws_deflate_wishes = {.server_bits = 12, .client_bits = 12};

struct ws_deflate {
    struct ws_deflate_params params;
    z_stream *in;  /* NULL: not there */
    z_stream *out; /* NULL: not there */
};

struct ws_deflate *ws_deflate_new(const struct ws_deflate_params *params) {
    struct ws_deflate *self = calloc(1, sizeof(*self));
    if (self) {
        self->params = *params;
    }
    return self;
}

static void drop_in(struct ws_deflate *self) {
    if (self->in) {
        inflateEnd(self->in);
        free(self->in);
        self->in = NULL;
    }
}

static void drop_out(struct ws_deflate *self) {
    if (self->out) {
        deflateEnd(self->out);
        free(self->out);
        self->out = NULL;
    }
}

void ws_deflate_free(struct ws_deflate *self) {
    if (self) {
        drop_in(self);
        drop_out(self);
        free(self);
    }
}

/* --- in --- */

/* 0 or ERR_NOMEM. */
static int need_in(struct ws_deflate *self) {
    if (self->in) {
        return 0;
    }
    z_stream *stream = calloc(1, sizeof(*stream));
    if (!stream || inflateInit2(stream, -(int)self->params.client_bits) != Z_OK) {
        free(stream);
        return ERR_NOMEM;
    }
    self->in = stream;
    return 0;
}

static uInt clip(size_t len) {
    return len > UINT_MAX ? UINT_MAX : (uInt)len;
}

int ws_inflate(struct ws_deflate *self, struct slice *in, uint8_t *out, size_t room, size_t *made) {
    int err = need_in(self);
    *made = 0;
    if (err) {
        return err;
    }
    z_stream *stream = self->in;
    uInt given = clip(in->len);
    uInt had = clip(room);
    stream->next_in = (Bytef *)(uintptr_t)in->at;
    stream->avail_in = given;
    stream->next_out = out;
    stream->avail_out = had;
    int status = inflate(stream, Z_SYNC_FLUSH);
    *in = slice_of(in->at + (given - stream->avail_in), in->len - (given - stream->avail_in));
    *made = had - stream->avail_out;
    if (status == Z_MEM_ERROR) {
        return ERR_NOMEM;
    }
    if (status == Z_STREAM_END) {
        /* A final block is allowed (RFC 7692 section 7.2.3.4). What comes next begins at a byte,
         * and may refer to what came before: inflateReset would forget that, and to give it back
         * by inflateSetDictionary would cost copies of the window for every two bytes. */
        return inflateResetKeep(stream) == Z_OK ? 0 : ERR_WS_DEFLATE;
    }
    /* Z_BUF_ERROR: no progress was possible, for want of input or of room. */
    bool wants = stream->avail_in == 0 || stream->avail_out == 0;
    return status == Z_OK || (status == Z_BUF_ERROR && wants) ? 0 : ERR_WS_DEFLATE;
}

void ws_inflate_end(struct ws_deflate *self) {
    if (self->params.client_no_takeover) {
        drop_in(self);
    }
}

/* --- out --- */

/* False where memory is short. */
static bool need_out(struct ws_deflate *self) {
    if (self->out) {
        return true;
    }
    z_stream *stream = calloc(1, sizeof(*stream));
    if (!stream || deflateInit2(stream, LEVEL, Z_DEFLATED, -(int)self->params.server_bits,
                                MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(stream);
        return false;
    }
    self->out = stream;
    return true;
}

int ws_deflate(struct ws_deflate *self, struct slice *in, uint8_t *out, size_t room, size_t *made) {
    *made = 0;
    if (!need_out(self)) {
        return ERR_NOMEM;
    }
    z_stream *stream = self->out;
    uInt given = clip(in->len);
    uInt had = clip(room);
    stream->next_in = (Bytef *)(uintptr_t)in->at;
    stream->avail_in = given;
    stream->next_out = out;
    stream->avail_out = had;
    /* Z_BUF_ERROR: the room before was just enough, and there is nothing to add. */
    (void)deflate(stream, given == in->len ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    *in = slice_of(in->at + (given - stream->avail_in), in->len - (given - stream->avail_in));
    *made = had - stream->avail_out;
    return 0;
}

void ws_deflate_end(struct ws_deflate *self) {
    if (self->params.server_no_takeover) {
        drop_out(self);
    }
}
