/* Tests of net/trust.h. */
#include "net/trust.h"

#include "base/err.h"
#include "base/ip_text.h"
#include "faults.h"
#include "test.h"

#include "base/banned.h"

static bool has(const struct trust *trust, const char *text) {
    struct slice slice = slice_of(text, strlen(text));
    uint8_t ip[16];
    struct peer peer = {.family = PEER_UNIX};
    if (ip_text_v4(slice, ip)) {
        peer_from_ip(&peer, PEER_IPV4, ip, 4711);
    } else if (ip_text_v6(slice, ip)) {
        peer_from_ip(&peer, PEER_IPV6, ip, 4711);
    }
    return trust_has(trust, &peer);
}

static int add(struct trust *trust, const char *text) {
    return trust_add(trust, slice_of(text, strlen(text)));
}

TEST(nobody) {
    struct trust trust;
    trust_init(&trust);
    CHECK(!has(&trust, "127.0.0.1"));
    CHECK(!has(&trust, "::1"));
    CHECK(!has(&trust, "unix"));
    trust_release(&trust);
}

TEST(addresses_and_networks) {
    struct trust trust;
    trust_init(&trust);
    CHECK_INT(add(&trust, "127.0.0.1"), 0);
    CHECK_INT(add(&trust, "10.0.0.0/8"), 0);
    CHECK_INT(add(&trust, "192.0.2.128/25"), 0);
    CHECK_INT(add(&trust, "2001:db8::/33"), 0);
    CHECK_INT(add(&trust, "::1"), 0);
    CHECK(has(&trust, "127.0.0.1"));
    CHECK(!has(&trust, "127.0.0.2"));
    CHECK(has(&trust, "10.0.0.0"));
    CHECK(has(&trust, "10.255.255.255"));
    CHECK(!has(&trust, "11.0.0.0"));
    CHECK(!has(&trust, "9.255.255.255"));
    CHECK(has(&trust, "192.0.2.128"));
    CHECK(!has(&trust, "192.0.2.127"));
    CHECK(has(&trust, "2001:db8:7fff::1"));
    CHECK(!has(&trust, "2001:db8:8000::1"));
    CHECK(has(&trust, "::1"));
    CHECK(!has(&trust, "::2"));
    CHECK(has(&trust, "::ffff:10.1.2.3"));
    CHECK(!has(&trust, "unix"));
    trust_release(&trust);
}

TEST(mapped_networks_are_those_of_ipv4) {
    struct trust trust;
    trust_init(&trust);
    CHECK_INT(add(&trust, "::ffff:10.0.0.0/104"), 0);
    CHECK_INT(add(&trust, "::ffff:192.0.2.1"), 0);
    CHECK(has(&trust, "10.9.9.9"));
    CHECK(!has(&trust, "11.9.9.9"));
    CHECK(has(&trust, "192.0.2.1"));
    CHECK(!has(&trust, "192.0.2.2"));
    trust_release(&trust);
}

TEST(all_of_a_family) {
    struct trust trust;
    trust_init(&trust);
    CHECK_INT(add(&trust, "::/0"), 0);
    CHECK(has(&trust, "2001:db8::1"));
    CHECK(!has(&trust, "192.0.2.1"));
    CHECK_INT(add(&trust, "0.0.0.0/0"), 0);
    CHECK(has(&trust, "192.0.2.1"));
    CHECK(!has(&trust, "unix"));
    CHECK_INT(add(&trust, "unix"), 0);
    CHECK(has(&trust, "unix"));
    trust_release(&trust);
}

TEST(everybody) {
    struct trust trust;
    trust_init(&trust);
    CHECK_INT(add(&trust, "*"), 0);
    CHECK(has(&trust, "192.0.2.1"));
    CHECK(has(&trust, "::1"));
    CHECK(has(&trust, "unix"));
    trust_release(&trust);
}

TEST(what_is_none) {
    static const char *const bad[] = {"",          "localhost",  "10.0.0.1/8",   "10.0.0.0/33",
                                      "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/08",  "10.0/8",
                                      "::1/64",    "::/129",     "[::1]",        "10.0.0.0/8/8",
                                      "UNIX",      "**",         "127.0.0.1:80", "::1%lo",
                                      "/8",        " 10.0.0.1",  "10.0.0.0/-1",  "10.0.0.0/1000"};
    struct trust trust;
    trust_init(&trust);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (!CHECK_INT(add(&trust, bad[i]), ERR_LIMIT)) {
            fprintf(stderr, "  %s\n", bad[i]);
        }
    }
    CHECK(!has(&trust, "10.0.0.1"));
    trust_release(&trust);
}

TEST(memory_is_short) {
    struct trust trust;
    trust_init(&trust);
    CHECK_INT(add(&trust, "10.0.0.0/8"), 0);
    faults[FAULT_ALLOC] = (struct fault){.from = 1, .to = 1};
    CHECK_INT(add(&trust, "11.0.0.0/8"), ERR_NOMEM);
    faults_clear();
    CHECK(has(&trust, "10.0.0.1"));
    CHECK(!has(&trust, "11.0.0.1"));
    trust_release(&trust);
}
