/* The way in: bytes to requests and bodies (RFC 9112). Read beat, but for the delivery of bodies.
 * See http1.h. */
#include "http/http1.h"

#include "base/err.h"

#include "base/banned.h"

const uint8_t *http1_use(struct http1 *conn, size_t used) {
    const uint8_t *bytes = conn->in->bytes + conn->in->start;
    conn->in->start += (uint32_t)used;
    return bytes;
}

void http1_trim(struct http1 *conn) {
    if (conn->in && buf_len(conn->in) == 0) {
        buf_give(conn->in);
        conn->in = NULL;
    }
}

/* Does the present state have use for more bytes? While a response is made, the next request
 * waits in the socket: that is the back pressure. A watched one (exchange_want_abort) is read on
 * into one buffer, for the peer's end; the wish costs nothing before the poll would change. */
static bool wants_bytes(const struct http1 *conn) {
    switch ((enum rx)conn->rx) {
    case RX_IDLE:
        return !conn->in && conn->stream->out.bytes <= HTTP1_HIGH_WATER;
    case RX_BODY:
        return conn->ex->want_body && !(conn->ex->events & EVENT_BODY);
    case RX_LINGER:
        return conn->lingered <= HTTP1_LINGER_BYTES;
    case RX_HEAD:
    case RX_DRAIN:
        return true;
    case RX_DONE:
        return conn->ex && conn->ex->want_abort && conn->tx != TX_DONE &&
               (!conn->in || buf_len(conn->in) < HTTP1_WATCH_BYTES);
    case RX_TUNNEL:
        return conn->tunnel_reads && !conn->in;
    case RX_CLOSED:
    case RX_COUNT:
        break;
    }
    return false;
}

void http1_update_reading(struct http1 *conn) {
    if (wants_bytes(conn)) {
        stream_read_start(conn->stream);
    } else {
        stream_read_stop(conn->stream);
    }
}

static bool body_over(const struct http1_exchange *ex) {
    switch (ex->rules.body) {
    case BODY_LENGTH:
        return ex->body_left == 0;
    case BODY_CHUNKED:
        return ex->chunks.done;
    case BODY_NONE:
        break;
    }
    return true;
}

/* The next run of body bytes in `conn->in`: its length, and how many bytes of the wire it took.
 * Neither where more bytes are needed. 0 or a negative error. */
static int next_run(struct http1_exchange *ex, struct slice *data, size_t *used) {
    *data = slice_of(NULL, 0);
    *used = 0;
    if (!ex->conn->in || body_over(ex)) {
        return 0; /* bytes behind the body are the next request's */
    }
    struct slice in = buf_slice(ex->conn->in);
    if (ex->rules.body == BODY_LENGTH) {
        data->at = in.at;
        data->len = in.len < ex->body_left ? in.len : (size_t)ex->body_left;
        *used = data->len;
        ex->body_left -= data->len;
        return 0;
    }
    while (*used < in.len && data->len == 0 && !ex->chunks.done) {
        ssize_t n = chunk_decode(&ex->chunks, in.at + *used, in.len - *used, data);
        if (n < 0) {
            return (int)n;
        }
        *used += (size_t)n;
    }
    return 0;
}

/* The next piece, taken off `conn->in`; *last: the body's end has come with it. False where the
 * request has been refused for it. */
static bool take_piece(struct http1_exchange *ex, struct slice *data, bool *last) {
    struct http1 *conn = ex->conn;
    size_t used;
    int err = next_run(ex, data, &used);
    ex->body_seen += data->len;
    uint64_t limit = conn->server->config.body;
    if (!err && limit > 0 && ex->body_seen > limit) {
        err = ERR_BODY_TOO_LARGE;
    }
    if (err) {
        http1_refuse(conn, err);
        return false;
    }
    *last = body_over(ex);
    if (*last && conn->rx == RX_BODY) {
        http1_set_rx(conn, RX_DONE);
    }
    if (used > 0) {
        http1_use(conn, used);
    }
    return true;
}

bool http1_take_body(struct exchange *exchange, struct slice *piece, bool *last) {
    struct http1_exchange *ex = LIST_OWNER(exchange, struct http1_exchange, exchange);
    struct http1 *conn = ex->conn;
    if (!conn || ex->over || ex->want_body) {
        return false;
    }
    http1_trim(conn);
    if ((!conn->in && !body_over(ex)) || !take_piece(ex, piece, last)) {
        return false;
    }
    return piece->len > 0 || *last;
}

void http1_deliver_body(struct http1_exchange *ex) {
    struct http1 *conn = ex->conn;
    struct slice data;
    bool last;
    if (!take_piece(ex, &data, &last)) {
        return;
    }
    if (data.len > 0 || last) {
        ex->want_body = false;
        conn->due = HTTP1_NEVER;
        ex->exchange.gateway->events->body(&ex->exchange, data, last);
    } else {
        http1_set_due(conn, conn->server->config.timeout_body);
    }
    http1_trim(conn);
}

void http1_want_body(struct exchange *exchange) {
    struct http1_exchange *ex = LIST_OWNER(exchange, struct http1_exchange, exchange);
    struct http1 *conn = ex->conn;
    if (!conn || ex->over) {
        return;
    }
    http1_trim(conn);
    ex->want_body = true;
    if ((conn->in && buf_len(conn->in) > 0) || conn->rx == RX_DONE) {
        ex->events |= EVENT_BODY;
        http1_queue(ex);
        return;
    }
    if (ex->continue_due && conn->tx == TX_WAIT) {
        struct chain chain = {0};
        struct piece *piece = piece_memory(&exchange->loop->pieces,
                                           SLICE("HTTP/1.1 100 Continue\r\n\r\n"), NULL, NULL);
        if (piece) {
            chain_append(&chain, piece);
            stream_write(conn->stream, &chain);
        }
    }
    ex->continue_due = false;
    http1_set_due(conn, conn->server->config.timeout_body);
    http1_update_reading(conn);
}

