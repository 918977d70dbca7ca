/* The way out: response heads, framed bodies, refusals (RFC 9112). Run beat, but for refusals.
 * http1_head.c renders. See http1.h. */
#include "http/http1.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "http/status.h"

#include "base/banned.h"

/* "ffffffffffffffff\r\n" */
enum { CHUNK_LINE = 18 };

static struct http1_exchange *own(struct exchange *exchange) {
    return LIST_OWNER(exchange, struct http1_exchange, exchange);
}

bool http1_may_persist(const struct http1 *conn, bool whole) {
    const struct http1_exchange *ex = conn->ex;
    if (!ex->rules.persistent || conn->server->state != SERVER_SERVING) {
        return false;
    }
    if (conn->rx == RX_DONE) {
        return true;
    }
    /* A body that the peer announced with an expectation may come or not, so nothing can follow
     * it (RFC 9110 section 10.1.1). One that is being read while the response is made will have
     * been read; what nobody reads is thrown away if it is short. */
    bool is_read = !whole && (ex->want_body || ex->body_seen > 0);
    return !ex->continue_due && (is_read || ex->body_left <= HTTP1_DRAIN_BYTES);
}

static void put_out(struct http1 *conn, struct piece *piece) {
    struct chain chain = {0};
    chain_append(&chain, piece);
    stream_write(conn->stream, &chain);
}

static void note_head(struct http1_exchange *ex, const struct response_field *fields,
                      size_t count) {
    struct access_log *log = &ex->server->access_log;
    if (log->on && log->format.has_head && !ex->quiet) {
        access_log_head(log, &ex->entry, fields, count);
    }
}

int http1_send_head(struct exchange *exchange, const struct response_head *head) {
    struct http1_exchange *ex = own(exchange);
    struct http1 *conn = ex->conn;
    struct piece *piece;
    if (!conn) {
        return ERR_GONE;
    }
    if (conn->tx != TX_WAIT) {
        return ERR_ORDER;
    }
    if (head->status < 200 || head->status > 999) {
        return ERR_RESPONSE_STATUS;
    }
    int err = http1_render_head(ex, head, HEAD_FINAL, SLICE(""), &piece);
    if (err) {
        return err;
    }
    put_out(conn, piece);
    http1_set_tx(conn, TX_BODY);
    note_head(ex, head->fields, head->field_count);
    return 0;
}

int http1_send_info(struct exchange *exchange, int status, const struct response_field *fields,
                    size_t count) {
    struct http1_exchange *ex = own(exchange);
    struct http1 *conn = ex->conn;
    struct piece *piece;
    if (!conn) {
        return ERR_GONE;
    }
    if (conn->tx != TX_WAIT) {
        return ERR_ORDER;
    }
    if (status < 100 || status > 199 || status == 101) {
        return ERR_RESPONSE_STATUS;
    }
    struct response_head head = {.status = status,
                                 .reason = status_reason(status),
                                 .fields = fields,
                                 .field_count = count,
                                 .content_length = -1};
    int err = http1_render_head(ex, &head, HEAD_INTERIM, SLICE(""), &piece);
    if (err) {
        return err;
    }
    if (ex->head.minor == 0) {
        piece_free(&exchange->loop->pieces, piece); /* RFC 9110 section 15.2 */
        return 0;
    }
    ex->continue_due = ex->continue_due && status != 100;
    put_out(conn, piece);
    http1_arm(conn);
    return 0;
}

