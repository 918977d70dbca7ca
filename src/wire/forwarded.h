/* What proxies say of a request in its fields: Forwarded (RFC 7239), X-Forwarded-For, -Proto, -Host
 * and -Port.
 *
 * Pure, and without trust: whose word counts is the caller's matter (http/origin.h), which walks
 * from the last hop, that of the peer itself, towards the first. Strict: a trusted proxy's word
 * that cannot be read is an error, never a guess, because what was meant to be hidden in it could
 * be the client's (an open quote before the proxy's own element, a list where one value belongs).
 */
#ifndef WIRE_FORWARDED_H
#define WIRE_FORWARDED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Who spoke to a proxy. NODE_HIDDEN: somebody whom it does not name ("unknown", "_name", nothing).
 */
enum node_kind { NODE_HIDDEN, NODE_IPV4, NODE_IPV6 };

struct node {
    enum node_kind kind;
    uint8_t ip[16]; /* network order; the first 4 bytes for IPv4 */
    uint16_t port;  /* 0: not said */
};

enum forwarded_scheme { SCHEME_UNSAID, SCHEME_HTTP, SCHEME_HTTPS };

/* One proxy's word on the request that it got. */
struct hop {
    struct node node;
    enum forwarded_scheme scheme;
    struct slice host; /* an authority; empty: not said. [borrows the field's bytes] */
};

/* Reads the next element of a Forwarded field's value, from the left. True with *err 0 and *hop;
 * false with *err 0 where the list has ended; false with *err ERR_FORWARDED. Parameters that are
 * not known are checked and skipped. */
bool forwarded_next(struct slice *rest, struct hop *hop, int *err);

/* Takes the last element off an X-Forwarded-For field's value: an address, "[v6]", either with a
 * port, or a name that hides it; empty elements are skipped. True with *err 0 and *node; false with
 * *err 0 where the list has ended; false with *err ERR_FORWARDED_FOR. */
bool forwarded_for_last(struct slice *rest, struct node *node, int *err);

/* One of http, https, ws and wss. 0 or ERR_FORWARDED_PROTO. */
int forwarded_proto(struct slice value, enum forwarded_scheme *scheme);

/* 1 to 65535. 0 or ERR_FORWARDED_PORT. */
int forwarded_port(struct slice value, uint16_t *port);

/* Parts a valid authority into its name, brackets included, and its port, 0 where it has none. */
void forwarded_split(struct slice authority, struct slice *name, uint16_t *port);

#endif
