/* A transport without sockets; see fakes.h. It keeps the laws of net/stream.h, and is as strict
 * as a transport may be: nothing is read ahead, every law that the user could break is watched. */
#include "http/fakes.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "must.h"

struct fake_clock fake_clock;

uint64_t __wrap_uv_now(const uv_loop_t *loop);
uint64_t __wrap_uv_hrtime(void);
time_t __wrap_time(time_t *into);

uint64_t __wrap_uv_now(const uv_loop_t *loop) {
    (void)loop;
    return fake_clock.ms;
}

uint64_t __wrap_uv_hrtime(void) {
    fake_clock.hr_ns += fake_clock.hr_step;
    return fake_clock.hr_ns;
}

time_t __wrap_time(time_t *into) {
    if (into) {
        *into = (time_t)fake_clock.unix_time;
    }
    return (time_t)fake_clock.unix_time;
}

struct fake_stream {
    struct stream stream;
    struct fake_peer *peer;
    struct slab *home;
    struct grave grave;
    int fd;
    bool owes; /* `drained`, for a send_now that was cut short */
};

static struct fake_stream *own(struct stream *stream) {
    return LIST_OWNER(stream, struct fake_stream, stream);
}

void fake_peer_init(struct fake_peer *peer) {
    peer->in_len = 0;
    peer->step = SIZE_MAX;
    peer->window = SIZE_MAX;
    peer->half_closes = false;
    peer->resets = false;
    peer->in_used = 0;
    peer->eof_told = false;
    peer->out_len = 0;
    peer->end = FAKE_OPEN;
    peer->why = CLOSE_NONE;
    peer->closed = false;
    peer->reading = false;
    peer->stream = NULL;
}

void fake_peer_send(struct fake_peer *peer, struct slice bytes) {
    MUST(bytes.len <= FAKE_IN - peer->in_len);
    if (bytes.len > 0) {
        memcpy(peer->in + peer->in_len, bytes.at, bytes.len);
    }
    peer->in_len += bytes.len;
}

void fake_peer_open_window(struct fake_peer *peer, size_t more) {
    peer->window += more;
    if (peer->stream && peer->stream->why == CLOSE_NONE) {
        loop_flush_later(peer->stream->loop, &peer->stream->flushable);
    }
}

/* What the peer gets of a piece: memory, or a file's bytes. */
static void receive(struct fake_peer *peer, const struct piece *piece, size_t len) {
    if (piece->fd < 0) {
        memcpy(peer->out + peer->out_len, piece->at, len);
    } else {
        ssize_t got = pread(piece->fd, peer->out + peer->out_len, len, piece->offset);
        MUST(got == (ssize_t)len);
    }
    peer->out_len += len;
}

static void flush(struct flushable *flushable) {
    struct stream *stream = LIST_OWNER(flushable, struct stream, flushable);
    struct fake_peer *peer = own(stream)->peer;
    struct loop *loop = stream->loop;
    MUST(stream->why == CLOSE_NONE);
    while (!chain_empty(&stream->out)) {
        struct piece *piece = stream->out.first;
        size_t len = piece->len < peer->window ? piece->len : peer->window;
        len = len < FAKE_OUT - peer->out_len ? len : FAKE_OUT - peer->out_len;
        if (len == 0 && piece->len > 0) {
            break;
        }
        MUST(!peer->end);
        receive(peer, piece, len);
        if (peer->window != SIZE_MAX) {
            peer->window -= len;
        }
        stream->progress = loop_now(loop);
        chain_consume(&stream->out, len, &loop->pieces, &loop->trash);
    }
    if (stream->shut && chain_empty(&stream->out)) {
        if (stream->finish != CLOSE_NONE) {
            stream_close(stream, stream->finish);
            return;
        }
        peer->end = FAKE_FIN;
    }
    bool owes = own(stream)->owes && peer->window > 0;
    if (owes || (stream->want_drained && stream->out.bytes < STREAM_LOW_WATER)) {
        stream->want_drained = false;
        own(stream)->owes = false;
        stream->events->drained(stream);
    }
}

