/* HTTP/1 on one connection: requests read from a stream, exchanges run, responses written.
 * Private to http/: http1.c holds its life, http1_in.c the way in, http1_out.c the way out with
 * http1_head.c, which renders heads; http1_tunnel.c what it is when it is HTTP no more.
 *
 * State is two enums, one a direction. Edges (all others are asserted against):
 *
 *   rx  IDLE   -> HEAD     the first byte of a head
 *       HEAD   -> BODY     head complete, a body follows
 *       HEAD   -> DONE     head complete, no body
 *       BODY   -> DONE     the body's last byte used
 *       BODY   -> DRAIN    answered before the body was read; the rest is thrown away
 *       DRAIN  -> DONE     … and its end came within bounds
 *       DONE   -> IDLE     the response is complete and the connection goes on
 *       DONE   -> TUNNEL   the exchange was turned into a tunnel (http1_tunnel.c)
 *       any    -> LINGER   our direction ends; what still comes is thrown away (RFC 9112 9.6)
 *       any    -> CLOSED   the stream is closed
 *
 *   tx  IDLE   -> WAIT     head complete: the gateway owes a response
 *       WAIT   -> BODY     its head is on the stream
 *       BODY   -> DONE     its last byte is on the stream
 *       DONE   -> IDLE     the connection goes on
 *       WAIT   -> TUNNEL   the switch of protocols is on the stream
 *       any    -> CLOSED   nothing more may be sent
 *
 * A connection in IDLE/IDLE owns no buffer and no exchange. Loop thread. */
#ifndef HTTP_HTTP1_H
#define HTTP_HTTP1_H

#include <stdbool.h>
#include <stdint.h>

#include "http/access_log.h"
#include "http/exchange.h"
#include "http/server.h"
#include "net/preface.h"
#include "net/stream.h"
#include "wire/chunk.h"

enum rx { RX_IDLE, RX_HEAD, RX_BODY, RX_DONE, RX_DRAIN, RX_TUNNEL, RX_LINGER, RX_CLOSED, RX_COUNT };
enum tx { TX_IDLE, TX_WAIT, TX_BODY, TX_DONE, TX_TUNNEL, TX_CLOSED, TX_COUNT };

/* How the peer finds the end of a response's body (RFC 9112 section 6.3). */
enum framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };

/* What a head is for. */
enum http1_head_kind { HEAD_FINAL, HEAD_INTERIM, HEAD_SWITCH };

/* Events that wait for the run beat; a set. */
enum http1_event { EVENT_START = 1, EVENT_BODY = 2, EVENT_DRAINED = 4 };

struct http1_exchange {
    struct exchange exchange;
    struct http1 *conn; /* NULL: the connection has given it up; all that may come is abort */
    struct server *server;
    struct runnable runnable;
    unsigned events; /* set of enum http1_event, to be delivered */
    bool started;    /* the gateway knows it */
    bool over;       /* the gateway is done with it */
    bool running;    /* the gateway is being called */
    bool want_body;
    bool want_drained;
    bool want_abort;
    bool quiet;        /* not for the access log */
    bool continue_due; /* the peer waits for 100 Continue (RFC 9110 section 10.1.1) */
    /* request */
    bool arrived;  /* it has joined the run queue */
    bool answered; /* whole */
    enum figures_method method;
    uint64_t arrival; /* ns, of loop_arrival */
    struct head head;
    size_t head_len;
    struct request_rules rules;
    struct origin origin;
    struct chunk_decoder chunks;
    uint64_t body_left; /* of a Content-Length */
    uint64_t body_seen;
    /* response */
    enum framing framing;
    bool close;           /* it says that the connection ends with it */
    int status;           /* 0 before its head */
    uint64_t length_left; /* of FRAMING_LENGTH */
    uint64_t sent;        /* body bytes */
    struct access_entry entry;
    struct slice id;       /* the request id; empty where there is none */
    struct field fields[]; /* server->config.head.fields of them; then the id */
};

