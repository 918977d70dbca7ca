/* Tests of net/peer.h. */
#include "net/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "test.h"

#include "base/banned.h"

static struct peer from_v6(const char *text, uint16_t port) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct peer peer;
    CHECK_INT(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
    peer_from_sockaddr(&peer, (struct sockaddr *)&address, sizeof(address));
    return peer;
}

static void check_text(const struct peer *peer, const char *expected) {
    char text[PEER_TEXT];
    CHECK_INT(peer_ip_text(peer, text), strlen(expected));
    CHECK(strcmp(text, expected) == 0);
}

TEST(ipv4) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8000)};
    struct peer peer;
    inet_pton(AF_INET, "192.0.2.17", &address.sin_addr);
    peer_from_sockaddr(&peer, (struct sockaddr *)&address, sizeof(address));
    CHECK_INT(peer.family, PEER_IPV4);
    CHECK_INT(peer.port, 8000);
    check_text(&peer, "192.0.2.17");
}

TEST(ipv6) {
    struct peer peer = from_v6("2001:db8::1", 443);
    CHECK_INT(peer.family, PEER_IPV6);
    CHECK_INT(peer.port, 443);
    check_text(&peer, "2001:db8::1");
    peer = from_v6("1111:2222:3333:4444:5555:6666:7777:8888", 1);
    check_text(&peer, "1111:2222:3333:4444:5555:6666:7777:8888");
}

TEST(ipv4_mapped_into_ipv6_is_ipv4) {
    struct peer peer = from_v6("::ffff:192.0.2.17", 9);
    CHECK_INT(peer.family, PEER_IPV4);
    CHECK_INT(peer.port, 9);
    check_text(&peer, "192.0.2.17");
}

TEST(unix_and_what_is_too_short) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct sockaddr_in cut = {.sin_family = AF_INET, .sin_port = htons(1)};
    struct peer peer;
    peer_from_sockaddr(&peer, (struct sockaddr *)&address, sizeof(sa_family_t));
    CHECK_INT(peer.family, PEER_UNIX);
    check_text(&peer, "");
    peer_from_sockaddr(&peer, (struct sockaddr *)&cut, sizeof(sa_family_t));
    CHECK_INT(peer.family, PEER_UNIX);
    CHECK_INT(peer.port, 0);
}

TEST(from_bytes) {
    static const uint8_t mapped[16] = {[10] = 0xFF, 0xFF, 192, 0, 2, 17};
    static const uint8_t v4[4] = {192, 0, 2, 17};
    struct peer a;
    struct peer b;
    peer_from_ip(&a, PEER_IPV6, mapped, 9);
    peer_from_ip(&b, PEER_IPV4, v4, 9);
    CHECK(peer_equal(&a, &b));
    CHECK_INT(peer_hash(&a), peer_hash(&b));
    check_text(&a, "192.0.2.17");
    b.port = 10;
    CHECK(!peer_equal(&a, &b));
    peer_from_ip(&b, PEER_UNIX, v4, 0);
    CHECK_INT(b.family, PEER_UNIX);
    check_text(&b, "");
}

/* Neither many ports of one address nor many addresses without a port fall together. */
TEST(hashes_are_spread) {
    bool by_port[256] = {false};
    bool by_ip[256] = {false};
    unsigned ports = 0;
    unsigned ips = 0;
    for (unsigned i = 0; i < 256; i++) {
        uint8_t one[4] = {127, 0, 0, 1};
        uint8_t many[4] = {10, 0, (uint8_t)(i / 16), (uint8_t)(i * 7)};
        struct peer peer;
        peer_from_ip(&peer, PEER_IPV4, one, (uint16_t)(40000 + 2 * i));
        ports += !by_port[peer_hash(&peer) % 256];
        by_port[peer_hash(&peer) % 256] = true;
        peer_from_ip(&peer, PEER_IPV4, many, 0);
        ips += !by_ip[peer_hash(&peer) % 256];
        by_ip[peer_hash(&peer) % 256] = true;
    }
    CHECK(ports > 100);
    CHECK(ips > 100);
}
