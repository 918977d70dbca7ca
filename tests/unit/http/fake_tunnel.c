/* The owner of a tunnel; see fake_tunnel.h. */
#include "http/fake_tunnel.h"

#include "base/list.h"
#include "must.h"

/* The owner of an event's tunnel, which must be one that may still be told something. */
static struct fake_tunnel *told(struct tunnel *tunnel) {
    struct fake_tunnel *self = LIST_OWNER(tunnel, struct fake_tunnel, tunnel);
    MUST(self->open && !self->operating);
    return self;
}

static void on_read(struct tunnel *tunnel, struct buf *buf) {
    struct fake_tunnel *self = told(tunnel);
    MUST(self->reading && !self->ended);
    MUST(buf_len(buf) > 0);
    fake_note(self->gateway, buf_slice(buf));
    buf_give(buf);
}

static void on_eof(struct tunnel *tunnel) {
    struct fake_tunnel *self = told(tunnel);
    MUST(self->reading && !self->ended);
    fake_note(self->gateway, SLICE("|eof\n"));
}

static void on_drained(struct tunnel *tunnel) {
    struct fake_tunnel *self = told(tunnel);
    MUST(self->want_drained && !self->ended);
    self->want_drained = false;
    fake_note(self->gateway, SLICE("drained\n"));
}

static void on_stopping(struct tunnel *tunnel) {
    struct fake_tunnel *self = told(tunnel);
    MUST(!self->ended);
    fake_note(self->gateway, SLICE("stopping\n"));
}

static void on_closed(struct tunnel *tunnel, enum close_why why) {
    struct fake_tunnel *self = told(tunnel);
    MUST(why != CLOSE_NONE);
    MUST(tunnel->carrier == NULL && list_empty(&tunnel->early.link));
    MUST(tunnel_unsent(tunnel) == 0);
    self->open = false;
    self->why = why;
    fake_note(self->gateway, SLICE("closed\n"));
}

void fake_tunnel_init(struct fake_tunnel *tunnel, struct fake_gateway *gateway) {
    static const struct tunnel_events events = {
        .read = on_read,
        .eof = on_eof,
        .drained = on_drained,
        .stopping = on_stopping,
        .closed = on_closed,
    };
    *tunnel = (struct fake_tunnel){.tunnel = {.events = &events}, .gateway = gateway};
}

int fake_tunnel_upgrade(struct fake_tunnel *tunnel, struct exchange *exchange,
                        const struct response_field *fields, size_t count) {
    tunnel->operating = true;
    int err = fake_upgrade(tunnel->gateway, exchange, fields, count, &tunnel->tunnel);
    tunnel->operating = false;
    tunnel->open = !err;
    return err;
}

void fake_tunnel_read(struct fake_tunnel *tunnel, bool start) {
    tunnel->operating = true;
    tunnel->reading = start;
    if (start) {
        tunnel_read_start(&tunnel->tunnel);
    } else {
        tunnel_read_stop(&tunnel->tunnel);
    }
    tunnel->operating = false;
}

void fake_tunnel_write(struct fake_tunnel *tunnel, struct slice bytes) {
    struct chain chain;
    chain_init(&chain);
    struct piece *piece = piece_memory(&tunnel->tunnel.loop->pieces, bytes, NULL, NULL);
    if (!piece) {
        fake_tunnel_close(tunnel, CLOSE_NOMEM);
        return;
    }
    chain_append(&chain, piece);
    tunnel->operating = true;
    tunnel_write(&tunnel->tunnel, &chain);
    tunnel->operating = false;
    tunnel->written += bytes.len;
    MUST(chain_empty(&chain));
}

void fake_tunnel_want_drained(struct fake_tunnel *tunnel) {
    tunnel->operating = true;
    tunnel->want_drained = true;
    tunnel_want_drained(&tunnel->tunnel);
    tunnel->operating = false;
}

void fake_tunnel_finish(struct fake_tunnel *tunnel) {
    tunnel->operating = true;
    tunnel->ended = true;
    tunnel_finish(&tunnel->tunnel);
    tunnel->operating = false;
}

void fake_tunnel_close(struct fake_tunnel *tunnel, enum close_why why) {
    tunnel->operating = true;
    tunnel->ended = true;
    tunnel_close(&tunnel->tunnel, why);
    tunnel->operating = false;
}
