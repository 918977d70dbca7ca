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
 *    `last` and perhaps nothing. After `last` there is no more to want.
 * 4. `drained` comes once for each exchange_want_drained, when what was sent has left so far that
 *    more is welcome.
 * 5. An exchange ends for the gateway when its exchange_send_body with `last` or its
 *    exchange_reset returns, or with the event `abort`. Then: silence, both ways, and its
 *    pointer is dead once the gateway has returned.
 * 6. `abort` comes at most once, in place of any other event: the peer went, a limit or a
 *    time-out struck, the server gave up. Nothing can be sent any more; an operation that was
 *    called meanwhile has returned ERR_GONE.
 * 7. Operations: loop thread, run beat. A thread owns a job, never an exchange.
 *
 * A later operation turns an exchange into a tunnel of bytes (WebSocket, RFC 6455, RFC 8441). */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/chain.h"
#include "base/slice.h"
#include "net/loop.h"
#include "net/peer.h"
#include "wire/head.h"
#include "wire/http_rules.h"

struct exchange;

/* A complete, valid request head. [borrows until `start` returns] */
struct request {
    const struct head *head;
    const uint8_t *bytes; /* what head's offsets count from */
    const struct request_rules *rules;
    const struct peer *peer;
    const struct peer *local; /* the address of the listener */
    uint32_t listener;        /* its index, in the order in which the server was given them */
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

/* What exchange_send_body returns, without `last`, for a response that has no body: what more
 * there is of it need not be made. */
enum { EXCHANGE_ENOUGH = 1 };

struct exchange_ops {
    int (*send_head)(struct exchange *exchange, const struct response_head *head);
    int (*send_body)(struct exchange *exchange, struct chain *body, bool last);
    void (*want_body)(struct exchange *exchange);
    void (*want_drained)(struct exchange *exchange);
    void (*reset)(struct exchange *exchange);
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
 * ERR_STATE for a second head; ERR_GONE. */
static inline int exchange_send_head(struct exchange *exchange, const struct response_head *head) {
    return exchange->ops->send_head(exchange, head);
}

/* Sends the next pieces of the body. [takes all pieces, whatever is returned]
 * `last` ends the exchange. Bytes of a response that has no body (HEAD, 204, 304) are dropped.
 * 0; EXCHANGE_ENOUGH; ERR_RESPONSE_LONG: what exceeded Content-Length was dropped;
 * ERR_RESPONSE_SHORT: `last` came too early, the connection is cut; ERR_STATE before the head;
 * ERR_NOMEM: cut; ERR_GONE. */
static inline int exchange_send_body(struct exchange *exchange, struct chain *body, bool last) {
    return exchange->ops->send_body(exchange, body, last);
}

/* Asks for the next piece of the request's body: one `body` event will come, or `abort`. */
static inline void exchange_want_body(struct exchange *exchange) {
    exchange->ops->want_body(exchange);
}

/* Asks for one `drained` event. */
static inline void exchange_want_drained(struct exchange *exchange) {
    exchange->ops->want_drained(exchange);
}

/* Gives up: the response cannot be completed; the peer sees that it was cut. */
static inline void exchange_reset(struct exchange *exchange) {
    exchange->ops->reset(exchange);
}

/* A whole response in one piece; ends the exchange. Where it cannot be sent, the peer sees that
 * it was cut. [borrows body until the loop is released] */
void exchange_answer(struct exchange *exchange, const struct response_head *head,
                     struct slice body);

#endif
