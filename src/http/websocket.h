/* WebSocket (RFC 6455, RFC 7692) over a tunnel: frames to messages and back, ping, pong, the
 * closing handshake, permessage-deflate. Not for what an application calls its messages: that is
 * the gateway's. Used by gateways (run beat, with the GIL); works for itself in the read beat.
 *
 * State, one enum a direction. Edges (others are asserted against):
 *
 *   in   OPEN   -> CLOSED  a Close frame came, the peer broke a rule or went
 *   out  OPEN   -> CLOSED  our Close frame is queued, or nothing more can be sent
 *
 * The tunnel is finished when both are CLOSED; the peer has WEBSOCKET_CLOSE_MS to answer our
 * Close.
 *
 * Laws
 * 1. No operation calls back before it returns. Events of the user come in the run beat.
 * 2. Messages are pulled: one `message` for each websocket_want_message, or, when there will be
 *    none any more, `closed`. Messages that came before the close are delivered before `closed`.
 * 3. While messages wait beyond the queue's bound, the tunnel is not read.
 * 4. `drained` comes once for each websocket_want_drained: when what was sent has left so far
 *    that more is welcome, or never will be.
 * 5. Once our side is closed, websocket_send returns ERR_GONE. The peer's Close is answered, and
 *    our side closed by it, when the user has taken what came before, or WEBSOCKET_ANSWER_MS
 *    later.
 * 6. The user's pointer is good until websocket_release; the memory goes when both that and the
 *    tunnel's end have come. After websocket_release no event comes; a websocket that was not
 *    closed by then is closed with 1000 (the peer sees an orderly end).
 * 7. `code` and `reason` of `closed` are those of the peer's Close frame if one came (1005 where
 *    it had no code); else the code of ours if one was sent, with the rule that the peer has
 *    broken if one was; else 1006: the peer vanished. */
#ifndef HTTP_WEBSOCKET_H
#define HTTP_WEBSOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "http/exchange.h"
#include "http/tunnel.h"
#include "wire/ws_handshake.h"

/* One for all WebSockets of a gateway. Times in milliseconds, 0: off. */
struct websocket_config {
    uint64_t max_size;      /* bytes of a message, inflated; 0: no limit */
    uint32_t max_queue;     /* messages that wait; and of bytes WEBSOCKET_QUEUE_BYTES */
    uint32_t ping_interval; /* from the accept, or a pong, to the next ping */
    uint32_t ping_timeout;  /* silence behind a ping for so long: the peer has vanished */
    bool deflate;           /* permessage-deflate where the peer offers it */
};

enum {
    WEBSOCKET_CLOSE_MS = 10 * 1000, /* for the peer's answer to our Close */
    WEBSOCKET_ANSWER_MS = 1000,     /* for ours to the peer's, while the user is busy */
    WEBSOCKET_QUEUE_BYTES = 256 * 1024,
};

/* Output waiting beyond this: more is not welcome. */
enum { WEBSOCKET_HIGH_WATER = 64 * 1024 };

enum websocket_kind { WEBSOCKET_TEXT, WEBSOCKET_BINARY };

struct websocket;

/* What the user is told; run beat. */
struct websocket_events {
    /* [borrows message]; a text is valid UTF-8 */
    void (*message)(void *user, enum websocket_kind kind, struct slice message);
    void (*drained)(void *user);
    /* [borrows reason], valid UTF-8 */
    void (*closed)(void *user, uint16_t code, struct slice reason);
};

/* Where the memory of all WebSockets of a gateway comes from. */
struct websocket_pool;

/* [gives] a pool, or NULL where memory is short. [borrows config until websocket_pool_free] */
struct websocket_pool *websocket_pool_new(const struct websocket_config *config);

/* [takes pool]; when websocket_pool_live is 0. */
void websocket_pool_free(struct websocket_pool *pool);

/* WebSockets that are alive. */
uint32_t websocket_pool_live(const struct websocket_pool *pool);

/* Accepts: sends the protocol's switch with the handshake's fields and `fields` behind them, and
 * ends the exchange (as exchange_upgrade). `offer`: what ws_handshake_check gave [borrows for the
 * call]. [gives *websocket, until websocket_release] 0; ERR_RESPONSE_*: nothing was sent, the
 * exchange lives; ERR_NOMEM: the exchange lives; ERR_GONE: it does, until `abort`. */
int websocket_accept(struct websocket_pool *pool, struct exchange *exchange,
                     const struct ws_offer *offer, const struct response_field *fields,
                     size_t count, const struct websocket_events *events, void *user,
                     struct websocket **websocket);

/* Asks for the next message: one `message` or `closed` will come. */
void websocket_want_message(struct websocket *self);

/* True while output waits beyond WEBSOCKET_HIGH_WATER. */
bool websocket_congested(const struct websocket *self);

/* Asks for one `drained`. */
void websocket_want_drained(struct websocket *self);

/* Sends one message, compressed or copied. [borrows message for the call] 0; ERR_GONE; ERR_NOMEM:
 * the connection is closed with 1011. A text must be valid UTF-8. */
int websocket_send(struct websocket *websocket, enum websocket_kind kind, struct slice message);

/* True where websocket_send_piece is the better way for a message of `len` bytes: long, and not
 * to be compressed. */
bool websocket_takes_piece(const struct websocket *websocket, size_t len);

/* The same by reference, not compressed. [takes piece, whatever is returned] */
int websocket_send_piece(struct websocket *websocket, enum websocket_kind kind,
                         struct piece *piece);

/* Begins or answers the closing handshake. `code` as ws_close_code_sendable has it, or 1005 for
 * none; `reason` at most 123 bytes of UTF-8 [borrows for the call]. Nothing where our side is
 * closed already. */
void websocket_close(struct websocket *websocket, uint16_t code, struct slice reason);

/* [takes websocket] see laws 6. */
void websocket_release(struct websocket *self);

#endif
