/* Addresses; see peer.h. */
#include "net/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/banned.h"

void peer_from_sockaddr(struct peer *peer, const struct sockaddr *address, socklen_t len) {
    *peer = (struct peer){.family = PEER_UNIX};
    if (len >= sizeof(struct sockaddr_in) && address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        peer->family = PEER_IPV4;
        peer->port = ntohs(in.sin_port);
        memcpy(peer->ip, &in.sin_addr, 4);
    } else if (len >= sizeof(struct sockaddr_in6) && address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        peer->port = ntohs(in6.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
            peer->family = PEER_IPV4;
            memcpy(peer->ip, in6.sin6_addr.s6_addr + 12, 4);
        } else {
            peer->family = PEER_IPV6;
            memcpy(peer->ip, in6.sin6_addr.s6_addr, 16);
        }
    }
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
