/* The tables of the known field names, and their look-up for callers outside wire. */
#include "wire/header_id.h"

#include "wire/header_lookup.h"

#include "base/banned.h"

const struct header_row header_rows[HEADER_COUNT] = {
#define X(id, text) [id] = {text ":"},
    HEADER_TABLE(X)
#undef X
};

const uint8_t header_slots[HEADER_SLOT_COUNT] = {
#define X(slot, id) [slot] = id,
    HEADER_SLOTS(X)
#undef X
};

static const struct slice names[HEADER_COUNT] = {
#define X(id, text) [id] = {(const uint8_t *)header_rows[id].name, sizeof(text) - 1},
    HEADER_TABLE(X)
#undef X
};

_Static_assert((int)HEADER_COUNT <= UINT8_MAX, "an id fits a slot");
#define X(id, text)                                                                                \
    _Static_assert(sizeof(text) - 1 >= 2 && sizeof(text ":") <= HEADER_ROW_BYTES, text);
HEADER_TABLE(X)
#undef X

struct slice header_id_name(enum header_id id) {
    return id == HEADER_OTHER ? SLICE("") : names[id];
}

enum header_id header_id_of(struct slice name) {
    uint8_t line[4 + HEADER_ROW_BYTES] = "..\r\n"; /* as it would stand in a head */
    if (name.len == 0 || name.len >= HEADER_ROW_BYTES) {
        return HEADER_OTHER;
    }
    memcpy(line + 4, name.at, name.len);
    line[4 + name.len] = ':';
    enum header_id id = header_candidate(line + 4, name.len);
    return row_is(&header_rows[id], line + 4, name.len) ? id : HEADER_OTHER;
}
