/* Addresses; see peer.h. */
#include "net/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/ip_text.h"

#include "base/banned.h"

void peer_from_ip(struct peer *peer, enum peer_family family, const uint8_t *ip, uint16_t port) {
    *peer = (struct peer){.family = (uint8_t)family, .port = port};
    if (family == PEER_IPV4) {
        memcpy(peer->ip, ip, 4);
    } else if (family == PEER_IPV6 && ip_is_mapped(ip)) {
        peer->family = PEER_IPV4;
        memcpy(peer->ip, ip + 12, 4);
    } else if (family == PEER_IPV6) {
        memcpy(peer->ip, ip, 16);
    }
}

void peer_from_sockaddr(struct peer *peer, const struct sockaddr *address, socklen_t len) {
    *peer = (struct peer){.family = PEER_UNIX};
    if (len >= sizeof(struct sockaddr_in) && address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        peer_from_ip(peer, PEER_IPV4, (const uint8_t *)&in.sin_addr, ntohs(in.sin_port));
    } else if (len >= sizeof(struct sockaddr_in6) && address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        peer_from_ip(peer, PEER_IPV6, in6.sin6_addr.s6_addr, ntohs(in6.sin6_port));
    }
}

bool peer_equal(const struct peer *a, const struct peer *b) {
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

uint32_t peer_hash(const struct peer *peer) {
    uint32_t words[4];
    memcpy(words, peer->ip, sizeof(words));
    uint32_t hash = (words[0] ^ words[1] ^ words[2] ^ words[3]) * 2654435761u;
    uint32_t port = peer->port;
    return hash >> 16 ^ hash >> 24 ^ port ^ port >> 8;
}

size_t peer_ip_text(const struct peer *peer, char text[PEER_TEXT]) {
    text[0] = '\0';
    if (peer->family != PEER_UNIX) {
        int family = peer->family == PEER_IPV4 ? AF_INET : AF_INET6;
        if (!inet_ntop(family, peer->ip, text, PEER_TEXT)) {
            text[0] = '\0';
        }
    }
    return strlen(text);
}