/* Wraps `body` as one chunk, and the last one behind it (RFC 9112 section 7.1). */
static int chunk(struct chain *body, bool last, struct loop *loop) {
    struct chain framed = {0};
    struct slice tail = last ? SLICE("0\r\n\r\n") : SLICE("");
    if (body->bytes > 0) {
        struct piece *line = piece_own(&loop->pieces, CHUNK_LINE + 1);
        if (!line) {
            return ERR_NOMEM;
        }
        line->len =
            (size_t)snprintf((char *)piece_room(line), CHUNK_LINE + 1, "%zx\r\n", body->bytes);
        chain_append(&framed, line);
        chain_splice(&framed, body);
        tail = last ? SLICE("\r\n0\r\n\r\n") : SLICE("\r\n");
    }
    *body = framed;
    if (tail.len > 0) {
        struct piece *end = piece_memory(&loop->pieces, tail, NULL, NULL);
        if (!end) {
            return ERR_NOMEM;
        }
        chain_append(body, end);
    }
    return 0;
}

/* Holds a body to what its head said. 0 or EXCHANGE_*; ERR_RESPONSE_LONG (the excess is gone),
 * ERR_NOMEM. */
static int fit(struct http1_exchange *ex, struct chain *body, bool last) {
    struct loop *loop = ex->exchange.loop;
    int err = 0;
    switch (ex->framing) {
    case FRAMING_NONE:
        chain_drop(body, &loop->pieces, &loop->trash);
        return last ? 0 : EXCHANGE_ENOUGH;
    case FRAMING_LENGTH:
        if (body->bytes > ex->length_left) {
            chain_cut(body, (size_t)ex->length_left, &loop->pieces, &loop->trash);
            err = ERR_RESPONSE_LONG;
        }
        ex->length_left -= body->bytes;
        ex->sent += body->bytes;
        return err || last || ex->length_left > 0 ? err : EXCHANGE_WHOLE;
    case FRAMING_CHUNKED:
        ex->sent += body->bytes;
        return chunk(body, last, loop);
    case FRAMING_CLOSE:
        ex->sent += body->bytes;
        break;
    }
    return 0;
}

bool http1_cut_shows(const struct http1 *conn) {
    enum framing framing = conn->ex->framing;
    return conn->tx != TX_BODY || framing == FRAMING_LENGTH || framing == FRAMING_CHUNKED;
}

/* The response cannot be completed. Where the peer will see that something is missing, by the
 * framing or because nothing came, what was sent before still arrives; else only a reset tells. */
static void cut(struct http1 *conn) {
    bool shows = http1_cut_shows(conn);
    conn->ex->over = true;
    http1_detach(conn);
    if (shows) {
        http1_linger(conn, CLOSE_CUT);
    } else {
        stream_close(conn->stream, CLOSE_CUT);
    }
}

/* The last byte of the response is on the stream. */
static void complete(struct http1_exchange *ex) {
    board_requests(ex->server->loop->board, ++ex->server->counters.requests);
    ex->server->counters.bytes_written += ex->sent;
    http1_count_answer(ex);
    ex->over = true;
    http1_set_tx(ex->conn, TX_DONE);
    if (!ex->running) {
        http1_queue(ex);
    }
}

int http1_send_body(struct exchange *exchange, struct chain *body, bool last) {
    struct http1_exchange *ex = own(exchange);
    struct http1 *conn = ex->conn;
    struct loop *loop = exchange->loop;
    if (!conn || conn->tx != TX_BODY) {
        chain_drop(body, &loop->pieces, &loop->trash);
        return conn ? ERR_ORDER : ERR_GONE;
    }
    int err = fit(ex, body, last);
    if (err == ERR_NOMEM) {
        chain_drop(body, &loop->pieces, &loop->trash);
        cut(conn);
        return err;
    }
    if (!chain_empty(body)) {
        stream_write(conn->stream, body);
    }
    if (!last) {
        http1_arm(conn);
        return err;
    }
    if (ex->framing == FRAMING_LENGTH && ex->length_left > 0) {
        cut(conn);
        return ERR_RESPONSE_SHORT;
    }
    complete(ex);
    return err;
}

