/* IP addresses as text, to bytes in network order: strict, the same everywhere, and without the C
 * library's leniencies. */
#ifndef BASE_IP_TEXT_H
#define BASE_IP_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Four numbers from 0 to 255 without leading zeros. `ip` is written only where it is one. */
bool ip_text_v4(struct slice text, uint8_t ip[4]);

/* Eight groups of up to four digits, of which one run may be left out as "::" and the last two be
 * written as an IPv4 address (RFC 4291 section 2.2); no zone. `ip` is written only where it is
 * one. */
bool ip_text_v6(struct slice text, uint8_t ip[16]);

/* Is it an IPv4 address mapped into IPv6 (RFC 4291 section 2.5.5.2)? Its IPv4 part are the last
 * four bytes. */
bool ip_is_mapped(const uint8_t ip[16]);

#endif
