/* TLS 1.3 and 1.2 as a transport: streams over the streams of another, by OpenSSL's libssl.
 *
 * Knows nothing of HTTP, and HTTP nothing of it. What is negotiated with stands in a
 * tls_context.h; what was negotiated is told by stream_security (net/security.h).
 *
 * A connection costs an SSL object only once its peer has sent a byte, and only while fewer than
 * `handshakes` others are in their handshake: the rest wait their turn, their bytes unread, within
 * `timeout`. While somebody waits, a handshake that has taken more than a second is closed.
 *
 * Ways in and out of a stream, one enum each (all other edges are asserted against):
 *
 *   in   WAIT       -> QUEUED      bytes have come, but too many handshakes are in progress
 *        WAIT, QUEUED -> HANDSHAKE the SSL object is made
 *        HANDSHAKE  -> OPEN        done
 *        OPEN       -> ENDED       the peer's close_notify
 *        WAIT       -> REFUSED     it speaks HTTP without TLS: it has been told so
 *        HANDSHAKE  -> REFUSED     it has been told why, by an alert
 *
 * Of who is refused everything is dropped for a moment before the connection ends, since a reset
 * would take back what it has been told.
 *
 *   out  SHUT       -> OPEN        the handshake is done: what was queued can leave
 *        OPEN       -> NOTIFIED    our close_notify has been sent
 *
 * Output is encrypted in the write beat, straight from the pieces of `out`, and handed to the
 * stream below record by record without a copy (stream_send_now). A record that it does not take
 * whole stays in libssl, and its plaintext in `out`, so `out` is what the socket has not taken, as
 * for every stream.
 *
 * Where the kernel and libssl can (kTLS), the kernel encrypts: then the pieces go to the stream
 * below as they are, files by sendfile, in records as the kernel makes them.
 *
 * An end of the stream below without close_notify is CLOSE_TLS_CUT, never an end of file: nothing
 * that was cut can look complete (RFC 8446 section 6.1). Loop thread. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/slab.h"
#include "net/tls_context.h"
#include "net/tls_keys.h"
#include "net/transport.h"

/* Counted since the start. */
struct tls_counters {
    uint64_t full;    /* handshakes with certificates */
    uint64_t resumed; /* by a ticket */
    uint64_t failed;  /* refused, broken, or too slow */
    uint64_t kernel;  /* connections for which the kernel encrypts */
};

struct transport_tls {
    struct transport transport;
    struct tls_counters counters; /* read-only */
    /* private */
    struct transport *below;
    struct tls_context *context;
    struct tls_keys *keys;
    uint32_t timeout;
    uint32_t limit;
    uint32_t handshaking; /* places that are taken */
    uint32_t waiting;     /* in queue */
    uint32_t losing;      /* closing, so that those who wait get their places */
    struct list queue;    /* of struct tls_stream in QUEUED */
    struct list holders;  /* of those in HANDSHAKE that are not closing, the longest first */
    struct loop_timer hurry;
    bool kernel;
    struct slice (*plain_answer)(void *arg);
    void *plain_arg;
    struct slab streams;
    uint8_t *record; /* pieces gathered for one */
    struct bio_method_st *method;
};

struct tls_settings {
    uint32_t timeout;    /* ms from accept to the end of the handshake; 0: none */
    uint32_t handshakes; /* in progress at once; not 0 */
    uint32_t keep;       /* freed streams kept for reuse */
    bool kernel;         /* the kernel encrypts where it can: see sys_kernel_tls */
    /* What is said, unencrypted, to a peer that speaks HTTP without TLS: asked for at each such
     * peer, with plain_arg. Gives a slice [borrows until its next call]. Read beat. */
    struct slice (*plain_answer)(void *arg);
    void *plain_arg; /* [borrows until release] */
};

/* A transport over `below` [borrows until release]. `context` [takes a reference], `keys` [borrows
 * until release]. 0 or ERR_NOMEM. */
int transport_tls_init(struct transport_tls *tls, struct transport *below,
                       struct tls_context *context, struct tls_keys *keys,
                       const struct tls_settings *settings);

/* New handshakes are made with `context` [takes a reference]; streams that are there stay. */
void transport_tls_renew(struct transport_tls *tls, struct tls_context *context);

/* When its streams are gone. */
void transport_tls_release(struct transport_tls *tls);

#endif
