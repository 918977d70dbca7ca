/* The ways of finding valid UTF-8 fast, one for each instruction set; which of them this processor
 * can run is decided in utf8_dispatch_*.c. Private to wire and its tests.
 *
 * None of them gives a verdict: what they do not vouch for is looked at byte by byte (utf8.c). So
 * they cannot differ in what is called valid, as long as they vouch for nothing that is not. */
#ifndef WIRE_UTF8_PATHS_H
#define WIRE_UTF8_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/utf8.h"

/* How many of the bytes are whole and valid characters, counted from `bytes` on, where a character
 * begins. May give less: it stops somewhere before what is invalid or incomplete. */
typedef size_t utf8_prefix_fn(const uint8_t *bytes, size_t len);

struct utf8_path {
    const char *name; /* "avx2", "sse4.2", "neon", "scalar" */
    utf8_prefix_fn *prefix;
};

extern const struct utf8_path utf8_path_scalar; /* everywhere */
extern const struct utf8_path utf8_path_sse42;  /* x86-64 */
extern const struct utf8_path utf8_path_avx2;   /* x86-64 */
extern const struct utf8_path utf8_path_neon;   /* aarch64 */

/* Those that this processor can run, fastest first; at least "scalar". `count` gives their
 * number. [borrows for ever] */
const struct utf8_path *const *utf8_paths(size_t *count);

/* utf8_feed, by a path of the caller's choice. */
bool utf8_feed_by(const struct utf8_path *path, struct utf8 *utf8, const uint8_t *bytes,
                  size_t len);

#endif
