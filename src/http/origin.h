/* Who asks, and for what, as the client sees it: what the connection says, or what proxies that are
 * trusted say of it in their fields. Found once a request, before any gateway sees it, so that
 * every gateway and the log say the same.
 *
 * Laws
 * 1. Fields count only where the peer is trusted: the socket's, or whom its PROXY header names.
 * 2. The client is found from the peer towards the left of the list, past those who are trusted,
 *    to the first who is not. Who hides, or says nothing, ends the walk at whom was found last.
 * 3. Scheme and host are those of the hop where the walk ends; where it says none, of the next
 *    one to the right that does. X-Forwarded-Proto, -Host and -Port have one value each.
 * 4. What cannot be read, or could be read in two ways, refuses the request: to fall back on the
 *    connection would make the client a trusted peer. */
#ifndef HTTP_ORIGIN_H
#define HTTP_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "net/peer.h"
#include "net/trust.h"
#include "wire/head.h"

/* Which fields are read. ORIGIN_AUTO: whichever are there; both kinds are ERR_FORWARDED_BOTH,
 * because one of them is then the client's. */
enum origin_kind { ORIGIN_AUTO, ORIGIN_X_FORWARDED, ORIGIN_FORWARDED };

struct origin_rules {
    struct trust trusted;
    enum origin_kind kind;
    bool host; /* host and port count too: most proxies pass on what the client sends of them */
};

struct origin {
    struct peer client;
    bool secure;       /* https, wss */
    bool renamed;      /* host and port below stand for those of Host and of the listener */
    struct slice host; /* brackets included. [borrows the head's bytes] */
    uint16_t port;     /* 0: the scheme's own */
};

/* Trusted proxies between the peer and the client at the most. */
enum { ORIGIN_HOPS = 64 };

/* What the connection itself says. */
static inline struct origin origin_direct(const struct peer *peer, bool secure) {
    return (struct origin){.client = *peer, .secure = secure};
}

/* Takes into account what the head says, where `origin`, which holds what the connection says, is
 * that of a trusted peer. `authority`: the request's own. 0 or ERR_FORWARDED_*.
 * [borrows bytes until `origin` is no longer used] */
int origin_find(const struct origin_rules *rules, const struct head *head, const uint8_t *bytes,
                struct slice authority, struct origin *origin);

#endif
