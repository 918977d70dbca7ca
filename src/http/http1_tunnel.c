/* A connection whose last exchange was turned into a tunnel (RFC 9110 section 7.8): the stream's
 * events go to the tunnel, the tunnel's operations to the stream. See http1.h and tunnel.h. */
#include "http/http1.h"

#include "base/err.h"
#include "http/status.h"

#include "base/banned.h"

static struct http1 *conn_of(const struct tunnel *tunnel) {
    return tunnel->carrier;
}

/* --- operations --- */

static void read_start(struct tunnel *tunnel) {
    struct http1 *conn = conn_of(tunnel);
    if (!conn || conn->rx != RX_TUNNEL) {
        return;
    }
    conn->tunnel_reads = true;
    if (conn->in && !conn->ex) {
        loop_queue(tunnel->loop, &tunnel->early);
    }
    http1_update_reading(conn);
}

static void read_stop(struct tunnel *tunnel) {
    struct http1 *conn = conn_of(tunnel);
    if (conn && conn->rx == RX_TUNNEL) {
        conn->tunnel_reads = false;
        http1_update_reading(conn);
    }
}

static void write_out(struct tunnel *tunnel, struct chain *chain) {
    struct http1 *conn = conn_of(tunnel);
    if (conn && conn->rx == RX_TUNNEL) {
        stream_write(conn->stream, chain);
        http1_arm(conn);
    } else {
        chain_drop(chain, &tunnel->loop->pieces, &tunnel->loop->trash);
    }
}

static void want_drained(struct tunnel *tunnel) {
    struct http1 *conn = conn_of(tunnel);
    if (conn && conn->rx == RX_TUNNEL) {
        conn->tunnel_drains = true;
        stream_want_drained(conn->stream);
        http1_arm(conn);
    }
}

static void finish(struct tunnel *tunnel) {
    struct http1 *conn = conn_of(tunnel);
    if (!conn || conn->rx != RX_TUNNEL) {
        return;
    }
    runnable_cancel(&tunnel->early);
    http1_linger(conn, CLOSE_WEBSOCKET);
}

static void close_now(struct tunnel *tunnel, enum close_why why) {
    struct http1 *conn = conn_of(tunnel);
    if (!conn) {
        return;
    }
    runnable_cancel(&tunnel->early);
    if (conn->rx != RX_CLOSED) {
        http1_set_rx(conn, RX_CLOSED);
        http1_set_tx(conn, TX_CLOSED);
    }
    stream_close(conn->stream, why);
}

static size_t unsent(const struct tunnel *tunnel) {
    const struct http1 *conn = conn_of(tunnel);
    return conn ? conn->stream->out.bytes : 0;
}

/* --- events --- */

void http1_tunnel_read(struct http1 *conn, struct buf *buf) {
    conn->tunnel->events->read(conn->tunnel, buf);
}

void http1_tunnel_eof(struct http1 *conn) {
    conn->tunnel->events->eof(conn->tunnel);
}

void http1_tunnel_drained(struct http1 *conn) {
    /* The wish may have been the exchange's. */
    if (conn->tunnel_drains) {
        conn->tunnel_drains = false;
        conn->tunnel->events->drained(conn->tunnel);
    }
}

void http1_tunnel_stop(struct http1 *conn) {
    if (!conn->ex) {
        conn->tunnel->events->stopping(conn->tunnel);
    }
}

void http1_tunnel_closed(struct http1 *conn) {
    struct tunnel *tunnel = conn->tunnel;
    if (!tunnel) {
        return;
    }
    conn->tunnel = NULL;
    tunnel->carrier = NULL;
    runnable_cancel(&tunnel->early);
    tunnel->events->closed(tunnel, conn->stream->why);
}

/* Run beat: what had arrived before the upgrade. */
static void deliver_early(struct runnable *runnable) {
    struct tunnel *tunnel = LIST_OWNER(runnable, struct tunnel, early);
    struct http1 *conn = conn_of(tunnel);
    struct buf *buf = conn->in;
    if (conn->tunnel_reads && buf) {
        conn->in = NULL;
        http1_update_reading(conn);
        http1_tunnel_read(conn, buf);
    }
}

void http1_tunnel_begin(struct http1 *conn) {
    struct tunnel *tunnel = conn->tunnel;
    http1_trim(conn);
    if (conn->rx != RX_TUNNEL) {
        return; /* its owner has ended it already */
    }
    if (conn->in && conn->tunnel_reads) {
        loop_queue(tunnel->loop, &tunnel->early);
    }
    http1_update_reading(conn);
    if (conn->server->swept) {
        tunnel->events->stopping(tunnel);
    }
}

/* --- the upgrade --- */

int http1_upgrade(struct exchange *exchange, struct slice protocol,
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
    struct http1_exchange *ex = LIST_OWNER(exchange, struct http1_exchange, exchange);
    struct http1 *conn = ex->conn;
    struct piece *piece;
    if (!conn) {
        return ERR_GONE;
    }
    if (conn->tx != TX_WAIT || conn->rx != RX_DONE || !ex->rules.upgrade) {
        return ERR_ORDER;
    }
    struct response_head head = {.status = 101,
                                 .reason = status_reason(101),
                                 .fields = fields,
                                 .field_count = count,
                                 .content_length = -1};
    int err = http1_render_head(ex, &head, HEAD_SWITCH, protocol, &piece);
    if (err) {
        return err;
    }
    board_requests(conn->server->loop->board, ++conn->server->counters.requests);
    ex->status = head.status;
    http1_count_answer(ex);
    ex->over = true;
    tunnel->loop = exchange->loop;
    tunnel->log = &conn->server->log;
    conn->peer = conn->ex->origin.client;
    tunnel->peer = &conn->peer;
    tunnel->ops = &ops;
    tunnel->carrier = conn;
    runnable_init(&tunnel->early, deliver_early);
    conn->tunnel = tunnel;
    http1_set_rx(conn, RX_TUNNEL);
    http1_set_tx(conn, TX_TUNNEL);
    http1_set_due(conn, 0);
    http1_update_reading(conn); /* it may have been watched */
    struct chain chain = {0};
    chain_append(&chain, piece);
    stream_write(conn->stream, &chain);
    http1_arm(conn);
    if (!ex->running) {
        http1_queue(ex);
    }
    return 0;
}
