/* The tables of the known field names, and their look-up for callers outside wire. */
#include "wire/header_id.h"

#include "wire/header_lookup.h"

#include "base/banned.h"

const struct header_row header_rows[HEADER_COUNT] = {
#define X(id, text) [id] = {sizeof(text) - 1, text},
    HEADER_TABLE(X)
#undef X
};

const uint8_t header_slots[HEADER_SLOT_COUNT] = {
#define X(slot, id) [slot] = id,
    HEADER_SLOTS(X)
#undef X
};

_Static_assert((int)HEADER_COUNT <= UINT8_MAX, "an id fits a slot");
#define X(id, text) _Static_assert(sizeof(text) - 1 >= 2 && sizeof(text) <= HEADER_NAME_MAX, text);
HEADER_TABLE(X)
#undef X

struct slice header_id_name(enum header_id id) {
    const struct header_row *row = &header_rows[id];
    return slice_of(row->name, row->len);
}

enum header_id header_id_of(struct slice name) {
    enum header_id id = header_lookup(name.at, name.len);
    /* The look-up is exact for tokens only, and this name may hold any bytes. */
    return slice_equal_nocase(name, header_id_name(id)) ? id : HEADER_OTHER;
}
