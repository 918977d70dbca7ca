/* The cache of str objects; see py_text.h. */
#include "gateway/py_text.h"

#include <string.h>

#include "base/banned.h"

static uint64_t load(const uint8_t *at, size_t count) {
    uint64_t word = 0;
    memcpy(&word, at, count);
    return word;
}

/* The product of two words, its halves in one: every bit of both has its say. */
static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Odd numbers without a pattern: the fractions of the golden ratio and of two square roots. */
#define FACTOR_1 0x9e3779b97f4a7c15u
#define FACTOR_2 0x6a09e667f3bcc909u
#define FACTOR_3 0xbb67ae8584caa73bu

/* The last 1 to 16 bytes; words overlap instead of ending in single bytes. */
static uint64_t mix_end(uint64_t hash, struct slice end) {
    const uint8_t *at = end.at;
    size_t len = end.len;
    uint64_t first;
    uint64_t last;
    if (len >= 8) {
        first = load(at, 8);
        last = load(at + len - 8, 8);
    } else if (len >= 4) {
        first = load(at, 4);
        last = load(at + len - 4, 4);
    } else {
        first = at[0];
        last = (uint64_t)at[len / 2] << 8 | at[len - 1];
    }
    return mix(first ^ FACTOR_1, last ^ hash);
}

uint64_t py_text_hash(struct slice bytes) {
    uint64_t hash = bytes.len * FACTOR_1;
    size_t at = 0;
    if (bytes.len > 32) {
        uint64_t other = FACTOR_3; /* two at a time: each product waits for the one before it */
        for (; at + 32 < bytes.len; at += 32) {
            hash = mix(load(bytes.at + at, 8) ^ FACTOR_2, load(bytes.at + at + 8, 8) ^ hash);
            other =
                mix(load(bytes.at + at + 16, 8) ^ FACTOR_3, load(bytes.at + at + 24, 8) ^ other);
        }
        hash = mix(hash ^ FACTOR_1, other);
    }
    for (; at + 16 < bytes.len; at += 16) {
        hash = mix(load(bytes.at + at, 8) ^ FACTOR_2, load(bytes.at + at + 8, 8) ^ hash);
    }
    if (at < bytes.len) {
        hash = mix_end(hash, slice_of(bytes.at + at, bytes.len - at));
    }
    return mix(hash, FACTOR_2);
}

static bool same(PyObject *text, struct slice bytes) {
    return (size_t)PyUnicode_GET_LENGTH(text) == bytes.len &&
           memcmp(PyUnicode_1BYTE_DATA(text), bytes.at, bytes.len) == 0;
}

PyObject *py_text_get(struct py_text *cache, struct slice bytes) {
    if (bytes.len > PY_TEXT_MAX) {
        return py_text_make(bytes);
    }
    uint64_t hash = py_text_hash(bytes);
    struct py_text_slot *slot = &cache->slots[hash % PY_TEXT_SLOTS];
    if (slot->hash == hash && slot->text && same(slot->text, bytes)) {
        Py_INCREF(slot->text);
        return slot->text;
    }
    PyObject *text = py_text_make(bytes);
    if (text) {
        PyObject *old = slot->text;
        slot->hash = hash;
        slot->text = Py_NewRef(text);
        Py_XDECREF(old);
    }
    return text;
}

void py_text_init(struct py_text *cache) {
    memset(cache, 0, sizeof(*cache));
}

void py_text_clear(struct py_text *cache) {
    for (size_t i = 0; i < PY_TEXT_SLOTS; i++) {
        Py_CLEAR(cache->slots[i].text);
    }
}
