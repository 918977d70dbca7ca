/* A preface: what a proxy says of a connection before the connection's own bytes, as the header of
 * the PROXY protocol. A transport over another: its streams are the other's own, whose first bytes
 * go to a reader and are never seen by their user. How a preface is written is the reader's matter:
 * a room above, which knows the protocol, gives it.
 *
 * Laws
 * 1. Until the preface has come, its user gets no `read`. What came behind it in the same bytes
 *    comes as the first.
 * 2. One that is malformed closes the stream, CLOSE_PREFACE; how long it may take to come is the
 *    user's matter (`come` says).
 * 3. All else is between the stream and its user. Once it has come, it costs a call an event.
 *
 * Loop thread. */
#ifndef NET_PREFACE_H
#define NET_PREFACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slab.h"
#include "base/slice.h"
#include "net/peer.h"
#include "net/transport.h"

/* What it has said; stream.preface, of each stream above it too. */
struct preface {
    bool come;
    bool named;         /* it names a client, else that is the peer itself */
    struct peer client; /* where named */
    int error;          /* where malformed: negative, of base/err.h */
};

/* Reads one from the beginning of `bytes`: how many are used, 0 where more are needed, or a
 * negative error; fills `named` and `client`. Read beat. */
typedef ssize_t preface_read_fn(struct slice bytes, struct preface *preface);

struct transport_preface {
    struct transport transport;
    /* private */
    struct transport *below;
    preface_read_fn *read;
    size_t longest;
    struct slab states;
};

/* A transport over `below` [borrows until release] whose streams begin with a preface of at most
 * `longest` bytes. `keep`: states that are kept for reuse. */
void transport_preface_init(struct transport_preface *self, struct transport *below,
                            preface_read_fn *read, size_t longest, uint32_t keep);

/* When its streams are gone. */
void transport_preface_release(struct transport_preface *self);

#endif
