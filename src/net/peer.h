/* Addresses as the core keeps them: small, comparable, printable. */
#ifndef NET_PEER_H
#define NET_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum peer_family { PEER_UNIX, PEER_IPV4, PEER_IPV6 };

struct peer {
    uint8_t family; /* enum peer_family */
    uint16_t port;  /* host order; 0 for unix */
    uint8_t ip[16]; /* network order; the first 4 bytes for IPv4; zero for unix */
};

/* Bytes that peer_ip_text writes at most, with its NUL. */
enum { PEER_TEXT = 46 };

/* From what accept gave. IPv4 mapped into IPv6 (a dual-stack socket) becomes IPv4. */
void peer_from_sockaddr(struct peer *peer, const struct sockaddr *address, socklen_t len);

/* From 4 or 16 bytes in network order, mapped ones as above. */
void peer_from_ip(struct peer *peer, enum peer_family family, const uint8_t *ip, uint16_t port);

bool peer_equal(const struct peer *a, const struct peer *b);

/* For small tables of peers: clients behind a proxy differ in the address, others in the port.
 * Ports in a row give each place once before one comes again. */
uint32_t peer_hash(const struct peer *peer);

/* The address without port: "127.0.0.1", "::1", "" for unix. Returns its length. */
size_t peer_ip_text(const struct peer *peer, char text[PEER_TEXT]);

#endif
