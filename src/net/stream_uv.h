/* A stream over a connected socket, polled by libuv. */
#ifndef NET_STREAM_UV_H
#define NET_STREAM_UV_H

#include "net/stream.h"

/* Bytes of a stream_uv: what a connection costs in this room. */
size_t stream_uv_size(void);

/* [gives] a stream on `fd`, or NULL where memory or libuv refuse; [takes fd] in either case.
 * It frees itself after `closed`. `pool` is a slab of stream_uv_size() objects. */
struct stream *stream_uv_new(struct loop *loop, struct slab *pool, int fd,
                             const struct stream_events *events, void *user);

#endif
