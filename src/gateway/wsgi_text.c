/* The cache of str objects; see wsgi_text.h. */
#include "gateway/wsgi_text.h"

#include <string.h>

#include "base/banned.h"

static uint64_t load(const uint8_t *at, size_t count) {
    uint64_t word = 0;
    memcpy(&word, at, count);
    return word;
}

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 29);
}

uint64_t wsgi_text_hash(struct slice bytes) {
    uint64_t hash = mix(0, bytes.len);
    size_t at = 0;
    if (bytes.len >= 64) {
        /* Four at a time, as each multiplication waits for the one before it. */
        uint64_t lanes[4] = {hash, 1, 2, 3};
        for (; at + 32 <= bytes.len; at += 32) {
            for (size_t i = 0; i < 4; i++) {
                lanes[i] = mix(lanes[i], load(bytes.at + at + 8 * i, 8));
            }
        }
        hash = mix(mix(mix(lanes[0], lanes[1]), lanes[2]), lanes[3]);
    }
    for (; at + 8 <= bytes.len; at += 8) {
        hash = mix(hash, load(bytes.at + at, 8));
    }
    if (bytes.len >= 8) {
        return mix(hash, load(bytes.at + bytes.len - 8, 8));
    }
    if (bytes.len >= 4) {
        return mix(hash, load(bytes.at, 4) << 32 | load(bytes.at + bytes.len - 4, 4));
    }
    if (bytes.len > 0) {
        /* First, middle and last byte: all there are. */
        return mix(hash, (uint64_t)bytes.at[0] << 16 | (uint64_t)bytes.at[bytes.len / 2] << 8 |
                             bytes.at[bytes.len - 1]);
    }
    return hash;
}

static bool same(PyObject *text, struct slice bytes) {
    return (size_t)PyUnicode_GET_LENGTH(text) == bytes.len &&
           memcmp(PyUnicode_1BYTE_DATA(text), bytes.at, bytes.len) == 0;
}

PyObject *wsgi_text_get(struct wsgi_text *cache, struct slice bytes) {
    if (bytes.len > WSGI_TEXT_MAX) {
        return wsgi_text_make(bytes);
    }
    uint64_t hash = wsgi_text_hash(bytes);
    struct wsgi_text_slot *slot = &cache->slots[hash % WSGI_TEXT_SLOTS];
    if (slot->hash == hash && slot->text && same(slot->text, bytes)) {
        Py_INCREF(slot->text);
        return slot->text;
    }
    PyObject *text = wsgi_text_make(bytes);
    if (text) {
        PyObject *old = slot->text;
        slot->hash = hash;
        slot->text = Py_NewRef(text);
        Py_XDECREF(old);
    }
    return text;
}

void wsgi_text_init(struct wsgi_text *cache) {
    memset(cache, 0, sizeof(*cache));
}

void wsgi_text_clear(struct wsgi_text *cache) {
    for (size_t i = 0; i < WSGI_TEXT_SLOTS; i++) {
        Py_CLEAR(cache->slots[i].text);
    }
}
