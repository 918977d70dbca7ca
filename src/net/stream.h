/* A duplex byte channel: the contract between transports and protocols.
 *
 * Implemented by stream_uv (a socket under libuv) and by tls, a stream over a stream; later by
 * stream_uring. Used by protocols, which cannot tell which stands below.
 *
 * Laws
 * 1. No operation calls back before it returns.
 * 2. After stream_close no event comes but `closed`.
 * 3. `drained` comes once for each stream_want_drained, and only when the output waiting is
 *    below STREAM_LOW_WATER.
 * 4. `closed` comes exactly once and is the last event ever. The stream's memory lives until it
 *    has returned, and is taken back only by the loop's reaper at the end of that turn.
 * 5. Output leaves in the write beat, in the order in which it was given; but for
 *    stream_send_now and stream_send_chain, which are for streams over streams and never used
 *    beside the queue.
 *
 * All functions: loop thread. Events come in the read beat, `drained` in the write beat. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/chain.h"
#include "net/close_why.h"
#include "net/loop.h"
#include "net/security.h"

enum { STREAM_LOW_WATER = 64 * 1024 };

struct preface;
struct stream;

/* What the user of a stream is told. */
struct stream_events {
    void (*read)(struct stream *stream, struct buf *buf); /* [takes buf], not empty */
    void (*eof)(struct stream *stream); /* the peer sends no more; writing goes on */
    void (*drained)(struct stream *stream);
    void (*closed)(struct stream *stream);
};

/* What a transport does; called by the functions below only. */
struct stream_ops {
    void (*read_start)(struct stream *stream);
    void (*read_stop)(struct stream *stream);
    void (*close)(struct stream *stream); /* `out` is what will be dropped */
    size_t (*send_now)(struct stream *stream, const uint8_t *bytes, size_t len);
    /* NULL: it has none to tell, or to send to */
    int (*descriptor)(const struct stream *stream);
    void (*send_chain)(struct stream *stream, struct chain *chain);
    void (*await_room)(struct stream *stream);
    const struct security *(*security)(const struct stream *stream);
    const char *(*reason)(const struct stream *stream);
};

struct stream {
    /* read-only for the user */
    struct loop *loop;
    void *user;        /* the user's; set by it */
    struct chain out;  /* output not taken by the peer's socket yet */
    uint64_t progress; /* ms: when output last moved, or was last empty */
    /* What a proxy says before its bytes (net/preface.h); NULL: nothing is to come.
     * [borrows until closed has returned] */
    const struct preface *preface;
    enum close_why why; /* CLOSE_NONE while open */
    /* private to net/ */
    uint8_t finish; /* enum close_why: both directions end with `out`; CLOSE_NONE: only ours */
    bool shut;      /* our direction ends with what is in `out` */
    bool want_drained;
    const struct stream_ops *ops;
    const struct stream_events *events;
    struct flushable flushable;
};

/* Events `read` and `eof` come until read_stop; a stream starts stopped. */
static inline void stream_read_start(struct stream *stream) {
    stream->ops->read_start(stream);
}

/* Cheap to call and to take back: the transport stops watching only when bytes come. */
static inline void stream_read_stop(struct stream *stream) {
    stream->ops->read_stop(stream);
}

/* Sends what the transport takes at once, past the queue, which must be empty: returns how many
 * bytes, fewer than `len` where it takes no more; `drained` then tells, unasked, when it does. On
 * a closed stream, or where sending fails and so closes it, 0, and nothing is told. Any beat. */
static inline size_t stream_send_now(struct stream *stream, const uint8_t *bytes, size_t len) {
    return stream->why == CLOSE_NONE ? stream->ops->send_now(stream, bytes, len) : 0;
}

/* As stream_send_now, of the pieces of `chain`, of which those bytes are taken off that it takes
 * at once; where some are left, `drained` tells when it takes more. Only where stream_descriptor
 * gives one. Write beat. */
static inline void stream_send_chain(struct stream *stream, struct chain *chain) {
    if (stream->why == CLOSE_NONE) {
        stream->ops->send_chain(stream, chain);
    }
}

/* The connected socket that it sends to, for whoever has the kernel work on it or sends beside
 * the stream; -1: none. [borrows while it is open] */
static inline int stream_descriptor(const struct stream *stream) {
    return stream->ops->descriptor ? stream->ops->descriptor(stream) : -1;
}

/* Somebody has sent to its descriptor, which took no more: `drained` tells, unasked, when it
 * does. Only where stream_descriptor gave one. */
static inline void stream_await_room(struct stream *stream) {
    if (stream->why == CLOSE_NONE) {
        stream->ops->await_room(stream);
    }
}

/* What protects it; NULL: nothing. [borrows until closed has returned] */
static inline const struct security *stream_security(const struct stream *stream) {
    return stream->ops->security ? stream->ops->security(stream) : NULL;
}

/* What `why` does not say of its end, in a few words, or NULL. [borrows for ever] */
static inline const char *stream_reason(const struct stream *stream) {
    return stream->ops->reason ? stream->ops->reason(stream) : NULL;
}

/* Queues output for the write beat. [takes all pieces of chain; the chain is empty afterwards]
 * On a closed stream, or after stream_shutdown, the pieces end at once. */
void stream_write(struct stream *stream, struct chain *chain);

/* Asks for `drained`, once. Nothing on a closed stream; the same for the next two. */
void stream_want_drained(struct stream *stream);

/* Ends our direction when the output has left. Nothing may be written afterwards. */
void stream_shutdown(struct stream *stream);

/* Ends both directions, for `why`, when the output has left. Nothing may be written afterwards. */
void stream_finish(struct stream *stream, enum close_why why);

/* Ends both directions now; output that has not left is dropped, with a reset where
 * close_why_resets says so. The first reason stays; a second call does nothing. */
void stream_close(struct stream *stream, enum close_why why);

#endif
