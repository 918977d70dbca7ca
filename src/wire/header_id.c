/* The tables of the known field names, and their look-up for callers outside wire. */
#include "wire/header_id.h"

#include "wire/header_lookup.h"

#include "base/banned.h"

const struct header_row header_rows[HEADER_COUNT] = {
#define X(id, text) [id] = {text},
    HEADER_TABLE(X)
#undef X
};

enum {
#define X(id, text) LEN_##id = sizeof(text) - 1,
    HEADER_TABLE(X)
#undef X
};

const struct header_slot header_slots[HEADER_SLOT_COUNT] = {
#define X(slot, id) [slot] = {id, LEN_##id},
    HEADER_SLOTS(X)
#undef X
};

_Static_assert((int)HEADER_COUNT <= UINT8_MAX, "an id fits a slot");
#define X(id, text) _Static_assert((int)LEN_##id >= 2 && (int)LEN_##id < HEADER_NAME_ROOM, text);
HEADER_TABLE(X)
#undef X

struct slice header_id_name(enum header_id id) {
    const char *name = header_rows[id].name;
    return slice_of(name, strlen(name));
}

enum header_id header_id_of(struct slice name) {
    if (name.len < 2) {
        return HEADER_OTHER;
    }
    enum header_id id = header_slots[header_hash(name.at, name.len)].id;
    /* name_is() would be exact for tokens only, and this name may hold any bytes. */
    return slice_equal_nocase(name, header_id_name(id)) ? id : HEADER_OTHER;
}
