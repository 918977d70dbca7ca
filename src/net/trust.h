/* Peers that are trusted: networks, unix sockets, everybody. Filled once, then only asked. */
#ifndef NET_TRUST_H
#define NET_TRUST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "net/peer.h"

struct trust_net {
    struct peer base; /* port 0, the bits behind the first `bits` zero */
    uint8_t bits;
};

struct trust {
    /* private */
    bool everybody;
    bool unix_peers;
    uint32_t count;
    struct trust_net *nets;
};

/* Nobody. */
void trust_init(struct trust *trust);
void trust_release(struct trust *trust);

/* Adds what one word says: an address of IPv4 or IPv6, a network of them in CIDR notation whose
 * bits behind the prefix are zero, "unix" (peers of unix sockets) or "*" (every peer). A network of
 * mapped addresses is the one of IPv4; one of IPv6 that is wider than these has no IPv4 in it.
 * 0; ERR_NOMEM; ERR_LIMIT where it is none of these. */
int trust_add(struct trust *trust, struct slice word);

/* Whether the peer is one of them; its port does not count. */
bool trust_has(const struct trust *trust, const struct peer *peer);

#endif
