/* A WebSocket between fakes, a carrier below and a user above: what the tests of
 * http/websocket.h share. The user writes down what it is told and watches the laws. */
#ifndef UNIT_HTTP_WS_RIG_H
#define UNIT_HTTP_WS_RIG_H

#include "base/log.h"
#include "http/fake_carrier.h"
#include "http/websocket.h"

enum { WS_JOURNAL = 1024 * 1024 };

/* The journal: "text TEXT\n", "binary TEXT\n", "drained\n", "closed CODE REASON\n". */
struct ws_rig {
    struct websocket_config config; /* change it, and the offer, before ws_rig_open */
    struct ws_offer offer;
    struct loop loop;
    struct log log;
    struct websocket_pool *pool;
    struct websocket *ws; /* NULL before the accept and once released */
    int accepted;         /* what websocket_accept gave */
    bool eager;           /* the user asks for the next message inside of the event */
    bool releases;        /* and gives the WebSocket back inside of each event */
    bool silent;          /* messages and their lengths are counted, not written down */
    /* read-only */
    unsigned messages;
    size_t message_bytes;
    unsigned closes;
    unsigned drains;
    uint16_t code;   /* of the last `closed` */
    unsigned sweeps; /* pieces of the test's that are over: see ws_rig_piece */
    size_t journal_len;
    /* private */
    bool asked;
    bool asked_drained;
    bool operating;
    /* read-only, as far as its length says, and what stands below */
    struct fake_carrier carrier;
    char journal[WS_JOURNAL];
};

/* Defaults: a queue of 4, messages of at most 1 MiB, no pings, no permessage-deflate offered;
 * clocks at zero. */
void ws_rig_init(struct ws_rig *rig);

/* The client offers permessage-deflate; the server takes it. */
void ws_rig_offer_deflate(struct ws_rig *rig, const struct ws_deflate_offer *offer);

/* Loop and pool; then the accept, which may fail: rig->accepted. */
void ws_rig_open(struct ws_rig *rig);

/* One turn: the carrier's part of the read beat, and then the loop's. */
void ws_rig_turn(struct ws_rig *rig);

/* Turns until nothing more happens. */
void ws_rig_settle(struct ws_rig *rig);

/* The peer sends bytes, or one frame: its first byte as it is on the wire, and the payload, which
 * is masked. Nothing settles. */
void ws_rig_bytes(struct ws_rig *rig, struct slice bytes);
void ws_rig_frame(struct ws_rig *rig, uint8_t first, struct slice payload);

/* Its head alone, for a payload of any length that it announces. */
void ws_rig_frame_head(struct ws_rig *rig, uint8_t first, uint64_t len);

/* The clock goes on by `ms`, what is due is told, and all settles. */
void ws_rig_pass(struct ws_rig *rig, uint64_t ms);

/* The user's operations, watched. */
void ws_rig_want(struct ws_rig *rig);
void ws_rig_want_drained(struct ws_rig *rig);
int ws_rig_send(struct ws_rig *rig, enum websocket_kind kind, struct slice message);
int ws_rig_send_piece(struct ws_rig *rig, enum websocket_kind kind, struct slice message);
void ws_rig_close(struct ws_rig *rig, uint16_t code, struct slice reason);
void ws_rig_release(struct ws_rig *rig);

/* What the peer has got, what the user was told since the last call. [borrows until the next turn]
 */
struct slice ws_rig_output(struct ws_rig *rig);
struct slice ws_rig_journal(struct ws_rig *rig);

/* The next line of the log, "" where none waits. [borrows until the next call] */
struct slice ws_rig_log(struct ws_rig *rig);

/* Releases what the test has not, closes the carrier and frees all: nothing may be left. */
void ws_rig_end(struct ws_rig *rig);

#endif
