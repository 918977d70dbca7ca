/* Rendering of heads: final, interim and switching ones, trailers, refusals (RFC 9112 section 4,
 * RFC 9110 section 15). Any beat. See http1.h. */
#include "http/http1.h"

#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "http/status.h"

#include "base/banned.h"

/* Room for what the server itself puts into a head: status line without reason, Server, Date,
 * Content-Length, Connection, Transfer-Encoding, X-Request-ID, the empty line. */
enum { OWN_LINES = 256 + sizeof("X-Request-ID: \r\n") + REQUEST_ID_MAX };

/* What a look at the application's fields has shown. */
struct seen {
    bool date;
    bool server;
    bool id;
    bool close;
    bool has_length;
    bool trailers; /* they may follow: not seen but known before */
    uint64_t length;
};

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
    ex->close = seen->close || !http1_may_persist(ex->conn, head->content_length >= 0);
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
    if (err == ERR_RESPONSE_HOP && !(id == HEADER_TRAILER && seen->trailers)) {
        seen->close |= id == HEADER_CONNECTION && slice_equal_nocase(field->value, SLICE("close"));
        return 0;
    }
    if (err && err != ERR_RESPONSE_HOP) {
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
        if (repeated || status == 204 || status < 200) {
            return 0;
        }
    }
    seen->date |= id == HEADER_DATE;
    seen->server |= id == HEADER_SERVER;
    seen->id |= id == HEADER_X_REQUEST_ID;
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

/* The request id, where the client is to know it; but for one that the application gave. */
static uint8_t *put_id(uint8_t *at, const struct http1_exchange *ex, const struct seen *seen) {
    if (!ex->server->config.request_id.reply || ex->id.len == 0 || seen->id) {
        return at;
    }
    at = put(at, SLICE("X-Request-ID: "));
    at = put(at, ex->id);
    return put(at, SLICE("\r\n"));
}

/* The lines of a head behind the status line and the fields. */
static uint8_t *put_own_lines(uint8_t *at, struct http1_exchange *ex,
                              const struct response_head *head, enum http1_head_kind kind,
                              const struct seen *seen) {
    switch (kind) {
    case HEAD_FINAL:
        frame(ex, head, seen);
        at = put_server_lines(at, ex->server, seen);
        at = put_id(at, ex, seen);
        return put_framing(at, ex, head, seen);
    case HEAD_SWITCH:
        at = put_server_lines(at, ex->server, seen);
        at = put_id(at, ex, seen);
        return put(at, SLICE("Connection: Upgrade\r\n\r\n"));
    case HEAD_INTERIM:
        break;
    }
    return put(at, SLICE("\r\n"));
}

int http1_render_head(struct http1_exchange *ex, const struct response_head *head,
                      enum http1_head_kind kind, struct slice protocol, struct piece **piece) {
    struct piece_pool *pool = &ex->exchange.loop->pieces;
    struct seen seen = {.trailers =
                            kind == HEAD_FINAL && ex->head.minor == 1 && head->content_length < 0};
    size_t size;
    int err = http_rules_reason(head->reason);
    if (err) {
        return err;
    }
    if (!measure(head, &size) || !size_add(size, protocol.len, &size)) {
        return ERR_NOMEM;
    }
    *piece = piece_own(pool, size);
    if (!*piece) {
        return ERR_NOMEM;
    }
    uint8_t *at = put_status_line(piece_room(*piece), head->status, head->reason);
    if (kind == HEAD_SWITCH) {
        at = put(at, SLICE("Upgrade: "));
        at = put(at, protocol);
        at = put(at, SLICE("\r\n"));
    }
    for (size_t i = 0; i < head->field_count; i++) {
        err = put_field(&at, &head->fields[i], head->status, &seen);
        if (err) {
            piece_free(pool, *piece);
            return err;
        }
    }
    at = put_own_lines(at, ex, head, kind, &seen);
    (*piece)->len = (size_t)(at - (*piece)->at);
    return 0;
}

int http1_render_trailers(struct http1_exchange *ex, const struct response_field *fields,
                          size_t count, struct piece **piece) {
    struct piece_pool *pool = &ex->exchange.loop->pieces;
    const struct response_head section = {.fields = fields, .field_count = count};
    size_t size;
    for (size_t i = 0; i < count; i++) {
        enum header_id id;
        int err = http_rules_response_field(fields[i].name, fields[i].value, &id);
        if (err == ERR_RESPONSE_HOP || (!err && chunk_trailer_forbidden(fields[i].name))) {
            err = ERR_TRAILER_NAME;
        }
        if (err) {
            return err;
        }
    }
    *piece = NULL;
    if (ex->framing != FRAMING_CHUNKED) {
        return 0;
    }
    *piece = measure(&section, &size) ? piece_own(pool, size) : NULL;
    if (!*piece) {
        return ERR_NOMEM;
    }
    uint8_t *at = put(piece_room(*piece), SLICE("0\r\n"));
    for (size_t i = 0; i < count; i++) {
        at = put(at, fields[i].name);
        at = put(at, SLICE(": "));
        at = put(at, fields[i].value);
        at = put(at, SLICE("\r\n"));
    }
    at = put(at, SLICE("\r\n"));
    (*piece)->len = (size_t)(at - (*piece)->at);
    return 0;
}

struct piece *http1_render_refusal(struct http1 *conn, int err, bool with_body) {
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
    if (with_body) {
        at = put(at, text);
        *at++ = '\n';
    }
    piece->len = (size_t)(at - piece->at);
    return piece;
}
