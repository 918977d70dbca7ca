/* The life of an HTTP/1 connection: opened, a request at a time, timed out, closed.
 * See http1.h for the states; http1_in.c reads, http1_out.c answers. */
#include "http/http1.h"

#include <assert.h>
#include <unistd.h>

#include "base/err.h"
#include "base/size.h"

#include "base/banned.h"

#define TO(state) (1u << (state))

static const unsigned rx_edges[RX_COUNT] = {
    [RX_IDLE] = TO(RX_HEAD) | TO(RX_LINGER) | TO(RX_CLOSED),
    [RX_HEAD] = TO(RX_BODY) | TO(RX_DONE) | TO(RX_LINGER) | TO(RX_CLOSED),
    [RX_BODY] = TO(RX_DONE) | TO(RX_DRAIN) | TO(RX_LINGER) | TO(RX_CLOSED),
    [RX_DONE] = TO(RX_IDLE) | TO(RX_TUNNEL) | TO(RX_LINGER) | TO(RX_CLOSED),
    [RX_DRAIN] = TO(RX_DONE) | TO(RX_LINGER) | TO(RX_CLOSED),
    [RX_TUNNEL] = TO(RX_LINGER) | TO(RX_CLOSED),
    [RX_LINGER] = TO(RX_CLOSED),
};

static const unsigned tx_edges[TX_COUNT] = {
    [TX_IDLE] = TO(TX_WAIT) | TO(TX_CLOSED),
    [TX_WAIT] = TO(TX_BODY) | TO(TX_TUNNEL) | TO(TX_CLOSED),
    [TX_BODY] = TO(TX_DONE) | TO(TX_CLOSED),
    [TX_DONE] = TO(TX_IDLE) | TO(TX_CLOSED),
    [TX_TUNNEL] = TO(TX_CLOSED),
    [TX_CLOSED] = TO(TX_CLOSED),
};

/* Into, or out of, the states in which there is no HTTP any more. */
static void count_edge(struct figures *figures, enum rx from, enum rx to) {
    bool closing = to == RX_LINGER || to == RX_CLOSED;
    bool closed = from == RX_LINGER || from == RX_CLOSED;
    figures_add(figures->closing, closing && !closed);
    figures_add(figures->tunnels, to == RX_TUNNEL);
    figures_take(figures->tunnels, from == RX_TUNNEL);
}

void http1_set_rx(struct http1 *conn, enum rx to) {
    bool legal = rx_edges[conn->rx] & TO(to);
    assert(legal);
    (void)legal;
    if (to >= RX_TUNNEL) {
        count_edge(loop_figures(conn->server->loop), conn->rx, to);
    }
    conn->rx = (uint8_t)to;
}

void http1_set_tx(struct http1 *conn, enum tx to) {
    bool legal = tx_edges[conn->tx] & TO(to);
    assert(legal);
    (void)legal;
    conn->tx = (uint8_t)to;
}

/* The wheel's timer only ever moves later here; on_timer finds out what is due. */
void http1_arm(struct http1 *conn) {
    uint64_t due = conn->due;
    uint32_t timeout = conn->server->config.timeout_write;
    if (timeout > 0 && !chain_empty(&conn->stream->out)) {
        uint64_t stalled = conn->stream->progress + timeout;
        due = stalled < due ? stalled : due;
    }
    if (due != HTTP1_NEVER) {
        loop_timer_set(conn->stream->loop, &conn->timer, due);
    }
}

void http1_set_due(struct http1 *conn, uint32_t ms) {
    conn->due = ms > 0 ? loop_now(conn->stream->loop) + ms : HTTP1_NEVER;
    http1_arm(conn);
}

void http1_queue(struct http1_exchange *ex) {
    loop_queue(ex->exchange.loop, &ex->runnable);
}

void http1_count_answer(struct http1_exchange *ex) {
    ex->answered = true;
    figures_answer(loop_figures(ex->server->loop), ex->method, ex->status);
}

static void free_exchange(struct http1_exchange *ex, struct server *server) {
    struct figures *figures = loop_figures(server->loop);
    if (ex->arrived && !ex->answered) {
        figures_add(ex->started ? figures->aborted : figures->dropped, 1);
    }
    runnable_cancel(&ex->runnable);
    access_entry_drop(&ex->entry);
    slab_give(&server->exchange_slab, ex);
    if (server->state == SERVER_STOPPING) {
        server_settle(server);
    }
}

