/* The way out: response heads, framed bodies, refusals (RFC 9112). Run beat, but for refusals.
 * See http1.h. */
#include "http/http1.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "http/status.h"

#include "base/banned.h"

/* Room for what the server itself puts into a head: status line without reason, Server, Date,
 * Content-Length, Connection, Transfer-Encoding, the empty line. */
enum { OWN_LINES = 256 };

/* "ffffffffffffffff\r\n" */
enum { CHUNK_LINE = 18 };

/* What a look at the application's fields has shown. */
struct seen {
    bool date;
    bool server;
    bool close;
    bool has_length;
    uint64_t length;
};

static struct http1_exchange *own(struct exchange *exchange) {
    return LIST_OWNER(exchange, struct http1_exchange, exchange);
}

bool http1_may_persist(const struct http1 *conn) {
    const struct http1_exchange *ex = conn->ex;
    if (!ex->rules.persistent || conn->server->state != SERVER_SERVING) {
        return false;
    }
    if (conn->rx == RX_DONE) {
        return true;
    }
    /* A body that nobody has read: thrown away if it is short. One that the peer announced with
     * an expectation may come or not, so nothing can follow it (RFC 9110 section 10.1.1). */
    return !ex->continue_due && ex->body_left <= HTTP1_DRAIN_BYTES;
}

/* Bytes that the head takes at the most; false where that does not fit. */
static bool measure(const struct response_head *head, size_t *size) {
    bool fits = size_add(head->reason.len, OWN_LINES, size);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct response_field *field = &head->fields[i];
        fits = fits && size_add(*size, field->name.len, size) &&
               size_add(*size, field->value.len, size) && size_add(*size, 4, size);
    }
    return fits;
}

/* RFC 9112 section 6: how this body will end, and whether the connection ends with it. */
static void frame(struct http1_exchange *ex, const struct response_head *head,
                  const struct seen *seen) {
    ex->status = head->status;
    ex->close = seen->close || !http1_may_persist(ex->conn);
    if (ex->rules.is_head || http_rules_status_bodyless(head->status)) {
        ex->framing = FRAMING_NONE;
    } else if (seen->has_length) {
        ex->framing = FRAMING_LENGTH;
        ex->length_left = seen->length;
    } else if (head->content_length >= 0) {
        ex->framing = FRAMING_LENGTH;
        ex->length_left = (uint64_t)head->content_length;
    } else if (ex->head.minor == 1) {
        ex->framing = FRAMING_CHUNKED;
    } else {
        ex->framing = FRAMING_CLOSE;
        ex->close = true;
    }
}

static uint8_t *put(uint8_t *at, struct slice bytes) {
    if (bytes.len > 0) {
        memcpy(at, bytes.at, bytes.len);
    }
    return at + bytes.len;
}

