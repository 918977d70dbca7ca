/* Request ids; see request_id.h. */
#include "http/request_id.h"

#include <string.h>

#include "net/loop.h"

#include "base/banned.h"

/* Letters, digits and what UUIDs, trace ids and base64 are written with. */
static bool is_harmless(struct slice value) {
    if (value.len == 0 || value.len > REQUEST_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.at[i];
        uint8_t lower = ascii_lower(c);
        bool word = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
        if (!word && !(c > 0 && strchr("-_.~:+/=@", c))) {
            return false;
        }
    }
    return true;
}

/* The value of the field where there is exactly one and it is harmless; else empty. */
static struct slice given(const struct head *head, const uint8_t *bytes) {
    struct slice value = {NULL, 0};
    unsigned count = 0;
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (head->fields[i].id == HEADER_X_REQUEST_ID) {
            value = field_value(&head->fields[i], bytes);
            count++;
        }
    }
    return count == 1 && is_harmless(value) ? value : slice_of(NULL, 0);
}

static size_t make(struct request_id_store *store, char room[REQUEST_ID_MAX]) {
    static const char digits[] = "0123456789abcdef";
    enum { BYTES = REQUEST_ID_MADE / 2 };
    if (store->left < BYTES) {
        if (uv_random(NULL, NULL, store->bytes, sizeof(store->bytes), 0, NULL)) {
            return 0;
        }
        store->left = sizeof(store->bytes);
    }
    store->left -= BYTES;
    for (size_t i = 0; i < BYTES; i++) {
        uint8_t byte = store->bytes[store->left + i];
        room[2 * i] = digits[byte >> 4];
        room[2 * i + 1] = digits[byte & 15];
    }
    return REQUEST_ID_MADE;
}

size_t request_id_find(const struct request_id_rules *rules, struct request_id_store *store,
                       const struct peer *peer, const struct head *head, const uint8_t *bytes,
                       char room[REQUEST_ID_MAX]) {
    struct slice value = {NULL, 0};
    if (rules->mode == REQUEST_ID_TAKE && rules->trusted && trust_has(rules->trusted, peer)) {
        value = given(head, bytes);
    }
    if (value.len == 0) {
        return make(store, room);
    }
    memcpy(room, value.at, value.len);
    return value.len;
}