struct http1 {
    struct server *server;
    struct stream *stream;
    struct list link;          /* in server->conns */
    struct http1_exchange *ex; /* NULL in RX_IDLE */
    struct buf *in;            /* bytes read and not used; NULL where there are none */
    union {
        struct loop_timer timer;
        struct grave grave; /* once it is closed */
    };
    uint64_t due;          /* ms: time-out of the present state, or HTTP1_NEVER */
    uint64_t lingered;     /* bytes thrown away in RX_DRAIN and RX_LINGER */
    uint8_t rx;            /* enum rx; set by http1_set_rx only */
    uint8_t tx;            /* enum tx; set by http1_set_tx only */
    enum close_why end;    /* enum close_why of RX_LINGER */
    bool fresh;            /* no request has come whole yet */
    bool ended;            /* the peer has sent its end */
    bool tunnel_reads;     /* between tunnel_read_start and tunnel_read_stop */
    bool tunnel_drains;    /* the tunnel is owed a `drained` */
    struct tunnel *tunnel; /* from the upgrade to `closed`; or NULL */
    uint32_t listener;
    struct peer peer; /* of the socket; of a tunnel, the client */
};

/* Whom a preface names, else the socket's peer. [borrows until the stream is closed] */
static inline const struct peer *http1_peer(const struct http1 *conn) {
    const struct preface *preface = conn->stream->preface;
    return preface && preface->come && preface->named ? &preface->client : &conn->peer;
}

#define HTTP1_NEVER UINT64_MAX

/* Bytes thrown away so that a connection can go on, or so that the peer can read its answer. */
enum { HTTP1_DRAIN_BYTES = 64 * 1024, HTTP1_LINGER_BYTES = 1024 * 1024 };

/* How long, in ms. */
enum { HTTP1_DRAIN_MS = 5000, HTTP1_LINGER_MS = 2000 };

/* How long a connection that is in use waits for a last request when the server stops, in ms:
 * closed at once, it would cut off the request that is on its way. */
enum { HTTP1_STOP_MS = 500 };

/* Bytes of later requests that are kept while a response is watched (exchange_want_abort). */
enum { HTTP1_WATCH_BYTES = BUF_SIZE };

/* Output waiting beyond this holds back the next pipelined request. */
enum { HTTP1_HIGH_WATER = 256 * 1024 };

/* A connection on `fd` [takes fd]. Where memory is short it is closed and forgotten. */
void http1_open(struct server *server, int fd, const struct peer *peer, uint32_t listener);

/* For a server that stops: an idle connection is closed, once it has been idle for a moment;
 * another will end with its response. */
void http1_stop(struct http1 *conn);

/* For a server whose time is up. */
void http1_abandon(struct http1 *conn);

/* Bytes of an exchange where heads have up to `fields` fields, with room for a request id where
 * they are `named`; 0 where that does not fit. */
size_t http1_exchange_size(uint32_t fields, bool named);

/* http1.c: the setters that assert the edges. */
void http1_set_rx(struct http1 *conn, enum rx to);
void http1_set_tx(struct http1 *conn, enum tx to);

/* http1.c: the time-out of the present state, `ms` from now; 0: none. */
void http1_set_due(struct http1 *conn, uint32_t ms);

/* http1.c: after output has been queued: the wheel looks at it in time. */
void http1_arm(struct http1 *conn);

/* http1.c: the exchange has something for the run beat. */
void http1_queue(struct http1_exchange *ex);

/* http1.c: parts connection and exchange; the gateway, if it knows it and is not done, will be
 * told. Nothing where there is none. */
void http1_detach(struct http1 *conn);

/* http1.c: our direction ends with what is queued, the other, if it has not ended, is thrown
 * away; then it is closed for `why`. */
void http1_linger(struct http1 *conn, enum close_why why);

/* http1.c: nothing more is read or said; the connection ends, for `why`, when the output has
 * left. */
void http1_finish(struct http1 *conn, enum close_why why);

/* http1.c: both directions are done: here, and only here, it is decided whether the connection
 * goes on to the next request. */
void http1_decide(struct http1 *conn);

