/* Certificates for the tests of net/tls: self-signed, made when they are asked for, in files that
 * go with the program. */
#ifndef UNIT_NET_TLS_CERTS_H
#define UNIT_NET_TLS_CERTS_H

#include "net/tls_context.h"

enum certs_kind { CERTS_RSA, CERTS_EC, CERTS_ED25519 };

/* [borrows for ever] The same arguments give the same files. `password`: the key is encrypted. */
struct tls_pair certs_pair(enum certs_kind kind, const char *name, const char *password);

/* Valid from so many days from now to so many. */
struct tls_pair certs_pair_dated(enum certs_kind kind, const char *name, int from, int to);

#endif
