/* From the bytes of a field name to its number, without a call: for the head parsers.
 *
 * Private to wire; everyone else calls header_id_of(). The name may hold any bytes, but must stand
 * behind a CRLF and a byte more, and before a colon: all of it takes part. The table's names hold
 * nothing but small letters and "-" (the unit test checks it), so a byte of a row is a letter
 * where its 0x40 is set, and only there may the name's byte lack the 0x20. */
#ifndef WIRE_HEADER_LOOKUP_H
#define WIRE_HEADER_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/header_id.h"
#include "wire/header_slots.h"

#define HEADER_ROW_BYTES 32

struct header_row {
    char name[HEADER_ROW_BYTES]; /* and the colon, padded with NUL; HEADER_OTHER: only NUL */
};

/* Hidden, so that they are reached without a detour where there is no link-time optimisation. */
#define HIDDEN __attribute__((visibility("hidden")))
extern HIDDEN const struct header_row header_rows[HEADER_COUNT];
extern HIDDEN const uint8_t header_slots[HEADER_SLOT_COUNT]; /* ids; HEADER_OTHER where free */

/* The one row that the name can be: the same as slot() of header_slots.py. */
static inline enum header_id header_candidate(const uint8_t *name, size_t len) {
    const uint8_t *tail = name + len - 4; /* short names have the CRLF in it */
    uint32_t last = (uint32_t)tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 |
                    (uint32_t)tail[3] << 24;
    uint32_t key = (last | 0x20202020u) + ((uint32_t)len << 7);
    return (enum header_id)header_slots[key * HEADER_SLOT_FACTOR >> 24];
}

/* The bits in which eight (four) bytes differ from those of a row. */
static inline uint64_t row_differ_8(const uint8_t *name, const char *row) {
    uint64_t a;
    uint64_t b;
    memcpy(&a, name, sizeof a);
    memcpy(&b, row, sizeof b);
    return (a | (b >> 1 & 0x2020202020202020u)) ^ b;
}

static inline uint32_t row_differ_4(const uint8_t *name, const char *row) {
    uint32_t a;
    uint32_t b;
    memcpy(&a, name, sizeof a);
    memcpy(&b, row, sizeof b);
    return (a | (b >> 1 & 0x20202020u)) ^ b;
}

/* Whether the name and its colon are the row's. Reads nothing behind the colon; steps overlap at
 * the end instead of ending in single bytes. */
static inline bool row_is(const struct header_row *row, const uint8_t *name, size_t len) {
    const char *lower = row->name;
    size_t all = len + 1;
    if (all > HEADER_ROW_BYTES || all < 3) {
        return false;
    }
    if (all >= 8) {
        uint64_t differ = row_differ_8(name + all - 8, lower + all - 8);
        for (size_t i = 0; i + 8 < all; i += 8) {
            differ |= row_differ_8(name + i, lower + i);
        }
        return differ == 0;
    }
    if (all >= 4) {
        return (row_differ_4(name, lower) | row_differ_4(name + all - 4, lower + all - 4)) == 0;
    }
    return (name[0] | 0x20) == lower[0] && (name[1] | 0x20) == lower[1] && lower[2] == ':';
}

#endif
