/* What the head parsers of the instruction sets hand to the common parser of head_template.h.
 * Private to wire. */
#ifndef WIRE_HEAD_MASKS_H
#define WIRE_HEAD_MASKS_H

#include <stddef.h>
#include <stdint.h>

#define BLOCK_BYTES 64

/* Bit i speaks of byte i of a vector or a block. */
struct masks {
    uint64_t name_end;   /* not a token character */
    uint64_t value_end;  /* a control byte that no field value holds: CR, and what is illegal */
    uint64_t target_end; /* not in 0x21 to 0x7E */
};

/* `masks` and those of the bytes from `at` on. */
static inline struct masks masks_join(struct masks masks, struct masks more, size_t at) {
    return (struct masks){
        .name_end = masks.name_end | more.name_end << at,
        .value_end = masks.value_end | more.value_end << at,
        .target_end = masks.target_end | more.target_end << at,
    };
}

#endif