static size_t send_now(struct stream *stream, const uint8_t *bytes, size_t len) {
    struct fake_peer *peer = own(stream)->peer;
    MUST(stream->why == CLOSE_NONE && chain_empty(&stream->out) && !peer->end);
    size_t taken = len < peer->window ? len : peer->window;
    taken = taken < FAKE_OUT - peer->out_len ? taken : FAKE_OUT - peer->out_len;
    memcpy(peer->out + peer->out_len, bytes, taken);
    peer->out_len += taken;
    if (peer->window != SIZE_MAX) {
        peer->window -= taken;
    }
    own(stream)->owes = taken < len;
    return taken;
}

static void read_start(struct stream *stream) {
    own(stream)->peer->reading = true;
}

static void read_stop(struct stream *stream) {
    own(stream)->peer->reading = false;
}

static void close_stream(struct stream *stream) {
    struct fake_stream *self = own(stream);
    MUST(self->peer->why == CLOSE_NONE);
    self->peer->why = stream->why;
    if (close_why_resets(stream->why)) {
        self->peer->end = FAKE_RST;
    } else if (self->peer->end == FAKE_OPEN) {
        self->peer->end = FAKE_FIN;
    }
    if (self->fd >= 0) {
        close(self->fd);
    }
}

static void free_stream(struct grave *grave) {
    struct fake_stream *self = LIST_OWNER(grave, struct fake_stream, grave);
    slab_give(self->home, self);
}

static const struct stream_ops ops = {
    .read_start = read_start,
    .read_stop = read_stop,
    .close = close_stream,
    .send_now = send_now,
};

static struct stream *open_stream(struct transport *transport, struct loop *loop, int fd,
                                  const struct stream_events *events, void *user) {
    struct fake_transport *fake = LIST_OWNER(transport, struct fake_transport, transport);
    struct fake_peer *peer = fake->expected;
    MUST(peer != NULL);
    fake->expected = NULL;
    struct fake_stream *self = slab_take(&fake->streams);
    if (!self) {
        peer->closed = true;
        return NULL;
    }
    *self = (struct fake_stream){
        .stream = {.loop = loop, .user = user, .ops = &ops, .events = events},
        .peer = peer,
        .home = &fake->streams,
        .fd = fd,
    };
    self->stream.progress = loop_now(loop);
    flushable_init(&self->stream.flushable, flush);
    peer->stream = &self->stream;
    return &self->stream;
}

static uint32_t live(const struct transport *transport) {
    return LIST_OWNER(transport, const struct fake_transport, transport)->streams.live;
}

void fake_transport_init(struct fake_transport *fake) {
    static const struct transport_ops transport_ops = {.open = open_stream, .live = live};
    fake->transport.ops = &transport_ops;
    fake->expected = NULL;
    slab_init(&fake->streams, sizeof(struct fake_stream), 8);
}

void fake_transport_release(struct fake_transport *fake) {
    slab_release(&fake->streams);
}

static void tell_closed(struct fake_peer *peer) {
    struct stream *stream = peer->stream;
    MUST(chain_empty(&stream->out));
    peer->stream = NULL;
    peer->closed = true;
    loop_bury(stream->loop, &own(stream)->grave, free_stream);
    stream->events->closed(stream);
}

static void tell_read(struct fake_peer *peer) {
    struct stream *stream = peer->stream;
    struct buf *buf = buf_take(&stream->loop->bufs);
    if (!buf) {
        stream_close(stream, CLOSE_NOMEM);
        return;
    }
    size_t len = peer->in_len - peer->in_used;
    len = len < peer->step ? len : peer->step;
    len = len < BUF_SIZE ? len : BUF_SIZE;
    memcpy(buf->bytes, peer->in + peer->in_used, len);
    buf->end = (uint32_t)len;
    peer->in_used += len;
    stream->events->read(stream, buf);
}

void fake_peer_turn(struct fake_peer *peer) {
    struct stream *stream = peer->stream;
    if (!stream) {
        return;
    }
    if (stream->why != CLOSE_NONE) {
        tell_closed(peer);
    } else if (peer->resets) {
        stream_close(stream, CLOSE_PEER_RESET);
    } else if (peer->reading && peer->in_used < peer->in_len) {
        tell_read(peer);
    } else if (peer->reading && peer->half_closes && !peer->eof_told) {
        peer->eof_told = true;
        stream->events->eof(stream);
    }
}
