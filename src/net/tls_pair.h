/* A server's certificate with its chain and key, read from files and checked. For tls_context. */
#ifndef NET_TLS_PAIR_H
#define NET_TLS_PAIR_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "net/tls_context.h"

struct tls_identity {
    X509 *cert;             /* owned, as all here */
    STACK_OF(X509) * chain; /* without it */
    EVP_PKEY *key;
    char **names; /* DNS names in lower case, sorted; a wildcard as "*.example.org" */
    size_t name_count;
    char *pem; /* the certificate again */
    size_t pem_len;
    unsigned char *ocsp; /* DER; NULL: none */
    int ocsp_len;
};

/* Reads and checks the files of `pair` into zeroed `identity`, to be released in either case.
 * False with one line in `reason`. */
bool tls_identity_read(struct tls_identity *identity, const struct tls_pair *pair,
                       char reason[TLS_REASON]);

void tls_identity_release(struct tls_identity *identity);

/* Are they for the same names? */
bool tls_identity_same_names(const struct tls_identity *a, const struct tls_identity *b);

/* Is it for `host`, in lower case: by a name as it stands, or by a wildcard's (RFC 6125 section
 * 6.4.3: one label, the leftmost)? */
bool tls_identity_has_name(const struct tls_identity *identity, const char *host);
bool tls_identity_has_wildcard(const struct tls_identity *identity, const char *host);

#endif
