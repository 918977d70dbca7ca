/* A tunnel without a protocol below; see fake_carrier.h. */
#include "http/fake_carrier.h"

#include <string.h>

#include "must.h"
#include "net/stream.h"

static struct fake_carrier *carrier_of(const struct tunnel *tunnel) {
    struct fake_carrier *self = tunnel->carrier;
    MUST(self && self->tunnel == tunnel);
    return self;
}

/* May its owner still be told anything but `closed`? */
static bool lives(const struct fake_carrier *self) {
    return self->tunnel && !self->finished && self->why == CLOSE_NONE;
}

static void drop_out(struct fake_carrier *self) {
    struct loop *loop = self->exchange.loop;
    chain_drop(&self->chain, &loop->pieces, &loop->trash);
}

/* --- operations --- */

static void read_start(struct tunnel *tunnel) {
    carrier_of(tunnel)->reading = true;
}

static void read_stop(struct tunnel *tunnel) {
    carrier_of(tunnel)->reading = false;
}

static void write_out(struct tunnel *tunnel, struct chain *chain) {
    struct fake_carrier *self = tunnel->carrier;
    struct loop *loop = tunnel->loop;
    if (self && lives(self)) {
        chain_splice(&self->chain, chain);
        loop_flush_later(loop, &self->flushable);
    } else {
        chain_drop(chain, &loop->pieces, &loop->trash);
    }
}

static void want_drained(struct tunnel *tunnel) {
    struct fake_carrier *self = carrier_of(tunnel);
    if (lives(self)) {
        self->want_drained = true;
        loop_flush_later(tunnel->loop, &self->flushable);
    }
}

static void finish(struct tunnel *tunnel) {
    struct fake_carrier *self = carrier_of(tunnel);
    MUST(!self->finished);
    self->finished = true;
}

static void close_now(struct tunnel *tunnel, enum close_why why) {
    struct fake_carrier *self = carrier_of(tunnel);
    MUST(why != CLOSE_NONE);
    if (self->why == CLOSE_NONE) {
        self->why = why;
        drop_out(self);
    }
}

static size_t unsent(const struct tunnel *tunnel) {
    const struct fake_carrier *self = tunnel->carrier;
    return self ? self->chain.bytes : 0;
}

/* --- the exchange --- */

static void note_field(struct fake_carrier *self, const struct response_field *field) {
    int len = snprintf(self->fields + self->fields_len, sizeof(self->fields) - self->fields_len,
                       "%.*s: %.*s\n", (int)field->name.len, (const char *)field->name.at,
                       (int)field->value.len, (const char *)field->value.at);
    MUST(len > 0 && (size_t)len < sizeof(self->fields) - self->fields_len);
    self->fields_len += (size_t)len;
}

static int upgrade(struct exchange *exchange, struct slice protocol,
                   const struct response_field *fields, size_t count, struct tunnel *tunnel) {
    static const struct tunnel_ops ops = {
        .read_start = read_start,
        .read_stop = read_stop,
        .write = write_out,
        .want_drained = want_drained,
        .finish = finish,
        .close = close_now,
        .unsent = unsent,
    };
    struct fake_carrier *self = LIST_OWNER(exchange, struct fake_carrier, exchange);
    MUST(!self->upgraded && slice_equal(protocol, SLICE("websocket")));
    if (self->refusal) {
        return self->refusal;
    }
    for (size_t i = 0; i < count; i++) {
        note_field(self, &fields[i]);
    }
    tunnel->loop = exchange->loop;
    tunnel->log = self->log;
    tunnel->peer = &self->peer;
    tunnel->ops = &ops;
    tunnel->carrier = self;
    self->tunnel = tunnel;
    self->upgraded = true;
    return 0;
}

/* --- the peer --- */

static void receive(struct fake_carrier *self, size_t len) {
    struct loop *loop = self->exchange.loop;
    memcpy(self->out + self->out_len, self->chain.first->at, len);
    self->out_len += len;
    if (self->window != SIZE_MAX) {
        self->window -= len;
    }
    chain_consume(&self->chain, len, &loop->pieces, &loop->trash);
}

