/* Percent-decoding of request targets (RFC 3986 section 2.1). Pure. */
#ifndef WIRE_PERCENT_H
#define WIRE_PERCENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* Decodes %XX; what is no pair of hex digits stays as it is. `to` has room for text.len bytes.
 * Returns the bytes written. */
size_t percent_decode(struct slice text, uint8_t *to);

#endif
