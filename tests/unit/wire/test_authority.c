/* Tests of wire/authority.h: with the C library's inet_pton as a second opinion on IPv6, and every
 * text at the end of a page. Lists of good and bad hosts, with what a request makes of them, are
 * in test_http_rules.c. */
#include "wire/authority.h"

#include <arpa/inet.h>

#include "unit/test.h"
#include "unit/wire/guard.h"

#include "base/banned.h"

static struct guard guard;

static bool valid(const char *text, size_t len) {
    return authority_is_valid(slice_of(guard_put(&guard, text, len), len));
}

TEST(every_byte_in_a_name_and_in_a_port) {
    static const char unreserved[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+;=";
    guard = guard_new();
    for (unsigned c = 0; c < 256; c++) {
        char name[] = {'a', (char)c, 'b'};
        char port[] = {'a', ':', '8', (char)c};
        bool in_name = c != 0 && strchr(unreserved, (int)c) != NULL;
        if (!CHECK_INT(valid(name, sizeof name), in_name) ||
            !CHECK_INT(valid(port, sizeof port), c >= '0' && c <= '9')) {
            fprintf(stderr, "  the byte is %u\n", c);
        }
    }
    guard_free(&guard);
}

TEST(encoded_bytes_have_two_digits) {
    guard = guard_new();
    CHECK(valid("%41", 3));
    CHECK(valid("a%fFb:80", 8));
    CHECK(!valid("%", 1));
    CHECK(!valid("%4", 2));
    CHECK(!valid("%4g", 3));
    CHECK(!valid("a%4:80", 6));
    guard_free(&guard);
}

/* A text of the characters that IPv6 addresses are made of; often one, never far from one. */
static size_t make_address(uint32_t *random, char *text, size_t size) {
    static const char *const parts[] = {"0",  "1",       "ab",          "ffff",    "12345",
                                        ":",  ":",       ":",           "::",      "g",
                                        ".1", "1.2.3.4", "255.255.0.9", "1.2.256", "%"};
    size_t len = 0;
    *random = *random * 1664525u + 1013904223u;
    unsigned count = 1 + (*random >> 8) % 16;
    for (unsigned i = 0; i < count; i++) {
        *random = *random * 1664525u + 1013904223u;
        unsigned at = (*random >> 8) % (sizeof parts / sizeof parts[0]);
        /* Mostly a group, then a colon: the rest is noise. */
        const char *part = i % 2 == 0 ? parts[at] : (at < 12 ? ":" : parts[at]);
        len += (size_t)snprintf(text + len, size - len, "%s", part);
    }
    return len;
}

TEST(ipv6_addresses_are_those_of_inet_pton) {
    guard = guard_new();
    uint32_t random = 1;
    unsigned good = 0;
    for (unsigned round = 0; round < 400000; round++) {
        char text[320];
        char bracketed[sizeof text + 2];
        struct in6_addr address;
        size_t len = make_address(&random, text, sizeof text);
        bool expected = inet_pton(AF_INET6, text, &address) == 1;
        int all = snprintf(bracketed, sizeof bracketed, "[%s]", text);
        good += expected;
        if (all != (int)len + 2 || !CHECK_INT(valid(bracketed, len + 2), expected)) {
            fprintf(stderr, "  the address is %s\n", text);
            break;
        }
    }
    CHECK(good > 1000); /* else it compared nothing but refusals */
    guard_free(&guard);
}

TEST(brackets_hold_addresses_only) {
    static const char *const bad[] = {"[",       "[]",        "[a]",         "[1.2.3.4]", "[::1",
                                      "[::1]80", "[::1]:99x", "[fe80::1%1]", "[v1.a]",    "::1"};
    guard = guard_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (!CHECK(!valid(bad[i], strlen(bad[i])))) {
            fprintf(stderr, "  %s\n", bad[i]);
        }
    }
    guard_free(&guard);
}