static uint8_t *put_number(uint8_t *at, uint64_t number) {
    uint8_t digits[20];
    size_t n = sizeof(digits);
    do {
        digits[--n] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(at, slice_of(digits + n, sizeof(digits) - n));
}

static uint8_t *put_status_line(uint8_t *at, int status, struct slice reason) {
    at = put(at, SLICE("HTTP/1.1 "));
    at = put_number(at, (uint64_t)status);
    *at++ = ' ';
    at = put(at, reason);
    return put(at, SLICE("\r\n"));
}

/* Server and Date, but for those that the application gave. */
static uint8_t *put_server_lines(uint8_t *at, struct server *server, const struct seen *seen) {
    struct slice lines = server_lines(server);
    struct slice name = slice_of(lines.at, SERVER_NAME_LINE);
    struct slice date = slice_of(lines.at + SERVER_NAME_LINE, lines.len - SERVER_NAME_LINE);
    if (!seen->server) {
        at = put(at, name);
    }
    if (!seen->date) {
        at = put(at, date);
    }
    return at;
}

/* One field of the application's, checked, noted and put; the server's own are left out.
 * 0 or a negative error. */
static int put_field(uint8_t **at, const struct response_field *field, int status,
                     struct seen *seen) {
    enum header_id id;
    int err = http_rules_response_field(field->name, field->value, &id);
    if (err == ERR_RESPONSE_HOP) {
        seen->close |= id == HEADER_CONNECTION && slice_equal_nocase(field->value, SLICE("close"));
        return 0;
    }
    if (err) {
        return err;
    }
    if (id == HEADER_CONTENT_LENGTH) {
        uint64_t length;
        bool repeated = seen->has_length;
        if (http_rules_content_length(field->value, &length) ||
            (repeated && seen->length != length)) {
            return ERR_RESPONSE_LENGTH;
        }
        seen->has_length = true;
        seen->length = length;
        /* Once, and not where RFC 9110 section 8.6 forbids it. */
        if (repeated || status == 204) {
            return 0;
        }
    }
    seen->date |= id == HEADER_DATE;
    seen->server |= id == HEADER_SERVER;
    *at = put(*at, field->name);
    *at = put(*at, SLICE(": "));
    *at = put(*at, field->value);
    *at = put(*at, SLICE("\r\n"));
    return 0;
}

static uint8_t *put_framing(uint8_t *at, const struct http1_exchange *ex,
                            const struct response_head *head, const struct seen *seen) {
    bool own_length = ex->framing == FRAMING_LENGTH;
    /* The body of an answer to HEAD is often not made; its length is then not known. */
    own_length |=
        ex->rules.is_head && head->content_length > 0 && !http_rules_status_bodyless(head->status);
    if (own_length && !seen->has_length) {
        at = put(at, SLICE("Content-Length: "));
        at = put_number(at, (uint64_t)head->content_length);
        at = put(at, SLICE("\r\n"));
    }
    if (ex->framing == FRAMING_CHUNKED) {
        at = put(at, SLICE("Transfer-Encoding: chunked\r\n"));
    }
    if (ex->close) {
        at = put(at, SLICE("Connection: close\r\n"));
    } else if (ex->head.minor == 0) {
        at = put(at, SLICE("Connection: keep-alive\r\n"));
    }
    return put(at, SLICE("\r\n"));
}

int http1_send_head(struct exchange *exchange, const struct response_head *head) {
    struct http1_exchange *ex = own(exchange);
    struct http1 *conn = ex->conn;
    size_t size;
    if (!conn) {
        return ERR_GONE;
    }
    if (conn->tx != TX_WAIT) {
        return ERR_STATE;
    }
    if (head->status < 200 || head->status > 999) {
        return ERR_RESPONSE_STATUS;
    }
    int err = http_rules_reason(head->reason);
    if (err) {
        return err;
    }
    struct piece *piece = measure(head, &size) ? piece_own(&exchange->loop->pieces, size) : NULL;
    if (!piece) {
        return ERR_NOMEM;
    }
    struct seen seen = {0};
    uint8_t *at = put_status_line(piece_room(piece), head->status, head->reason);
    for (size_t i = 0; i < head->field_count; i++) {
        err = put_field(&at, &head->fields[i], head->status, &seen);
        if (err) {
            piece_free(&exchange->loop->pieces, piece);
            return err;
        }
    }
    frame(ex, head, &seen);
    at = put_server_lines(at, conn->server, &seen);
    at = put_framing(at, ex, head, &seen);
    piece->len = (size_t)(at - piece->at);
    struct chain chain = {0};
    chain_append(&chain, piece);
    stream_write(conn->stream, &chain);
    http1_set_tx(conn, TX_BODY);
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

/* Holds a body to what its head said. 0, ERR_RESPONSE_LONG (the excess is gone), ERR_NOMEM. */
static int fit(struct http1_exchange *ex, struct chain *body, bool last) {
    struct loop *loop = ex->exchange.loop;
    int err = 0;
    switch (ex->framing) {
    case FRAMING_NONE:
        chain_drop(body, &loop->pieces, &loop->trash);
        return 0;
    case FRAMING_LENGTH:
        if (body->bytes > ex->length_left) {
            chain_cut(body, (size_t)ex->length_left, &loop->pieces, &loop->trash);
            err = ERR_RESPONSE_LONG;
        }
        ex->length_left -= body->bytes;
        ex->sent += body->bytes;
        return err;
    case FRAMING_CHUNKED:
        ex->sent += body->bytes;
        return chunk(body, last, loop);
    case FRAMING_CLOSE:
        ex->sent += body->bytes;
        break;
    }
    return 0;
}

/* The response cannot be completed. Where the peer will see that something is missing, by the
 * framing or because nothing came, what was sent before still arrives; else only a reset tells. */
static void cut(struct http1 *conn) {
    struct http1_exchange *ex = conn->ex;
    bool shows = ex->framing == FRAMING_LENGTH || ex->framing == FRAMING_CHUNKED;
    bool begun = conn->tx == TX_BODY;
    ex->over = true;
    http1_detach(conn);
    if (!begun || shows) {
        http1_linger(conn, CLOSE_CUT);
    } else {
        stream_close(conn->stream, CLOSE_CUT);
    }
}

int http1_send_body(struct exchange *exchange, struct chain *body, bool last) {
    struct http1_exchange *ex = own(exchange);
    struct http1 *conn = ex->conn;
    struct loop *loop = exchange->loop;
    if (!conn || conn->tx != TX_BODY) {
        chain_drop(body, &loop->pieces, &loop->trash);
        return conn ? ERR_STATE : ERR_GONE;
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
        return err == 0 && ex->framing == FRAMING_NONE ? EXCHANGE_ENOUGH : err;
    }
    if (ex->framing == FRAMING_LENGTH && ex->length_left > 0) {
        cut(conn);
        return ERR_RESPONSE_SHORT;
    }
    ex->over = true;
    http1_set_tx(conn, TX_DONE);
    if (!ex->running) {
        http1_queue(ex);
    }
    return err;
}

void http1_want_drained(struct exchange *exchange) {
    struct http1_exchange *ex = own(exchange);
    if (ex->conn && !ex->over) {
        ex->want_drained = true;
        stream_want_drained(ex->conn->stream);
        http1_arm(ex->conn);
    }
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
    peer_ip_text(&conn->peer, ip);
    bytes[0] = '\0';
    if (conn->in) {
        struct slice in = buf_slice(conn->in);
        in.len = in.len < 64 ? in.len : 64;
        log_escape(bytes, sizeof(bytes), in);
    }
    const char *client = conn->peer.family == PEER_UNIX ? "unix" : ip;
    if (mute) {
        log_write(&conn->server->log, LOG_LEVEL_WARNING, "cut off %s:%u: %s: \"%s\"", client,
                  conn->peer.port, err_text(err), bytes);
    } else {
        log_write(&conn->server->log, LOG_LEVEL_WARNING, "refused %s:%u with %d: %s: \"%s\"",
                  client, conn->peer.port, err_status(err), err_text(err), bytes);
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

/* The whole answer to a refused request; NULL where memory is short. */
static struct piece *refusal_answer(struct http1 *conn, int err) {
    struct slice text = slice_of(err_text(err), strlen(err_text(err)));
    struct seen none = {0};
    struct piece *piece = piece_own(&conn->stream->loop->pieces, OWN_LINES + 2 * text.len + 128);
    if (!piece) {
        return NULL;
    }
    uint8_t *at = piece_room(piece);
    at = put_status_line(at, err_status(err), status_reason(err_status(err)));
    at = put_server_lines(at, conn->server, &none);
    at = put(at, SLICE("Content-Type: text/plain; charset=utf-8\r\nContent-Length: "));
    at = put_number(at, text.len + 1);
    at = put(at, SLICE("\r\nConnection: close\r\n\r\n"));
    if (!asks_for_head(conn)) {
        at = put(at, text);
        *at++ = '\n';
    }
    piece->len = (size_t)(at - piece->at);
    return piece;
}

void http1_refuse(struct http1 *conn, int err) {
    conn->server->counters.refused++;
    bool mute = conn->tx != TX_IDLE && conn->tx != TX_WAIT;
    log_refusal(conn, err, mute);
    struct piece *piece = mute ? NULL : refusal_answer(conn, err);
    http1_detach(conn);
    if (!piece) {
        stream_close(conn->stream, mute ? CLOSE_CUT : CLOSE_NOMEM);
        return;
    }
    struct chain chain = {0};
    chain_append(&chain, piece);
    stream_write(conn->stream, &chain);
    http1_linger(conn, refusal(err));
}
