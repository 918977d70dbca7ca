/* An exchange turned into a duplex channel of bytes, for a protocol that is not HTTP: WebSocket
 * (RFC 6455 over HTTP/1.1, later RFC 8441 over HTTP/2).
 *
 * Made by exchange_upgrade. Implemented by protocols, used by http/websocket.c, which cannot tell
 * which stands below. Its owner embeds `struct tunnel` and fills `events`; the rest is the
 * protocol's.
 *
 * Laws
 * 1. No operation calls back before it returns.
 * 2. Events come in the read beat, what had arrived before the upgrade in the run beat, `drained`
 *    in the write beat, `stopping` in any; none needs the GIL, and who needs Python puts a
 *    runnable on the run queue.
 * 3. `read` comes between tunnel_read_start and tunnel_read_stop only; a tunnel starts stopped.
 * 4. `closed` comes exactly once and is the last event ever. The tunnel's memory must live until
 *    it has returned. After tunnel_close nothing comes but it.
 * 5. `drained` comes once for each tunnel_want_drained, as in net/stream.h.
 *
 * All functions: loop thread, any beat. */
#ifndef HTTP_TUNNEL_H
#define HTTP_TUNNEL_H

#include <stddef.h>

#include "base/buf.h"
#include "base/chain.h"
#include "base/list.h"
#include "base/log.h"
#include "net/close_why.h"
#include "net/loop.h"
#include "net/peer.h"

struct tunnel;

struct tunnel_events {
    void (*read)(struct tunnel *tunnel, struct buf *buf); /* [takes buf], not empty; its bytes may
                                                             be changed */
    void (*eof)(struct tunnel *tunnel);                   /* the peer sends no more */
    void (*drained)(struct tunnel *tunnel);
    void (*stopping)(struct tunnel *tunnel); /* the server stops gracefully: come to an end */
    void (*closed)(struct tunnel *tunnel, enum close_why why);
};

struct tunnel_ops {
    void (*read_start)(struct tunnel *tunnel);
    void (*read_stop)(struct tunnel *tunnel);
    void (*write)(struct tunnel *tunnel, struct chain *chain);
    void (*want_drained)(struct tunnel *tunnel);
    void (*finish)(struct tunnel *tunnel);
    void (*close)(struct tunnel *tunnel, enum close_why why);
    size_t (*unsent)(const struct tunnel *tunnel);
};

struct tunnel {
    /* the owner's, set before exchange_upgrade */
    const struct tunnel_events *events;
    /* read-only, set by exchange_upgrade */
    struct loop *loop;
    struct log *log;         /* the server's */
    const struct peer *peer; /* until `closed` */
    /* private to the protocol */
    const struct tunnel_ops *ops;
    void *carrier;         /* its connection or stream; NULL before the upgrade and once closed */
    struct runnable early; /* delivers what had arrived before the upgrade */
};

static inline void tunnel_read_start(struct tunnel *tunnel) {
    tunnel->ops->read_start(tunnel);
}

static inline void tunnel_read_stop(struct tunnel *tunnel) {
    tunnel->ops->read_stop(tunnel);
}

/* Queues output. [takes all pieces of chain] After tunnel_finish or tunnel_close they end at
 * once. */
static inline void tunnel_write(struct tunnel *tunnel, struct chain *chain) {
    tunnel->ops->write(tunnel, chain);
}

static inline void tunnel_want_drained(struct tunnel *tunnel) {
    tunnel->ops->want_drained(tunnel);
}

/* An orderly end: our direction ends when the output has left; the peer's end is waited for a
 * while, what it still sends is thrown away; then `closed`. Nothing else comes any more. */
static inline void tunnel_finish(struct tunnel *tunnel) {
    tunnel->ops->finish(tunnel);
}

/* Ends both directions now. */
static inline void tunnel_close(struct tunnel *tunnel, enum close_why why) {
    tunnel->ops->close(tunnel, why);
}

/* Bytes of output that the peer's side has not taken yet. */
static inline size_t tunnel_unsent(const struct tunnel *tunnel) {
    return tunnel->ops->unsent(tunnel);
}

#endif
