/* Tests of wire/ws_mask.h. */
#include "wire/ws_mask.h"

#include "unit/test.h"
#include "unit/wire/guard.h"

#include "base/banned.h"

enum { LENGTHS = 300 };

static const uint8_t key[4] = {0x37, 0xFA, 0x21, 0x3D};

static uint8_t byte_at(size_t i) {
    return (uint8_t)(i * 167 + (i >> 8) * 13 + 5);
}

TEST(the_example_of_the_rfc) {
    static const uint8_t masked[] = {0x7F, 0x9F, 0x4D, 0x51, 0x58}; /* section 5.7 */
    uint8_t text[5];
    ws_unmask(text, masked, 5, key, 0);
    CHECK_TEXT(slice_of(text, 5), "Hello");
    ws_unmask(text, masked + 3, 2, key, 3);
    CHECK_TEXT(slice_of(text, 2), "lo");
}

/* Every length and phase, in place and from one page's end to another's: whole vectors, what is
 * left of them, and not a byte beside. */
TEST(every_length_and_phase) {
    struct guard from = guard_new();
    struct guard to = guard_new();
    uint8_t masked[LENGTHS];
    uint8_t plain[LENGTHS];
    uint8_t nothing[LENGTHS + 1];
    memset(nothing, 0xEE, sizeof nothing);
    for (size_t len = 0; len <= LENGTHS; len++) {
        for (size_t phase = 0; phase < 8; phase++) {
            for (size_t i = 0; i < len; i++) {
                plain[i] = byte_at(i);
                masked[i] = plain[i] ^ key[(phase + i) % 4];
            }
            const uint8_t *source = guard_put(&from, masked, len);
            uint8_t *target = (uint8_t *)guard_put(&to, nothing, len + 1) + 1;
            ws_unmask(target, source, len, key, phase);
            CHECK_SLICE(slice_of(target, len), slice_of(plain, len));
            CHECK_INT(target[-1], 0xEE);
            CHECK_SLICE(slice_of(source, len), slice_of(masked, len));
            uint8_t *same = (uint8_t *)guard_put(&to, masked, len);
            ws_unmask(same, same, len, key, phase);
            CHECK_SLICE(slice_of(same, len), slice_of(plain, len));
        }
    }
    guard_free(&from);
    guard_free(&to);
}

TEST(pieces_give_the_whole) {
    uint8_t masked[LENGTHS];
    uint8_t whole[LENGTHS];
    uint8_t pieces[LENGTHS];
    for (size_t i = 0; i < LENGTHS; i++) {
        masked[i] = byte_at(i);
    }
    ws_unmask(whole, masked, LENGTHS, key, 0);
    for (size_t step = 1; step <= 100; step++) {
        for (size_t at = 0; at < LENGTHS; at += step) {
            size_t len = LENGTHS - at < step ? LENGTHS - at : step;
            ws_unmask(pieces + at, masked + at, len, key, at);
        }
        CHECK_SLICE(slice_of(pieces, LENGTHS), slice_of(whole, LENGTHS));
    }
    ws_unmask(pieces, masked, 8, key, SIZE_MAX - 2); /* only what is left of it by 4 counts */
    ws_unmask(whole, masked, 8, key, 1);
    CHECK_SLICE(slice_of(pieces, 8), slice_of(whole, 8));
}
