/* One request and its response: the contract between protocols and gateways.
 *
 * Protocols implement the operations, gateways the events; neither can tell which stands on the
 * other side. It is pulled, never pushed: a gateway asks for each piece of the request's body,
 * and produces the next piece of the response when told that the last has drained.
 *
 * Laws
 * 1. Every event is delivered in the run beat, from the run queue, with the GIL where there is
 *    one. No operation calls back before it returns.
 * 2. `start` comes first and once. The request is valid until it returns; whoever needs more
 *    copies it then.
 * 3. `body` comes once for each exchange_want_body, with a piece that is not empty, or with
 *    `last` and perhaps nothing; exchange_take_body gives the same. After `last` there is no more
 *    to want.
 * 4. `drained` comes once for each exchange_want_drained, when what was sent has left so far that
 *    more is welcome.
 * 5. An exchange ends for the gateway when its exchange_send_body with `last` or its
 *    exchange_reset returns, or with the event `abort`. Then: silence, both ways, and its
 *    pointer is dead once the gateway has returned.
 * 6. `abort` comes at most once, in place of any other event: the peer went, a limit or a
 *    time-out struck, the server gave up. Nothing can be sent any more; an operation that was
 *    called meanwhile has returned ERR_GONE.
 * 7. Operations: loop thread, in the run beat or, with the GIL, between two turns. A thread owns
 *    a job, never an exchange.
 * 8. While a response is made, the peer's going is noticed only when something is sent, wanted,
 *    or after exchange_want_abort. */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/chain.h"
#include "base/slice.h"
#include "http/origin.h"
#include "http/tunnel.h"
#include "net/loop.h"
#include "net/peer.h"
#include "net/security.h"
#include "wire/head.h"
#include "wire/http_rules.h"

struct exchange;

/* A complete, valid request head. [borrows until `start` returns] */
struct request {
    const struct head *head;
    const uint8_t *bytes; /* what head's offsets count from */
    const struct request_rules *rules;
    const struct origin *origin;     /* who asks, and for what */
    const struct peer *local;        /* the address of the listener */
    const struct security *security; /* what protects the connection; NULL: nothing */
    struct slice id;   /* the request id, in place of its X-Request-ID fields; empty: none */
    uint32_t listener; /* its index, in the order in which the server was given them */
};

struct response_field {
    struct slice name;
    struct slice value;
};

/* A final response's head, to be checked and rendered. [borrows until send_head returns] */
struct response_head {
    int status;          /* 200 to 999 */
    struct slice reason; /* may be empty */
    const struct response_field *fields;
    size_t field_count;
    int64_t content_length; /* of the whole body where the gateway knows it and no field says
                               so; -1: not known */
};

/* What exchange_send_body returns without `last`. */
enum {
    EXCHANGE_ENOUGH = 1, /* the response has no body: what more there is of it need not be made */
    EXCHANGE_WHOLE = 2,  /* the body has all that its Content-Length says: the peer may go */
};

struct exchange_ops {
    int (*send_head)(struct exchange *exchange, const struct response_head *head);
    int (*send_body)(struct exchange *exchange, struct chain *body, bool last);
    void (*want_body)(struct exchange *exchange);
    bool (*take_body)(struct exchange *exchange, struct slice *piece, bool *last);
    void (*want_drained)(struct exchange *exchange);
    void (*reset)(struct exchange *exchange);
    int (*send_info)(struct exchange *exchange, int status, const struct response_field *fields,
                     size_t count);
    int (*send_trailers)(struct exchange *exchange, const struct response_field *fields,
                         size_t count);
    void (*want_abort)(struct exchange *exchange);
    size_t (*unsent)(const struct exchange *exchange);
    int (*upgrade)(struct exchange *exchange, struct slice protocol,
                   const struct response_field *fields, size_t count, struct tunnel *tunnel);
};

struct gateway;

struct exchange_events {
    void (*start)(struct exchange *exchange, const struct request *request);
    void (*body)(struct exchange *exchange, struct slice piece, bool last); /* [borrows piece] */
    void (*drained)(struct exchange *exchange);
    void (*abort)(struct exchange *exchange);
};

/* Who answers. A gateway embeds it. */
struct gateway {
    const struct exchange_events *events;
    const char *name; /* "null", "wsgi" */
};

struct exchange {
    /* read-only for the gateway */
    struct gateway *gateway;
    struct loop *loop;
    void *job; /* the gateway's; NULL at `start` */
    /* private to http/ */
    const struct exchange_ops *ops;
};

