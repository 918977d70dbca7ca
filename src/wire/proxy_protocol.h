/* The header of the PROXY protocol, versions 1 and 2: what a proxy says of the client before the
 * connection's own bytes. HAProxy's doc/proxy-protocol.txt is the specification; sections 2.1 and
 * 2.2 the two forms.
 *
 * Pure. Whether the peer may say it, and that it stands only first, is the caller's matter. */
#ifndef WIRE_PROXY_PROTOCOL_H
#define WIRE_PROXY_PROTOCOL_H

#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"

enum { PROXY_V1_MAX = 107, PROXY_HEADER_MAX = 16 + UINT16_MAX };

/* Whom it names. PROXY_SELF: nobody, the peer itself is the client (a check by the proxy, or a
 * family that it does not know). */
enum proxy_source { PROXY_SELF, PROXY_UNIX, PROXY_IPV4, PROXY_IPV6 };

struct proxy_header {
    enum proxy_source source;
    uint8_t ip[16]; /* network order; the first 4 bytes for IPv4; zero for the others */
    uint16_t port;
};

/* Reads one from the beginning of a connection. Returns its length, 0 where more bytes are needed,
 * or a negative error as soon as one is certain: ERR_PROXY_MISSING where it is no such header,
 * ERR_PROXY_V1, ERR_PROXY_V2 where it breaks the rules of its form. What follows the addresses in
 * version 2 (its TLVs) is skipped. */
ssize_t proxy_header_parse(struct slice bytes, struct proxy_header *header);

#endif