/* The response's line, once; also of one that was cut. */
static void log_access(struct http1 *conn, struct http1_exchange *ex) {
    struct access_log *log = &conn->server->access_log;
    if (log->on && ex->status > 0 && !ex->quiet) {
        struct access_end end = {.client = &ex->origin.client,
                                 .request_id = ex->id,
                                 .status = ex->status,
                                 .bytes = ex->sent};
        access_log_end(log, &ex->entry, &end);
        ex->status = 0;
    }
}

/* The connection is done with its request. */
static void give_up(struct http1 *conn) {
    conn->ex = NULL;
    figures_take(loop_figures(conn->server->loop)->busy, 1);
}

void http1_detach(struct http1 *conn) {
    struct http1_exchange *ex = conn->ex;
    if (!ex) {
        return;
    }
    give_up(conn);
    if (!ex->started) {
        free_exchange(ex, conn->server);
        return;
    }
    log_access(conn, ex);
    ex->conn = NULL;
    http1_queue(ex);
}

void http1_linger(struct http1 *conn, enum close_why why) {
    if (conn->ended) {
        http1_finish(conn, why);
        return;
    }
    stream_shutdown(conn->stream);
    conn->end = why;
    conn->lingered = 0;
    http1_set_rx(conn, RX_LINGER);
    http1_set_tx(conn, TX_CLOSED);
    http1_set_due(conn, HTTP1_LINGER_MS);
    http1_update_reading(conn);
}

void http1_finish(struct http1 *conn, enum close_why why) {
    http1_set_rx(conn, RX_CLOSED);
    http1_set_tx(conn, TX_CLOSED);
    conn->due = HTTP1_NEVER;
    stream_finish(conn->stream, why);
    http1_arm(conn);
    http1_update_reading(conn);
}

/* Between two requests, with room for the next answer. */
static void go_on(struct http1 *conn) {
    if (conn->in) {
        http1_advance(conn);
        return;
    }
    const struct server *server = conn->server;
    bool serving = server->state == SERVER_SERVING;
    http1_set_due(conn, serving ? server->config.timeout_keep_alive : HTTP1_STOP_MS);
    http1_update_reading(conn);
}

static void next_request(struct http1 *conn) {
    http1_set_rx(conn, RX_IDLE);
    http1_set_tx(conn, TX_IDLE);
    if (conn->stream->out.bytes > HTTP1_HIGH_WATER) {
        /* The peer sends but does not read: on_drained goes on. */
        stream_want_drained(conn->stream);
        http1_set_due(conn, 0);
        http1_update_reading(conn);
        return;
    }
    go_on(conn);
}

void http1_decide(struct http1 *conn) {
    struct http1_exchange *ex = conn->ex;
    http1_trim(conn); /* a piece of the body may have been borrowed until now */
    bool persist = !ex->close && conn->rx == RX_DONE;
    /* The peer said that it would send no more: an orderly end cannot reset what it reads. */
    bool clean = conn->rx == RX_DONE && !ex->rules.persistent && !conn->in;
    give_up(conn);
    free_exchange(ex, conn->server);
    if (persist) {
        next_request(conn);
    } else if (clean) {
        http1_finish(conn, CLOSE_DONE);
    } else {
        http1_linger(conn, CLOSE_DONE);
    }
}

/* The response is complete. */
static void settle(struct http1 *conn) {
    struct http1_exchange *ex = conn->ex;
    log_access(conn, ex);
    loop_answered(conn->server->loop, ex->arrival);
    /* Of a body that was read until now there may be more than is thrown away. */
    if (conn->rx == RX_BODY && !ex->close && ex->body_left <= HTTP1_DRAIN_BYTES) {
        http1_set_rx(conn, RX_DRAIN);
        conn->lingered = 0;
        http1_set_due(conn, HTTP1_DRAIN_MS);
        http1_advance(conn);
        return;
    }
    http1_decide(conn);
}

/* The exchange has become a tunnel; which may have ended already. */
static void settle_tunnel(struct http1 *conn) {
    struct http1_exchange *ex = conn->ex;
    log_access(conn, ex);
    give_up(conn);
    free_exchange(ex, conn->server);
    http1_tunnel_begin(conn);
}

