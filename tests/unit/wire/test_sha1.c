/* Tests of wire/sha1.h with the digests of RFC 3174 section 7.3 and of FIPS 180-4's examples. */
#include "wire/sha1.h"

#include "unit/test.h"

#include "base/banned.h"

static void check_digest(struct slice text, const char *hex) {
    uint8_t digest[SHA1_SIZE];
    char found[2 * SHA1_SIZE + 1];
    sha1(text, digest);
    for (size_t i = 0; i < SHA1_SIZE; i++) {
        snprintf(found + 2 * i, 3, "%02x", digest[i]);
    }
    CHECK_SLICE(slice_of(found, 2 * SHA1_SIZE), slice_of(hex, strlen(hex)));
}

TEST(known_digests) {
    check_digest(SLICE(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check_digest(SLICE("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    check_digest(SLICE("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                 "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    check_digest(SLICE("The quick brown fox jumps over the lazy dog"),
                 "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12");
}

/* Around the length where a second block begins: digests of that many "a". */
TEST(one_block_and_two) {
    static const struct {
        size_t len;
        const char *hex;
    } rows[] = {
        {55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"},
        {56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"},
        {63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"},
        {64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"},
        {65, "11655326c708d70319be2610e8a57d9a5b959d3b"},
        {119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"},
    };
    uint8_t text[SHA1_TEXT_MAX];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_digest(slice_of(text, rows[i].len), rows[i].hex);
    }
}
