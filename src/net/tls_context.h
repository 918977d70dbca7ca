/* What a TLS server negotiates with: certificates by name, versions, suites, whom it asks for a
 * certificate; and the keys of session tickets.
 *
 * A context never changes: new files make a new one. It is counted: a transport and each of its
 * streams hold a reference, so that handshakes in progress end with what they began with.
 * Loop thread, but for making, holding and dropping: any thread. */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "net/tls_keys.h"

struct tls_context;
struct ssl_st;

enum tls_version { TLS_1_2, TLS_1_3 };
enum tls_verify { TLS_VERIFY_NONE, TLS_VERIFY_OPTIONAL, TLS_VERIFY_REQUIRED };

/* A certificate with its chain, and its key; all are paths of PEM files. */
struct tls_pair {
    const char *certfile;
    const char *keyfile;  /* may be the same file */
    const char *password; /* of the key; NULL: none */
    const char *ocspfile; /* a DER response to staple (RFC 6066 section 8); NULL: none */
};

/* [borrows all until tls_context_new returns] */
struct tls_config {
    const struct tls_pair *pairs; /* the first answers where no name fits */
    size_t pair_count;            /* not 0 */
    enum tls_version min_version;
    const char *ciphers;      /* of TLS 1.2, in OpenSSL's notation; NULL: the default */
    const char *ciphersuites; /* of TLS 1.3; NULL: the default */
    enum tls_verify verify;
    const char *client_ca;         /* PEM file of the authorities asked for; NULL without verify */
    const struct slice *protocols; /* for ALPN, the best first (RFC 7301) */
    size_t protocol_count;
};

enum { TLS_REASON = 512 };

/* [gives] a context with one reference, or NULL, with one line in `reason` that says which file or
 * option is wrong and why. Reads files. */
struct tls_context *tls_context_new(const struct tls_config *config, char reason[TLS_REASON]);

void tls_context_hold(struct tls_context *context);

/* Gives a reference back; NULL is nothing. */
void tls_context_drop(struct tls_context *context);

/* The server's certificate that `ssl` has shown, as PEM. [borrows until the context goes] */
struct slice tls_context_shown(const struct tls_context *context, const struct ssl_st *ssl);

/* [gives] an SSL object for one connection, accepting; NULL where memory is short. `keys` [borrows
 * while it lives] */
struct ssl_st *tls_context_accept(struct tls_context *context, struct tls_keys *keys);

#endif
