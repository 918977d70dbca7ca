/* host [":" port], as a Host field and an absolute target hold it (RFC 9110 section 7.2, RFC
 * 3986 section 3.2). Called by http_rules, forwarded and http/origin. */
#ifndef WIRE_AUTHORITY_H
#define WIRE_AUTHORITY_H

#include <stdbool.h>

#include "base/slice.h"

/* Whether it is one that names a host: a registered name, an IPv4 address or an IPv6 address in
 * brackets, and at most a port from 0 to 65535.
 *
 * Narrower than the grammar: no user information ("@"), no empty host, no comma in a name (it
 * would make a list of two hosts out of one), no address of a future version, no zone. */
bool authority_is_valid(struct slice authority);

#endif
