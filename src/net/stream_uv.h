/* Streams over connected sockets, polled by libuv: the transport that is everywhere. */
#ifndef NET_STREAM_UV_H
#define NET_STREAM_UV_H

#include "base/slab.h"
#include "net/transport.h"

struct transport_uv {
    struct transport transport;
    struct slab streams; /* private */
};

/* `keep`: freed streams that are kept for reuse. */
void transport_uv_init(struct transport_uv *uv, uint32_t keep);

/* When its streams are gone. */
void transport_uv_release(struct transport_uv *uv);

#endif
