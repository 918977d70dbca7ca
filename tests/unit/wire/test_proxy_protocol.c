/* Tests of wire/proxy_protocol.h: every text whole, cut at each byte (where it must ask for more),
 * and with bytes behind it. */
#include "wire/proxy_protocol.h"

#include "base/err.h"
#include "unit/test.h"
#include "unit/wire/guard.h"

#include "base/banned.h"

#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static struct guard guard;

static ssize_t parse(struct slice bytes, struct proxy_header *header) {
    return proxy_header_parse(slice_of(guard_put(&guard, bytes.at, bytes.len), bytes.len), header);
}

/* The header is good, needs all of its bytes, and nothing behind it. */
static bool check_good(struct slice bytes, enum proxy_source source, struct proxy_header *header) {
    static uint8_t longer[PROXY_HEADER_MAX + 20];
    bool good = true;
    for (size_t len = 0; len < bytes.len && good; len++) {
        good = CHECK_INT(parse(slice_of(bytes.at, len), header), 0);
    }
    memcpy(longer, bytes.at, bytes.len);
    memcpy(longer + bytes.len, "GET / HTTP/1.1\r\n", 16);
    good = CHECK_INT(parse(slice_of(longer, bytes.len + 16), header), bytes.len) && good;
    good = CHECK_INT(parse(bytes, header), bytes.len) && good;
    return CHECK_INT(header->source, source) && good;
}

TEST(version_1) {
    struct proxy_header header;
    guard = guard_new();
    check_good(SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"), PROXY_IPV4, &header);
    CHECK_TEXT(slice_of(header.ip, 4), "\xC0\0\2\1");
    CHECK_INT(header.port, 56324);
    check_good(SLICE("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), PROXY_IPV6, &header);
    CHECK_TEXT(slice_of(header.ip, 16), "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1");
    CHECK_INT(header.port, 0);
    check_good(SLICE("PROXY UNKNOWN\r\n"), PROXY_SELF, &header);
    check_good(SLICE("PROXY UNKNOWN whatever\t 1 2 3\r\n"), PROXY_SELF, &header);
    /* the longest there is: 107 bytes */
    struct slice longest = SLICE("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n");
    CHECK_INT(longest.len, PROXY_V1_MAX);
    check_good(longest, PROXY_SELF, &header);
    guard_free(&guard);
}

TEST(version_1_that_is_malformed) {
    static const struct slice bad[] = {
        SLICE("PROXY \r\n"),
        SLICE("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"),
        SLICE("PROXY TCP4\r\n"),
        SLICE("PROXY TCP4 \r\n"),
        SLICE("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"),
        SLICE("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"),
        SLICE("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n"),
        SLICE("PROXY TCP4 1.2.3.4\t1.2.3.4 1 2\r\n"),
        SLICE("PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3 1 2\r\n"),
        SLICE("PROXY TCP4 ::1 ::1 1 2\r\n"),
        SLICE("PROXY TCP6 1.2.3.4 ::1 1 2\r\n"),
        SLICE("PROXY TCP6 ::1%1 ::1 1 2\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 99999 2\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 100000\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n"),
        SLICE("PROXY UNKNOWNX\r\n"),
        SLICE("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
              "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655350\r\n"),
    };
    struct proxy_header header;
    guard = guard_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (!CHECK_INT(parse(bad[i], &header), ERR_PROXY_V1)) {
            test_print_slice(bad[i]);
        }
    }
    guard_free(&guard);
}

/* The two begin with different bytes: what is neither is known at once. */
TEST(something_else) {
    struct proxy_header header;
    guard = guard_new();
    CHECK_INT(parse(SLICE("G"), &header), ERR_PROXY_MISSING);
    CHECK_INT(parse(SLICE("\x16\x03\x01"), &header), ERR_PROXY_MISSING);
    CHECK_INT(parse(SLICE("PRI * HTTP/2.0\r\n"), &header), ERR_PROXY_MISSING);
    CHECK_INT(parse(SLICE("PROXYTCP4"), &header), ERR_PROXY_MISSING);
    CHECK_INT(parse(SLICE("PROXY\r\n"), &header), ERR_PROXY_MISSING);
    CHECK_INT(parse(SLICE("proxy"), &header), ERR_PROXY_MISSING);
    CHECK_INT(parse(SLICE("\r\n\r\nGET"), &header), ERR_PROXY_MISSING);
    guard_free(&guard);
}

TEST(version_2) {
    struct proxy_header header;
    guard = guard_new();
    check_good(SLICE(V2_SIGNATURE "\x21\x11\0\x0C\xC0\0\2\1\1\2\3\4\x12\x34\x56\x78"), PROXY_IPV4,
               &header);
    CHECK_TEXT(slice_of(header.ip, 4), "\xC0\0\2\1");
    CHECK_INT(header.port, 0x1234);
    check_good(SLICE(V2_SIGNATURE "\x21\x21\0\x24"
                                  "abcdefghijklmnop"
                                  "0123456789abcdef"
                                  "\x12\x34\x56\x78"),
               PROXY_IPV6, &header);
    CHECK_TEXT(slice_of(header.ip, 16), "abcdefghijklmnop");
    CHECK_INT(header.port, 0x1234);
    /* datagram, and TLVs behind the addresses */
    check_good(SLICE(V2_SIGNATURE "\x21\x12\0\x10\xC0\0\2\1\1\2\3\4\x12\x34\x56\x78\4\0\1x"),
               PROXY_IPV4, &header);
    /* LOCAL: nothing in it counts, not even too little for its family */
    check_good(SLICE(V2_SIGNATURE "\x20\0\0\0"), PROXY_SELF, &header);
    check_good(SLICE(V2_SIGNATURE "\x20\x11\0\2ab"), PROXY_SELF, &header);
    CHECK_INT(header.ip[0], 0);
    /* UNSPEC */
    check_good(SLICE(V2_SIGNATURE "\x21\0\0\3abc"), PROXY_SELF, &header);
    guard_free(&guard);
}

TEST(version_2_with_unix_addresses_and_the_longest) {
    static uint8_t bytes[PROXY_HEADER_MAX] = V2_SIGNATURE "\x21\x31\0\xD8/a/path";
    struct proxy_header header;
    guard = guard_new();
    check_good(slice_of(bytes, 16 + 216), PROXY_UNIX, &header);
    CHECK_INT(header.port, 0);
    CHECK_INT(header.ip[0], 0);
    bytes[14] = bytes[15] = 0xFF;
    CHECK_INT(parse(slice_of(bytes, PROXY_HEADER_MAX - 1), &header), 0);
    CHECK_INT(parse(slice_of(bytes, PROXY_HEADER_MAX), &header), PROXY_HEADER_MAX);
    guard_free(&guard);
}

TEST(version_2_that_is_malformed) {
    static const struct slice bad[] = {
        SLICE(V2_SIGNATURE "\x11"),           /* version 1 */
        SLICE(V2_SIGNATURE "\x22"),           /* an unknown command */
        SLICE(V2_SIGNATURE "\x21\x41"),       /* an unknown family */
        SLICE(V2_SIGNATURE "\x21\x13"),       /* an unknown transport */
        SLICE(V2_SIGNATURE "\x21\x11\0\x0B"), /* too short for its family */
        SLICE(V2_SIGNATURE "\x21\x21\0\x23"), /* … */
        SLICE(V2_SIGNATURE "\x21\x31\0\xD7"), /* … */
    };
    struct proxy_header header;
    guard = guard_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (!CHECK_INT(parse(bad[i], &header), ERR_PROXY_V2)) {
            test_print_slice(bad[i]);
        }
    }
    guard_free(&guard);
}
