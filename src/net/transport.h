/* How a connected socket becomes a stream: what a server opens its connections with.
 *
 * Implemented by transport_uv (stream_uv.h); later for io_uring, and for TLS over another
 * transport. Its memory is the caller's, and outlives its streams. Loop thread. */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

#include <stdint.h>

#include "net/stream.h"

struct transport;

struct transport_ops {
    struct stream *(*open)(struct transport *transport, struct loop *loop, int fd,
                           const struct stream_events *events, void *user);
    uint32_t (*live)(const struct transport *transport);
};

/* Stands inside an implementation. */
struct transport {
    const struct transport_ops *ops;
};

/* [gives] a stream on `fd`, or NULL where memory or the system refuse; [takes fd] in either case.
 * It frees itself after `closed`. */
static inline struct stream *transport_open(struct transport *transport, struct loop *loop, int fd,
                                            const struct stream_events *events, void *user) {
    return transport->ops->open(transport, loop, fd, events, user);
}

/* Streams that have not been freed yet. */
static inline uint32_t transport_live(const struct transport *transport) {
    return transport->ops->live(transport);
}

#endif