/* The run beat of an exchange: delivers what waits, then looks whether it is over. */
static void run(struct runnable *runnable) {
    struct http1_exchange *ex = LIST_OWNER(runnable, struct http1_exchange, runnable);
    const struct exchange_events *events = ex->exchange.gateway->events;
    struct http1 *conn = ex->conn;
    /* The connection may go meanwhile, the server does not. */
    struct server *server = ex->server;
    ex->running = true;
    if (!conn) {
        if (!ex->over) {
            events->abort(&ex->exchange);
        }
        free_exchange(ex, server);
        return;
    }
    if (ex->events & EVENT_START) {
        ex->events &= ~(unsigned)EVENT_START;
        ex->started = true;
        struct figures *figures = loop_figures(server->loop);
        figures_add(figures->started, 1);
        figures_add(figures->queue_ns, server->loop->run_now - ex->arrival);
        struct request request = {.head = &ex->head,
                                  .bytes = http1_use(conn, ex->head_len),
                                  .rules = &ex->rules,
                                  .origin = &ex->origin,
                                  .id = ex->id,
                                  .local = &server->listeners[conn->listener].local,
                                  .security = stream_security(conn->stream),
                                  .listener = conn->listener};
        struct slice method = head_method(&ex->head, request.bytes);
        ex->method = figures_method_of(method);
        board_line(server->loop->board, method, head_target(&ex->head, request.bytes));
        events->start(&ex->exchange, &request);
        http1_trim(conn);
    }
    if (ex->conn && !ex->over && (ex->events & EVENT_BODY)) {
        ex->events &= ~(unsigned)EVENT_BODY;
        http1_deliver_body(ex);
    }
    if (ex->conn && !ex->over && (ex->events & EVENT_DRAINED)) {
        ex->events &= ~(unsigned)EVENT_DRAINED;
        events->drained(&ex->exchange);
    }
    ex->running = false;
    if (!ex->conn) {
        if (ex->over) {
            free_exchange(ex, server);
        }
    } else if (conn->tx == TX_DONE) {
        settle(conn);
    } else if (conn->tunnel) {
        settle_tunnel(conn);
    } else {
        http1_update_reading(conn);
    }
}

static void on_read(struct stream *stream, struct buf *buf) {
    struct http1 *conn = stream->user;
    conn->server->counters.bytes_read += buf_len(buf);
    if (conn->rx == RX_TUNNEL) {
        http1_tunnel_read(conn, buf);
        return;
    }
    if (conn->rx == RX_LINGER) {
        conn->lingered += buf_len(buf);
        buf_give(buf);
        if (conn->lingered > HTTP1_LINGER_BYTES && chain_empty(&stream->out)) {
            stream_close(stream, conn->end);
        } else {
            http1_update_reading(conn);
        }
        return;
    }
    if (conn->in) {
        /* The parser refuses a head beyond its limit before this bound is met. */
        size_t limit = (size_t)conn->server->config.head.head + BUF_SIZE + BUF_LARGE;
        int err = buf_append(&conn->in, buf, limit);
        if (err) {
            stream_close(stream, CLOSE_NOMEM);
            return;
        }
    } else {
        conn->in = buf;
    }
    http1_advance(conn);
}

/* The peer of a watched response sends no more. It may still read: no body may look whole. */
static void abort_watched(struct http1 *conn) {
    bool shows = http1_cut_shows(conn);
    http1_detach(conn);
    if (shows) {
        http1_finish(conn, CLOSE_PEER_EOF);
    } else {
        stream_close(conn->stream, CLOSE_CUT);
    }
}

static void on_eof(struct stream *stream) {
    struct http1 *conn = stream->user;
    conn->ended = true;
    switch ((enum rx)conn->rx) {
    case RX_BODY:
    case RX_DONE:
        if (conn->tx == TX_DONE) {
            conn->ex->close = true; /* the run beat settles it, and need not wait for more */
        } else if (conn->rx == RX_BODY) {
            http1_refuse(conn, ERR_BODY_CUT);
        } else {
            abort_watched(conn);
        }
        break;
    case RX_LINGER:
        http1_finish(conn, conn->end);
        break;
    case RX_TUNNEL:
        http1_tunnel_eof(conn);
        break;
    default:
        http1_detach(conn);
        http1_finish(conn, CLOSE_PEER_EOF);
        break;
    }
}

static void on_drained(struct stream *stream) {
    struct http1 *conn = stream->user;
    /* The wish may be that of an exchange before this one. */
    if (conn->rx == RX_TUNNEL) {
        http1_tunnel_drained(conn);
    } else if (conn->ex && conn->ex->want_drained) {
        conn->ex->want_drained = false;
        conn->ex->events |= EVENT_DRAINED;
        http1_queue(conn->ex);
    } else if (conn->rx == RX_IDLE) {
        go_on(conn);
    }
}

