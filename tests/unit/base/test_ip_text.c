/* Tests of base/ip_text.h, with the C library's inet_pton as a second opinion. */
#include "base/ip_text.h"

#include <arpa/inet.h>

#include "test.h"

#include "base/banned.h"

/* A text of the characters that addresses are made of; often one, never far from one. */
static size_t make_text(uint32_t *random, char *text, size_t size) {
    static const char *const parts[] = {"0",  "1",  "ab",      "ffff", "12345", ":",
                                        "::", ".",  "1.2.3.4", "255",  "256",   "g",
                                        "%",  "01", "1.2.3",   " ",    "9",     "fe80"};
    size_t len = 0;
    *random = *random * 1664525u + 1013904223u;
    unsigned count = 1 + (*random >> 8) % 16;
    for (unsigned i = 0; i < count; i++) {
        *random = *random * 1664525u + 1013904223u;
        unsigned at = (*random >> 8) % (sizeof parts / sizeof parts[0]);
        const char *part = i % 2 == 0 ? parts[at] : (at < 12 ? ":" : at < 15 ? "." : parts[at]);
        len += (size_t)snprintf(text + len, size - len, "%s", part);
    }
    return len;
}

TEST(v6_is_that_of_inet_pton) {
    uint32_t random = 1;
    unsigned good = 0;
    for (unsigned round = 0; round < 400000; round++) {
        char text[320];
        struct in6_addr expected;
        uint8_t ip[16] = {0};
        size_t len = make_text(&random, text, sizeof text);
        bool is_one = inet_pton(AF_INET6, text, &expected) == 1;
        good += is_one;
        if (!CHECK_INT(ip_text_v6(slice_of(text, len), ip), is_one) ||
            (is_one && !CHECK(memcmp(ip, &expected, 16) == 0))) {
            fprintf(stderr, "  the address is %s\n", text);
            break;
        }
    }
    CHECK(good > 1000); /* else it compared nothing but refusals */
}

TEST(v4_is_that_of_inet_pton) {
    static const char *const parts[] = {"0", "1", "9", "10", "99", "100", "255", "256", "01", ""};
    uint32_t random = 7;
    unsigned good = 0;
    for (unsigned round = 0; round < 100000; round++) {
        char text[64];
        size_t len = 0;
        unsigned count = round % 16 == 0 ? 5 : round % 8 == 0 ? 3 : 4;
        for (unsigned i = 0; i < count; i++) {
            random = random * 1664525u + 1013904223u;
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i > 0 ? "." : "",
                                    parts[(random >> 8) % 10]);
        }
        struct in_addr expected;
        uint8_t ip[4] = {0};
        bool is_one = inet_pton(AF_INET, text, &expected) == 1;
        good += is_one;
        if (!CHECK_INT(ip_text_v4(slice_of(text, len), ip), is_one) ||
            (is_one && !CHECK(memcmp(ip, &expected, 4) == 0))) {
            fprintf(stderr, "  the address is %s\n", text);
            break;
        }
    }
    CHECK(good > 1000);
}

TEST(what_is_none_leaves_the_bytes_alone) {
    uint8_t ip[16] = {7};
    CHECK(!ip_text_v4(SLICE("1.2.3."), ip));
    CHECK(!ip_text_v4(SLICE(""), ip));
    CHECK(!ip_text_v6(SLICE("1::2::3"), ip));
    CHECK(!ip_text_v6(SLICE(""), ip));
    CHECK(!ip_text_v6(SLICE("fe80::1%1"), ip));
    CHECK_INT(ip[0], 7);
}

TEST(mapped) {
    uint8_t ip[16];
    CHECK(ip_text_v6(SLICE("::ffff:192.0.2.1"), ip) && ip_is_mapped(ip));
    CHECK(ip_text_v6(SLICE("::fffe:192.0.2.1"), ip) && !ip_is_mapped(ip));
    CHECK(ip_text_v6(SLICE("64:ff9b::192.0.2.1"), ip) && !ip_is_mapped(ip));
}