static void flush(struct flushable *flushable) {
    struct fake_carrier *self = LIST_OWNER(flushable, struct fake_carrier, flushable);
    while (!chain_empty(&self->chain)) {
        size_t len = self->chain.first->len;
        len = len < self->window ? len : self->window;
        len = len < CARRIER_OUT - self->out_len ? len : CARRIER_OUT - self->out_len;
        if (len == 0 && self->chain.first->len > 0) {
            break;
        }
        receive(self, len);
    }
    if (lives(self) && self->want_drained && self->chain.bytes < STREAM_LOW_WATER) {
        self->want_drained = false;
        self->tunnel->events->drained(self->tunnel);
    }
}

static void tell_closed(struct fake_carrier *self) {
    struct tunnel *tunnel = self->tunnel;
    drop_out(self);
    list_remove(&self->flushable.link);
    self->closed = true;
    self->tunnel = NULL;
    tunnel->carrier = NULL;
    if (self->why == CLOSE_NONE) {
        self->why = CLOSE_WEBSOCKET;
    }
    tunnel->events->closed(tunnel, self->why);
}

static void tell_read(struct fake_carrier *self) {
    struct buf *buf = buf_take(&self->exchange.loop->bufs);
    if (!buf) {
        close_now(self->tunnel, CLOSE_NOMEM);
        return;
    }
    size_t len = self->in_len - self->in_used;
    len = len < self->step ? len : self->step;
    len = len < BUF_SIZE ? len : BUF_SIZE;
    memcpy(buf->bytes, self->in + self->in_used, len);
    buf->end = (uint32_t)len;
    self->in_used += len;
    self->tunnel->events->read(self->tunnel, buf);
}

void fake_carrier_init(struct fake_carrier *carrier, struct loop *loop, struct log *log) {
    static const struct exchange_ops ops = {.upgrade = upgrade};
    memset(carrier, 0, offsetof(struct fake_carrier, in));
    carrier->step = SIZE_MAX;
    carrier->window = SIZE_MAX;
    carrier->exchange.loop = loop;
    carrier->exchange.ops = &ops;
    carrier->log = log;
    carrier->peer = (struct peer){.family = PEER_IPV4, .port = 4711, .ip = {192, 0, 2, 1}};
    flushable_init(&carrier->flushable, flush);
}

void fake_carrier_send(struct fake_carrier *carrier, struct slice bytes) {
    MUST(bytes.len <= CARRIER_IN - carrier->in_len);
    if (bytes.len > 0) {
        memcpy(carrier->in + carrier->in_len, bytes.at, bytes.len);
        carrier->in_len += bytes.len;
    }
}

void fake_carrier_open_window(struct fake_carrier *carrier, size_t more) {
    carrier->window = more < SIZE_MAX - carrier->window ? carrier->window + more : SIZE_MAX;
    if (carrier->tunnel) {
        loop_flush_later(carrier->exchange.loop, &carrier->flushable);
    }
}

void fake_carrier_turn(struct fake_carrier *carrier) {
    bool ends = carrier->half_closes && carrier->in_used == carrier->in_len;
    if (!carrier->tunnel) {
        return;
    }
    if (carrier->resets && carrier->why == CLOSE_NONE) {
        carrier->why = CLOSE_PEER_RESET;
        drop_out(carrier);
    }
    if (carrier->why != CLOSE_NONE) {
        tell_closed(carrier);
    } else if (carrier->finished) {
        carrier->in_used = carrier->in_len; /* thrown away */
        if (chain_empty(&carrier->chain) && (ends || !carrier->hears_end)) {
            tell_closed(carrier);
        }
    } else if (carrier->reading && carrier->in_used < carrier->in_len) {
        tell_read(carrier);
    } else if (carrier->reading && ends && !carrier->eof_told) {
        carrier->eof_told = true;
        carrier->tunnel->events->eof(carrier->tunnel);
    }
}

void fake_carrier_stop(struct fake_carrier *carrier) {
    if (lives(carrier)) {
        carrier->tunnel->events->stopping(carrier->tunnel);
    }
}
