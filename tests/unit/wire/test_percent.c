/* Percent-decoding: what is decoded, what stays, and that nothing is read behind the end. */
#include "wire/percent.h"

#include "../test.h"

static void check(const char *text, const char *decoded) {
    uint8_t to[64];
    size_t len = percent_decode(slice_of(text, strlen(text)), to);
    CHECK(slice_equal(slice_of(to, len), slice_of(decoded, strlen(decoded))));
}

TEST(pairs_of_hex_digits_are_decoded) {
    check("", "");
    check("/plain", "/plain");
    check("/%61%2F%2f", "/a//");
    check("%C3%a9", "\xc3\xa9");
    check("%25%32%35", "%25");
}

TEST(everything_else_stays) {
    check("%", "%");
    check("%4", "%4");
    check("%4g%g4%%41", "%4g%g4%A");
    check("a+b", "a+b");
}

TEST(a_pair_behind_the_end_is_not_read) {
    uint8_t to[8];
    size_t len = percent_decode(slice_of("a%41", 3), to);
    CHECK(slice_equal(slice_of(to, len), SLICE("a%4")));
}

TEST(nul_and_high_bytes_pass) {
    uint8_t to[8];
    size_t len = percent_decode(slice_of("%00%ff\xff", 7), to);
    CHECK(slice_equal(slice_of(to, len), slice_of("\0\xff\xff", 3)));
}
