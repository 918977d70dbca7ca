/* What stands below a WebSocket in its tests: an exchange that can be turned into a tunnel, the
 * tunnel's operations, and the peer behind it. It watches the laws of http/tunnel.h. */
#ifndef UNIT_HTTP_FAKE_CARRIER_H
#define UNIT_HTTP_FAKE_CARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "http/exchange.h"
#include "http/tunnel.h"

enum { CARRIER_IN = 512 * 1024, CARRIER_OUT = 1024 * 1024 };

struct fake_carrier {
    /* set by the test */
    size_t step;      /* bytes of one read at most */
    size_t window;    /* bytes that the peer still takes, as far as `out` has room */
    bool half_closes; /* the peer's end comes behind its bytes */
    bool resets;      /* the peer resets the connection now */
    int refusal;      /* what the upgrade returns */
    bool hears_end;   /* once finished, `closed` comes only with the peer's end */
    /* read-only */
    struct exchange exchange;
    size_t in_used;
    size_t in_len;
    size_t out_len;
    size_t fields_len;
    bool upgraded;
    bool reading;
    bool finished;      /* by tunnel_finish */
    enum close_why why; /* of tunnel_close, or why the peer's end closed it; else CLOSE_NONE */
    bool closed;        /* its owner has been told */
    /* private */
    struct tunnel *tunnel;
    struct log *log;
    struct peer peer;
    struct chain chain; /* output that the peer has not taken */
    struct flushable flushable;
    bool want_drained;
    bool eof_told;
    /* read-only, as far as their lengths say */
    uint8_t in[CARRIER_IN];   /* what the peer sends; grows by fake_carrier_send */
    uint8_t out[CARRIER_OUT]; /* what the peer has got */
    char fields[1024];        /* of the switch: "name: value\n" each */
};

/* [borrows loop and log until the tunnel is closed] */
void fake_carrier_init(struct fake_carrier *carrier, struct loop *loop, struct log *log);

/* Puts bytes behind those that the peer sends. */
void fake_carrier_send(struct fake_carrier *carrier, struct slice bytes);

/* The peer takes `more` bytes more. */
void fake_carrier_open_window(struct fake_carrier *carrier, size_t more);

/* Its part of a read beat: one event at the most. Call before loop_turn. */
void fake_carrier_turn(struct fake_carrier *carrier);

/* The server stops gracefully. */
void fake_carrier_stop(struct fake_carrier *carrier);

#endif
