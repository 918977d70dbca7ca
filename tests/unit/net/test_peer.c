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
