/* The mask of a client's frames (RFC 6455 section 5.3). Pure; one file an instruction set. */
#ifndef WIRE_WS_MASK_H
#define WIRE_WS_MASK_H

#include <stddef.h>
#include <stdint.h>

/* Copies `len` bytes and takes the mask off (or puts it on). `phase`: how many bytes of the
 * payload came before. `to` may be `from`; they may not overlap otherwise. */
void ws_unmask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t key[4], size_t phase);

#endif
