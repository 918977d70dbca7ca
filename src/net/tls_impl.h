/* The inside of a TLS stream: tls.c holds its life, tls_in.c the way in with the handshake,
 * tls_out.c the way out. Private to them. */
#ifndef NET_TLS_IMPL_H
#define NET_TLS_IMPL_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/tls.h"
#include "net/tls_bio.h"
#include "net/tls_peer.h"

/* Bytes of a record at the most (RFC 8446 section 5.1). */
enum { TLS_RECORD = 16 * 1024 };

enum tls_in { IN_WAIT, IN_QUEUED, IN_HANDSHAKE, IN_OPEN, IN_ENDED, IN_REFUSED, IN_COUNT };
enum tls_out { OUT_SHUT, OUT_OPEN, OUT_NOTIFIED };

struct tls_stream {
    struct stream stream; /* what the user sees */
    struct transport_tls *home;
    struct tls_context *context; /* a reference */
    struct tls_pipe pipe;
    SSL *ssl;            /* NULL before the handshake */
    struct list link;    /* in home->queue or home->holders */
    uint64_t held_since; /* ms: its place */
    struct readable again;
    struct loop_timer timer; /* of the handshake */
    struct grave grave;
    struct security security;
    struct tls_peer *peer; /* owned; NULL: no certificate */
    const char *failure;   /* why the handshake failed */
    uint32_t record;       /* bytes of the record that waits in libssl; 0: none */
    uint32_t sent;         /* bytes since output last began, as far as SMALL_BYTES */
    uint8_t in;            /* enum tls_in */
    uint8_t out;           /* enum tls_out */
    bool reading;          /* the user wants bytes */
    uint8_t end;           /* enum close_why, of who is refused */
    bool kernel;           /* the kernel encrypts */
    bool loses;            /* it is closed for those who wait */
    bool left;             /* it waits no more */
};

/* Before a call whose result SSL_get_error explains, and when all is done: the queue is the
 * thread's. Python's own ssl may have left something there, and would take what is left there for
 * its own: a stranger's broken handshake must not end a connection of the application.
 * ERR_clear_error alone walks all of it each time. */
static inline void tls_clear_errors(void) {
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
}

static inline struct tls_stream *tls_own(struct stream *stream) {
    return LIST_OWNER(stream, struct tls_stream, stream);
}

static inline bool tls_is_open(const struct tls_stream *self) {
    return self->stream.why == CLOSE_NONE;
}

/* tls.c: the setters that assert the edges. */
void tls_set_in(struct tls_stream *self, enum tls_in to);
void tls_set_out(struct tls_stream *self, enum tls_out to);

/* tls_places.c: its handshake begins now, or when its turn comes (`again` is read then). */
void tls_places_init(struct transport_tls *home);
void tls_place_ask(struct tls_stream *self);

/* A handshake is over, in whatever way: its place is the next one's. */
void tls_place_give(struct tls_stream *self);

/* It is closing: it waits no more, nor can it lose its place. */
void tls_place_leave(struct tls_stream *self);

/* tls.c: libssl has failed, and has sent its alert; or the stream below has failed. */
void tls_fail(struct tls_stream *self);

/* tls.c: it has been told why; it is closed for `end` once it has gone, or has had its time. */
void tls_refuse(struct tls_stream *self, enum close_why end);

/* tls_in.c: everything that can be done with the bytes that are here. Read beat. */
void tls_advance(struct tls_stream *self);

/* tls_in.c: goes on with the handshake. */
void tls_shake_hands(struct tls_stream *self);

/* tls_in.c: the operations read_start and read_stop. */
void tls_read_start(struct stream *stream);
void tls_read_stop(struct stream *stream);

/* tls_in.c: events of the stream below. [takes buf] */
void tls_below_read(struct stream *below, struct buf *buf);
void tls_below_eof(struct stream *below);

/* tls_out.c: the write beat; and the stream below takes more. */
void tls_flush(struct flushable *flushable);
void tls_below_drained(struct stream *below);

#endif
