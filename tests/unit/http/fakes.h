/* What stands below HTTP in its tests: a transport without sockets, and clocks that stand still.
 *
 * fakes.c puts itself in the place of uv_now, uv_hrtime and time (--wrap, see meson.build), so
 * that the code under test is the product's, byte for byte. */
#ifndef UNIT_HTTP_FAKES_H
#define UNIT_HTTP_FAKES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "net/transport.h"

/* The clocks. `hr_step` is added to hr_ns at each reading. */
struct fake_clock {
    uint64_t ms;
    uint64_t hr_ns;
    uint64_t hr_step;
    int64_t unix_time;
};

extern struct fake_clock fake_clock;

/* How the peer sees that the connection ended. */
enum fake_end { FAKE_OPEN, FAKE_FIN, FAKE_RST };

enum { FAKE_IN = 512 * 1024, FAKE_OUT = 2 * 1024 * 1024 };

/* The far end of a connection: what it sends, how much it takes, what it has got. */
struct fake_peer {
    /* set by the test */
    uint8_t in[FAKE_IN]; /* to send; grows by fake_peer_send */
    size_t in_len;
    size_t step;      /* bytes of one read at most */
    size_t window;    /* bytes that it still takes, as far as `out` has room */
    bool half_closes; /* its end comes behind its bytes */
    bool resets;      /* it resets the connection now */
    /* read-only */
    size_t in_used;
    bool eof_told;
    uint8_t out[FAKE_OUT];
    size_t out_len;
    enum fake_end end;  /* of the server's direction */
    enum close_why why; /* CLOSE_NONE while open */
    bool closed;        /* the protocol has been told */
    /* private */
    bool reading;
    struct stream *stream;
};

void fake_peer_init(struct fake_peer *peer);

/* A transport whose next stream is to the peer that it expects. */
struct fake_transport {
    struct transport transport;
    struct slab streams;
    struct fake_peer *expected; /* set by the test. [borrows until its stream is closed] */
};

void fake_transport_init(struct fake_transport *fake);
void fake_transport_release(struct fake_transport *fake);

/* Puts bytes behind those that it sends. */
void fake_peer_send(struct fake_peer *peer, struct slice bytes);

/* It takes `more` bytes more. */
void fake_peer_open_window(struct fake_peer *peer, size_t more);

/* Its part of a read beat: one event at the most. Call before loop_turn. */
void fake_peer_turn(struct fake_peer *peer);

#endif