/* http1.c: the whole response of `ex` is on the stream. */
void http1_count_answer(struct http1_exchange *ex);

/* http1.c: readies `ex` for a request on `conn`. */
void http1_exchange_init(struct http1_exchange *ex, struct http1 *conn);

/* http1_in.c: `conn->in` has new bytes, or a state in which they can be used has come. */
void http1_advance(struct http1 *conn);

/* http1_in.c: reads while the state has use for bytes. */
void http1_update_reading(struct http1 *conn);

/* http1_in.c: the next piece of the body to the gateway, if it is there. Run beat. */
void http1_deliver_body(struct http1_exchange *ex);

/* http1_in.c: takes `used` bytes off `conn->in`. [gives them, borrowed until http1_trim] */
const uint8_t *http1_use(struct http1 *conn, size_t used);

/* http1_in.c: gives an empty `conn->in` back. */
void http1_trim(struct http1 *conn);

/* http1_in.c: throws body bytes away; true when the body's end has come. */
bool http1_drain(struct http1 *conn);

/* http1_in.c: the operations want_body and take_body. */
void http1_want_body(struct exchange *exchange);
bool http1_take_body(struct exchange *exchange, struct slice *piece, bool *last);

/* http1_out.c: may another request follow this exchange, as far as is known when the head of its
 * response is rendered? `whole`: the gateway has all of the response and will read no more. */
bool http1_may_persist(const struct http1 *conn, bool whole);

/* http1_out.c: a request broke a rule or came too slowly: answers once, where nothing has been
 * sent, logs, and ends the connection. `exchange` and buffered bytes are given up. */
void http1_refuse(struct http1 *conn, int err);

/* http1_head.c: renders a status line and fields, checked, with the lines that are the server's
 * in a head of `kind`. [gives *piece] 0 or a negative error. */
int http1_render_head(struct http1_exchange *ex, const struct response_head *head,
                      enum http1_head_kind kind, struct slice protocol, struct piece **piece);

/* http1_head.c: renders the last chunk with a trailer section of `fields`, checked. [gives *piece;
 * NULL where the framing cannot carry them] 0 or a negative error. */
int http1_render_trailers(struct http1_exchange *ex, const struct response_field *fields,
                          size_t count, struct piece **piece);

/* http1_head.c: the whole answer to a refused request. [gives] NULL where memory is short. */
struct piece *http1_render_refusal(struct http1 *conn, int err, bool with_body);

/* http1_out.c: would the peer see that a response which ends now is cut? */
bool http1_cut_shows(const struct http1 *conn);

/* http1_out.c: operations of an exchange. */
int http1_send_head(struct exchange *exchange, const struct response_head *head);
int http1_send_body(struct exchange *exchange, struct chain *body, bool last);
int http1_send_info(struct exchange *exchange, int status, const struct response_field *fields,
                    size_t count);
int http1_send_trailers(struct exchange *exchange, const struct response_field *fields,
                        size_t count);
void http1_want_drained(struct exchange *exchange);
void http1_want_abort(struct exchange *exchange);
size_t http1_unsent(const struct exchange *exchange);
void http1_reset(struct exchange *exchange);

/* http1_tunnel.c: the operation upgrade, and what it leads to. */
int http1_upgrade(struct exchange *exchange, struct slice protocol,
                  const struct response_field *fields, size_t count, struct tunnel *tunnel);

/* http1_tunnel.c: the exchange that was turned into a tunnel has been given back. */
void http1_tunnel_begin(struct http1 *conn);

/* http1_tunnel.c: events of the stream in RX_TUNNEL. [takes buf] */
void http1_tunnel_read(struct http1 *conn, struct buf *buf);
void http1_tunnel_eof(struct http1 *conn);
void http1_tunnel_drained(struct http1 *conn);

/* http1_tunnel.c: the server stops gracefully. */
void http1_tunnel_stop(struct http1 *conn);

/* http1_tunnel.c: the connection is closed; nothing where there is no tunnel. */
void http1_tunnel_closed(struct http1 *conn);

#endif
