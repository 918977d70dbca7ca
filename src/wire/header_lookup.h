/* From the bytes of a field name to its number, without a call: for the head parsers.
 *
 * Private to wire; everyone else calls header_id_of(). The name must be a token already: among
 * token characters `| 0x20` makes only letters equal that differ in case, and the table's names
 * hold nothing but letters and "-" (the unit test checks it). Reads nothing around the name. */
#ifndef WIRE_HEADER_LOOKUP_H
#define WIRE_HEADER_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/header_id.h"
#include "wire/header_slots.h"

#define HEADER_NAME_ROOM 32 /* bytes of a row; names are shorter */

struct header_row {
    char name[HEADER_NAME_ROOM]; /* padded with NUL; empty for HEADER_OTHER */
};

struct header_slot {
    uint8_t id; /* HEADER_OTHER where free */
    uint8_t len;
};

extern const struct header_row header_rows[HEADER_COUNT];
extern const struct header_slot header_slots[HEADER_SLOT_COUNT];

/* The same as slot() of header_slots.py. `len` is at least 2, or it is 1 and the byte before the
 * name and the one behind it may be read too. */
static inline uint8_t header_hash(const uint8_t *name, size_t len) {
    const uint8_t *tail = name + len - 2;
    uint32_t first = (uint32_t)(name[0] | name[1] << 8);
    uint32_t last = (uint32_t)(tail[0] | tail[1] << 8);
    uint32_t key = (first | last << 16 | 0x20202020u) + ((uint32_t)len << 7);
    return (uint8_t)(key * HEADER_SLOT_FACTOR >> 24);
}

/* The bits in which eight (four, two) bytes differ from those of a lower-case name. */
static inline uint64_t name_differ_8(const uint8_t *name, const char *lower) {
    uint64_t a;
    uint64_t b;
    memcpy(&a, name, sizeof a);
    memcpy(&b, lower, sizeof b);
    return (a | 0x2020202020202020u) ^ b;
}

static inline uint32_t name_differ_4(const uint8_t *name, const char *lower) {
    uint32_t a;
    uint32_t b;
    memcpy(&a, name, sizeof a);
    memcpy(&b, lower, sizeof b);
    return (a | 0x20202020u) ^ b;
}

static inline uint32_t name_differ_2(const uint8_t *name, const char *lower) {
    uint16_t a;
    uint16_t b;
    memcpy(&a, name, sizeof a);
    memcpy(&b, lower, sizeof b);
    return (a | 0x2020u) ^ (uint32_t)b;
}

/* Steps overlap at the end instead of ending in single bytes. `len` is at least 2. */
static inline bool name_is(const uint8_t *name, const char *lower, size_t len) {
    if (len >= 8) {
        uint64_t differ = name_differ_8(name + len - 8, lower + len - 8);
        for (size_t i = 0; i + 8 < len; i += 8) {
            differ |= name_differ_8(name + i, lower + i);
        }
        return differ == 0;
    }
    if (len >= 4) {
        return (name_differ_4(name, lower) | name_differ_4(name + len - 4, lower + len - 4)) == 0;
    }
    return (name_differ_2(name, lower) | name_differ_2(name + len - 2, lower + len - 2)) == 0;
}

#endif
