/* Tests of wire/base64.h. */
#include "wire/base64.h"

#include "unit/test.h"
#include "unit/wire/guard.h"

#include "base/banned.h"

static void check_encoding(struct slice bytes, struct slice text) {
    char out[64];
    CHECK_INT(BASE64_SIZE(bytes.len), text.len);
    base64_encode(bytes, out);
    CHECK_SLICE(slice_of(out, BASE64_SIZE(bytes.len)), text);
}

TEST(the_vectors_of_rfc_4648) {
    check_encoding(SLICE(""), SLICE(""));
    check_encoding(SLICE("f"), SLICE("Zg=="));
    check_encoding(SLICE("fo"), SLICE("Zm8="));
    check_encoding(SLICE("foo"), SLICE("Zm9v"));
    check_encoding(SLICE("foob"), SLICE("Zm9vYg=="));
    check_encoding(SLICE("fooba"), SLICE("Zm9vYmE="));
    check_encoding(SLICE("foobar"), SLICE("Zm9vYmFy"));
    check_encoding(SLICE("\x00\x10\x83\xFB\xEF\xBE\xFF\xFF\xFF"), SLICE("ABCD++++////"));
}

TEST(what_is_encoded_is_16_bytes) {
    struct guard guard = guard_new();
    uint32_t state = 1;
    for (int round = 0; round < 1000; round++) {
        uint8_t bytes[18];
        char text[BASE64_SIZE(18)];
        for (size_t i = 0; i < sizeof bytes; i++) {
            state = state * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(state >> 24);
        }
        for (size_t len = 0; len <= sizeof bytes; len++) {
            base64_encode(slice_of(bytes, len), text);
            const uint8_t *at = guard_put(&guard, text, BASE64_SIZE(len));
            CHECK_INT(base64_is_16_bytes(slice_of(at, BASE64_SIZE(len))), len == 16);
        }
    }
    guard_free(&guard);
}

/* One character of a good text after the other becomes every byte there is. */
TEST(no_other_character_will_do) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < 24; at++) {
        for (unsigned c = 0; c < 256; c++) {
            char text[] = "dGhlIHNhbXBsZSBub25jZQ==";
            text[at] = (char)c;
            const char *digit = c > 0 ? strchr(alphabet, (int)c) : NULL;
            bool good = at >= 22 ? c == '=' : digit != NULL;
            if (at == 21) { /* four of its six bits say nothing and must be 0 */
                good = digit && (digit - alphabet) % 16 == 0;
            }
            CHECK_INT(base64_is_16_bytes(slice_of(text, 24)), good);
        }
    }
}

TEST(other_lengths) {
    CHECK(!base64_is_16_bytes(SLICE("")));
    CHECK(!base64_is_16_bytes(SLICE("==")));
    CHECK(!base64_is_16_bytes(SLICE("dGhlIHNhbXBsZSBub25jZQ")));
    CHECK(!base64_is_16_bytes(SLICE("dGhlIHNhbXBsZSBub25jZQ=")));
    CHECK(!base64_is_16_bytes(SLICE("dGhlIHNhbXBsZSBub25jZQ===")));
    CHECK(!base64_is_16_bytes(SLICE("dGhlIHNhbXBsZSBub25jZXM=")));
}
