/* The head parsers that the build has, each in a file of its own; which of them this processor
 * can run is decided in head_dispatch_*.c. Private to wire. */
#ifndef WIRE_HEAD_ROWS_H
#define WIRE_HEAD_ROWS_H

#include "wire/head.h"

extern const struct head_parser head_parser_scalar; /* everywhere */
extern const struct head_parser head_parser_sse42;  /* x86-64 */
extern const struct head_parser head_parser_avx2;   /* x86-64 */
extern const struct head_parser head_parser_neon;   /* aarch64 */

#endif