/* Sends the head. Server, Date, Connection and the framing are the protocol's; a Date or Server
 * among the fields replaces its own, fields that only a server may set (RFC 9110 section 7.6.1)
 * are left out, but for `Connection: close`, which is obeyed.
 * 0; ERR_RESPONSE_* where a rule is broken (nothing was sent, another head may be); ERR_NOMEM;
 * ERR_ORDER for a second head; ERR_GONE. */
static inline int exchange_send_head(struct exchange *exchange, const struct response_head *head) {
    return exchange->ops->send_head(exchange, head);
}

/* Sends the next pieces of the body. [takes all pieces, whatever is returned]
 * `last` ends the exchange. Bytes of a response that has no body (HEAD, 204, 304) are dropped.
 * 0; EXCHANGE_ENOUGH; EXCHANGE_WHOLE; ERR_RESPONSE_LONG: what exceeded Content-Length was dropped;
 * ERR_RESPONSE_SHORT: `last` came too early, the connection is cut; ERR_ORDER before the head;
 * ERR_NOMEM: cut; ERR_GONE. */
static inline int exchange_send_body(struct exchange *exchange, struct chain *body, bool last) {
    return exchange->ops->send_body(exchange, body, last);
}

/* Asks for the next piece of the request's body: one `body` event will come, or `abort`. */
static inline void exchange_want_body(struct exchange *exchange) {
    exchange->ops->want_body(exchange);
}

/* The next piece of the request's body where it has come already, without an event: small bodies
 * mostly come with the head. Not while a `body` event is to come. [borrows piece until the next
 * operation] False, and nothing else, where there is none yet. */
static inline bool exchange_take_body(struct exchange *exchange, struct slice *piece, bool *last) {
    return exchange->ops->take_body(exchange, piece, last);
}

/* Asks for one `drained` event. */
static inline void exchange_want_drained(struct exchange *exchange) {
    exchange->ops->want_drained(exchange);
}

/* Gives up: the response cannot be completed; the peer sees that it was cut. */
static inline void exchange_reset(struct exchange *exchange) {
    exchange->ops->reset(exchange);
}

/* Sends an interim response, 100 to 199 but 101 (RFC 9110 section 15.2), before the head; to an
 * HTTP/1.0 peer nothing is sent. 0; ERR_RESPONSE_* where a rule is broken and nothing was sent;
 * ERR_NOMEM; ERR_ORDER behind the head; ERR_GONE. */
static inline int exchange_send_info(struct exchange *exchange, int status,
                                     const struct response_field *fields, size_t count) {
    return exchange->ops->send_info(exchange, status, fields, count);
}

/* Ends the exchange as exchange_send_body with `last` and no bytes does, with trailer fields (RFC
 * 9110 section 6.5) where the framing can carry them; else they are dropped. Fields that may not
 * be trailers (framing, routing, authentication) break a rule.
 * 0; ERR_RESPONSE_* or ERR_TRAILER_NAME: nothing was sent and the exchange lives; else as
 * exchange_send_body. */
static inline int exchange_send_trailers(struct exchange *exchange,
                                         const struct response_field *fields, size_t count) {
    return exchange->ops->send_trailers(exchange, fields, count);
}

/* Asks to be told at once when the peer goes: from now on the connection is watched also while
 * the response is made and no body is wanted, and `abort` comes without anything being sent. For
 * the rest of the exchange. */
static inline void exchange_want_abort(struct exchange *exchange) {
    exchange->ops->want_abort(exchange);
}

/* Bytes of output that the peer's side has not taken yet; 0 where it has gone. */
static inline size_t exchange_unsent(const struct exchange *exchange) {
    return exchange->ops->unsent(exchange);
}

/* Turns the exchange into a tunnel for `protocol` ("websocket"): sends the protocol's switch (101
 * in HTTP/1.1) with `fields`, and ends the exchange for the gateway. `tunnel` [borrows until its
 * event `closed`] has its `events` set. Bytes that the peer has sent behind the request are the
 * tunnel's first.
 * 0; otherwise the exchange lives and the tunnel is nothing: ERR_RESPONSE_*; ERR_NOMEM; ERR_ORDER
 * behind a head, where the request did not ask for it (RFC 9110 section 7.8) or its body has not
 * been read; ERR_GONE. */
static inline int exchange_upgrade(struct exchange *exchange, struct slice protocol,
                                   const struct response_field *fields, size_t count,
                                   struct tunnel *tunnel) {
    return exchange->ops->upgrade(exchange, protocol, fields, count, tunnel);
}

/* A whole response in one piece; ends the exchange. Where it cannot be sent, the peer sees that
 * it was cut. [borrows body until the loop is released] */
void exchange_answer(struct exchange *exchange, const struct response_head *head,
                     struct slice body);

#endif
