/* What a client's certificate says, read once, when its handshake is done. */
#ifndef NET_TLS_PEER_H
#define NET_TLS_PEER_H

#include <openssl/ssl.h>

#include "net/security.h"

struct tls_peer;

/* Reads what `ssl` was shown. [gives *peer; NULL where it was shown nothing] 0, or ERR_NOMEM. */
int tls_peer_read(const SSL *ssl, struct tls_peer **peer);

/* [borrows until it is freed] NULL for NULL. */
const struct security_client *tls_peer_security(const struct tls_peer *peer);

/* [takes] peer; NULL is nothing. */
void tls_peer_free(struct tls_peer *peer);

#endif
