/* What the head parsers of the instruction sets hand to the common parser of head_template.h.
 * Private to wire. */
#ifndef WIRE_HEAD_MASKS_H
#define WIRE_HEAD_MASKS_H

#include <stdint.h>

/* Bit i speaks of byte i of a vector (later: of a block). */
struct masks {
    uint64_t name_end;   /* not a token character */
    uint64_t value_end;  /* a control byte that no field value holds: CR, and what is illegal */
    uint64_t target_end; /* not in 0x21 to 0x7E */
};

#endif