static void free_conn(struct grave *grave) {
    struct http1 *conn = LIST_OWNER(grave, struct http1, grave);
    slab_give(&conn->server->conn_slab, conn);
}

/* One line for a connection that ends, or never begins. `more`: behind `why`, or NULL. */
static void log_end(struct server *server, enum log_level level, const struct peer *peer,
                    const char *why, const char *more) {
    char ip[PEER_TEXT];
    peer_ip_text(peer, ip);
    log_write(&server->log, level, "closed the connection of %s:%u: %s%s%s",
              peer->family == PEER_UNIX ? "unix" : ip, peer->port, why, more ? ": " : "",
              more ? more : "");
}

/* What is the operator's business is an error; what a peer did before there was a request to
 * answer is told as it came, because no other line tells of it. */
static void log_closed(struct server *server, const struct peer *peer,
                       const struct stream *stream) {
    switch (stream->why) {
    case CLOSE_NOMEM:
    case CLOSE_FILE:
        log_end(server, LOG_LEVEL_ERROR, peer, close_why_text(stream->why), NULL);
        break;
    case CLOSE_PREFACE:
    case CLOSE_PREFACE_TIMEOUT:
        log_end(server, LOG_LEVEL_WARNING, peer, close_why_text(stream->why),
                stream->preface->error ? err_text(stream->preface->error) : NULL);
        break;
    case CLOSE_TLS_FAILED:
    case CLOSE_TLS_TIMEOUT:
    case CLOSE_TLS_PLAIN:
        log_end(server, LOG_LEVEL_INFO, peer, close_why_text(stream->why), stream_reason(stream));
        break;
    default:
        break;
    }
}

static void on_closed(struct stream *stream) {
    struct http1 *conn = stream->user;
    struct server *server = conn->server;
    struct figures *figures = loop_figures(server->loop);
    figures_take(figures->closing, conn->rx == RX_LINGER || conn->rx == RX_CLOSED);
    figures_take(figures->tunnels, conn->rx == RX_TUNNEL);
    conn->rx = RX_CLOSED;
    conn->tx = TX_CLOSED;
    http1_detach(conn);
    http1_tunnel_closed(conn);
    loop_timer_stop(stream->loop, &conn->timer);
    buf_give(conn->in);
    conn->in = NULL;
    list_remove(&conn->link);
    log_closed(server, http1_peer(conn), stream);
    loop_bury(stream->loop, &conn->grave, free_conn);
    server_closed(server, stream->why);
}

static const struct stream_events http1_events = {
    .read = on_read,
    .eof = on_eof,
    .drained = on_drained,
    .closed = on_closed,
};

/* The time-out of the present state has come. While output waits, only timeout_write can end
 * what the peer still reads, however slowly. */
static void expire(struct http1 *conn) {
    switch ((enum rx)conn->rx) {
    case RX_IDLE:
        if (conn->server->state != SERVER_SERVING) {
            http1_finish(conn, CLOSE_STOPPED);
        } else if (conn->stream->preface && !conn->stream->preface->come) {
            stream_close(conn->stream, CLOSE_PREFACE_TIMEOUT); /* it is no HTTP yet */
        } else if (conn->fresh) {
            http1_refuse(conn, ERR_HEAD_TIMEOUT);
        } else if (!chain_empty(&conn->stream->out)) {
            http1_set_due(conn, conn->server->config.timeout_keep_alive);
        } else {
            stream_close(conn->stream, CLOSE_IDLE_TIMEOUT);
        }
        break;
    case RX_HEAD:
        http1_refuse(conn, ERR_HEAD_TIMEOUT);
        break;
    case RX_BODY:
        if (conn->tx != TX_DONE) {
            http1_refuse(conn, ERR_BODY_TIMEOUT);
        }
        break;
    case RX_DRAIN:
        http1_detach(conn);
        http1_linger(conn, CLOSE_BODY_TIMEOUT);
        break;
    case RX_LINGER:
        if (!chain_empty(&conn->stream->out)) {
            http1_set_due(conn, HTTP1_LINGER_MS);
        } else {
            stream_close(conn->stream, conn->end);
        }
        break;
    case RX_DONE:
    case RX_TUNNEL:
    case RX_CLOSED:
    case RX_COUNT:
        break;
    }
}