int http1_send_trailers(struct exchange *exchange, const struct response_field *fields,
                        size_t count) {
    struct http1_exchange *ex = own(exchange);
    struct http1 *conn = ex->conn;
    struct piece *piece;
    if (!conn) {
        return ERR_GONE;
    }
    if (conn->tx != TX_BODY) {
        return ERR_ORDER;
    }
    int err = http1_render_trailers(ex, fields, count, &piece);
    if (err == ERR_NOMEM) {
        cut(conn);
    }
    if (err) {
        return err;
    }
    if (!piece) {
        struct chain none = {0};
        return http1_send_body(exchange, &none, true);
    }
    put_out(conn, piece);
    complete(ex);
    return 0;
}

void http1_want_drained(struct exchange *exchange) {
    struct http1_exchange *ex = own(exchange);
    if (ex->conn && !ex->over) {
        ex->want_drained = true;
        stream_want_drained(ex->conn->stream);
        http1_arm(ex->conn);
    }
}

void http1_want_abort(struct exchange *exchange) {
    struct http1_exchange *ex = own(exchange);
    if (ex->conn && !ex->over) {
        ex->want_abort = true;
        http1_update_reading(ex->conn);
    }
}

size_t http1_unsent(const struct exchange *exchange) {
    const struct http1_exchange *ex = LIST_OWNER(exchange, const struct http1_exchange, exchange);
    return ex->conn ? ex->conn->stream->out.bytes : 0;
}

void http1_reset(struct exchange *exchange) {
    struct http1_exchange *ex = own(exchange);
    ex->over = true;
    if (ex->conn) {
        cut(ex->conn);
    }
}

/* `mute`: nothing could be answered, because a response had begun. */
static void log_refusal(struct http1 *conn, int err, bool mute) {
    char ip[PEER_TEXT];
    char bytes[200];
    const struct peer *peer =
        conn->ex && conn->rx != RX_HEAD ? &conn->ex->origin.client : http1_peer(conn);
    peer_ip_text(peer, ip);
    bytes[0] = '\0';
    if (conn->in) {
        struct slice in = buf_slice(conn->in);
        in.len = in.len < 64 ? in.len : 64;
        log_escape(bytes, sizeof(bytes), in);
    }
    const char *client = peer->family == PEER_UNIX ? "unix" : ip;
    if (mute) {
        log_write(&conn->server->log, LOG_LEVEL_WARNING, "cut off %s:%u: %s: \"%s\"", client,
                  peer->port, err_text(err), bytes);
    } else {
        log_write(&conn->server->log, LOG_LEVEL_WARNING, "refused %s:%u with %d: %s: \"%s\"",
                  client, peer->port, err_status(err), err_text(err), bytes);
    }
}

static enum close_why refusal(int err) {
    switch (err) {
    case ERR_HEAD_TIMEOUT:
        return CLOSE_HEAD_TIMEOUT;
    case ERR_BODY_TIMEOUT:
        return CLOSE_BODY_TIMEOUT;
    default:
        return CLOSE_REFUSED;
    }
}

/* Was the request that is refused a HEAD, as far as is known? */
static bool asks_for_head(const struct http1 *conn) {
    const struct http1_exchange *ex = conn->ex;
    if (!ex) {
        return false;
    }
    if (conn->rx != RX_HEAD) {
        return ex->rules.is_head;
    }
    return ex->head.method_len > 0 && conn->in &&
           slice_equal(head_method(&ex->head, buf_slice(conn->in).at), SLICE("HEAD"));
}

void http1_refuse(struct http1 *conn, int err) {
    conn->server->counters.refused++;
    figures_add(&loop_figures(conn->server->loop)->refused[figures_class_of(err_status(err))], 1);
    bool mute = conn->tx != TX_IDLE && conn->tx != TX_WAIT;
    log_refusal(conn, err, mute);
    struct piece *piece = mute ? NULL : http1_render_refusal(conn, err, !asks_for_head(conn));
    http1_detach(conn);
    if (!piece) {
        stream_close(conn->stream, mute ? CLOSE_CUT : CLOSE_NOMEM);
        return;
    }
    put_out(conn, piece);
    http1_linger(conn, refusal(err));
}