bool http1_drain(struct http1 *conn) {
    struct http1_exchange *ex = conn->ex;
    while (conn->in && !body_over(ex)) {
        struct slice data;
        size_t used;
        if (next_run(ex, &data, &used) || conn->lingered + used > HTTP1_DRAIN_BYTES) {
            http1_detach(conn);
            http1_linger(conn, CLOSE_DONE);
            return false;
        }
        conn->lingered += used;
        http1_use(conn, used);
        http1_trim(conn);
    }
    return body_over(ex);
}

/* Who asks. 0 or a negative error. */
static int find_origin(struct http1 *conn, const uint8_t *bytes) {
    struct http1_exchange *ex = conn->ex;
    const struct origin_rules *rules = conn->server->config.origin;
    ex->origin = origin_direct(http1_peer(conn), stream_security(conn->stream) != NULL);
    return rules ? origin_find(rules, &ex->head, bytes, ex->rules.authority, &ex->origin) : 0;
}

/* Who answers: a question for the server's health is no business of the application, nor of the
 * access log. */
static void choose_gateway(struct http1 *conn, const uint8_t *bytes) {
    struct http1_exchange *ex = conn->ex;
    const struct server *server = conn->server;
    if (server->health && slice_equal(ex->rules.path, server->config.health_path)) {
        ex->exchange.gateway = server->health;
        ex->quiet = true;
    } else if (server->access_log.on) {
        access_log_begin(&conn->server->access_log, &ex->entry, &ex->head, &ex->rules, bytes);
    }
}

static void find_id(struct http1 *conn, const uint8_t *bytes) {
    struct http1_exchange *ex = conn->ex;
    struct server *server = conn->server;
    char *room = (char *)&ex->fields[server->config.head.fields];
    size_t len = request_id_find(&server->config.request_id, &server->ids, http1_peer(conn),
                                 &ex->head, bytes, room);
    ex->id = slice_of(room, len);
}

/* A head is complete: what follows, and is it allowed? 0 or a negative error. */
static int judge(struct http1 *conn, const uint8_t *bytes) {
    struct http1_exchange *ex = conn->ex;
    uint64_t limit = conn->server->config.body;
    int err = http_rules_request(&ex->head, bytes, &ex->rules);
    if (err) {
        return err;
    }
    if (limit > 0 && ex->rules.content_length > limit) {
        return ERR_BODY_TOO_LARGE;
    }
    err = find_origin(conn, bytes);
    if (err) {
        return err;
    }
    ex->body_left = ex->rules.content_length;
    ex->continue_due = ex->rules.expect_continue;
    chunk_decoder_init(&ex->chunks);
    return 0;
}

/* Tries for a head in `conn->in`. */
static void advance_head(struct http1 *conn) {
    struct http1_exchange *ex = conn->ex;
    const struct server *server = conn->server;
    struct slice in = buf_slice(conn->in);
    ssize_t used = server->parser->parse(&ex->head, in.at, in.len, &server->config.head);
    if (used == 0) {
        if (!conn->fresh && conn->due == HTTP1_NEVER) {
            http1_set_due(conn, server->config.timeout_headers);
        }
        http1_update_reading(conn);
        return;
    }
    int err = used < 0 ? (int)used : judge(conn, in.at);
    if (err) {
        http1_refuse(conn, err);
        return;
    }
    conn->fresh = false;
    conn->due = HTTP1_NEVER;
    ex->head_len = (size_t)used;
    http1_set_rx(conn, body_over(ex) ? RX_DONE : RX_BODY);
    http1_set_tx(conn, TX_WAIT);
    if (server->config.request_id.mode != REQUEST_ID_OFF) {
        find_id(conn, in.at);
    }
    choose_gateway(conn, in.at);
    ex->events = EVENT_START;
    ex->arrived = true;
    ex->arrival = loop_arrival(server->loop);
    figures_add(loop_figures(server->loop)->arrived, 1);
    http1_update_reading(conn);
    http1_queue(ex);
}

void http1_advance(struct http1 *conn) {
    switch ((enum rx)conn->rx) {
    case RX_IDLE: {
        struct http1_exchange *ex = slab_take(&conn->server->exchange_slab);
        if (!ex) {
            stream_close(conn->stream, CLOSE_NOMEM);
            return;
        }
        http1_exchange_init(ex, conn);
        http1_set_rx(conn, RX_HEAD);
        if (!conn->fresh) {
            conn->due = HTTP1_NEVER;
        }
        advance_head(conn);
        break;
    }
    case RX_HEAD:
        advance_head(conn);
        break;
    case RX_BODY:
        if (conn->ex->want_body && conn->in) {
            conn->ex->events |= EVENT_BODY;
            http1_queue(conn->ex);
            http1_update_reading(conn);
        }
        break;
    case RX_DRAIN:
        if (http1_drain(conn)) {
            http1_set_rx(conn, RX_DONE);
            http1_decide(conn);
        } else if (conn->rx == RX_DRAIN) {
            http1_update_reading(conn);
        }
        break;
    case RX_DONE:
        http1_update_reading(conn);
        break;
    case RX_TUNNEL:
    case RX_LINGER:
    case RX_CLOSED:
    case RX_COUNT:
        break;
    }
}