static void on_timer(struct loop_timer *timer) {
    struct http1 *conn = LIST_OWNER(timer, struct http1, timer);
    struct stream *stream = conn->stream;
    uint64_t now = loop_now(stream->loop);
    uint32_t timeout = conn->server->config.timeout_write;
    if (timeout > 0 && !chain_empty(&stream->out) && now - stream->progress >= timeout) {
        stream_close(stream, CLOSE_WRITE_TIMEOUT);
    } else if (conn->due <= now) {
        conn->due = HTTP1_NEVER;
        expire(conn);
    } else {
        http1_arm(conn);
    }
}

size_t http1_exchange_size(uint32_t fields, bool named) {
    size_t size;
    if (!size_mul(fields, sizeof(struct field), &size) ||
        !size_add(size, sizeof(struct http1_exchange), &size) ||
        !size_add(size, named ? REQUEST_ID_MAX : 0, &size)) {
        return 0;
    }
    return size;
}

void http1_exchange_init(struct http1_exchange *ex, struct http1 *conn) {
    static const struct exchange_ops ops = {
        .send_head = http1_send_head,
        .send_body = http1_send_body,
        .want_body = http1_want_body,
        .take_body = http1_take_body,
        .want_drained = http1_want_drained,
        .reset = http1_reset,
        .send_info = http1_send_info,
        .send_trailers = http1_send_trailers,
        .want_abort = http1_want_abort,
        .unsent = http1_unsent,
        .upgrade = http1_upgrade,
    };
    struct server *server = conn->server;
    *ex = (struct http1_exchange){
        .exchange = {.gateway = server->gateway, .loop = server->loop, .ops = &ops},
        .server = server,
        .conn = conn,
    };
    runnable_init(&ex->runnable, run);
    head_init(&ex->head, ex->fields);
    conn->ex = ex;
    figures_add(loop_figures(server->loop)->busy, 1);
}

/* Only who is trusted may say for whom it connects. */
static bool is_welcome(struct server *server, const struct peer *peer) {
    const struct trust *prefaced = server->config.prefaced;
    if (!prefaced || trust_has(prefaced, peer)) {
        return true;
    }
    server->counters.accepted++;
    server->counters.closed[CLOSE_PREFACE_PEER]++;
    figures_add(loop_figures(server->loop)->accepted, 1);
    figures_add(&loop_figures(server->loop)->closed[CLOSE_PREFACE_PEER], 1);
    log_end(server, LOG_LEVEL_WARNING, peer, close_why_text(CLOSE_PREFACE_PEER), NULL);
    return false;
}

void http1_open(struct server *server, int fd, const struct peer *peer, uint32_t listener) {
    if (!is_welcome(server, peer)) {
        close(fd);
        return;
    }
    struct http1 *conn = slab_take(&server->conn_slab);
    if (!conn) {
        close(fd);
        log_end(server, LOG_LEVEL_ERROR, peer, err_text(ERR_NOMEM), NULL);
        return;
    }
    *conn = (struct http1){.server = server, .peer = *peer, .listener = listener, .fresh = true};
    conn->stream = transport_open(server->transport, server->loop, fd, &http1_events, conn);
    if (!conn->stream) {
        slab_give(&server->conn_slab, conn);
        log_end(server, LOG_LEVEL_ERROR, peer, err_text(ERR_SYSTEM), NULL);
        return;
    }
    loop_timer_init(&conn->timer, on_timer);
    list_append(&server->conns, &conn->link);
    server_opened(server);
    http1_set_due(conn, server->config.timeout_headers);
    http1_update_reading(conn);
}

void http1_stop(struct http1 *conn) {
    if (conn->rx == RX_IDLE && !conn->in) {
        uint64_t quiet = loop_now(conn->stream->loop) - conn->stream->progress;
        if (quiet < HTTP1_STOP_MS) {
            http1_set_due(conn, (uint32_t)(HTTP1_STOP_MS - quiet));
        } else {
            http1_finish(conn, CLOSE_STOPPED);
        }
    } else if (conn->rx == RX_TUNNEL) {
        http1_tunnel_stop(conn);
    }
}

void http1_abandon(struct http1 *conn) {
    bool owes = conn->tx != TX_IDLE && conn->tx != TX_TUNNEL && conn->tx != TX_CLOSED;
    bool late = owes || !chain_empty(&conn->stream->out);
    stream_close(conn->stream, late ? CLOSE_STOPPED_LATE : CLOSE_STOPPED);
}
