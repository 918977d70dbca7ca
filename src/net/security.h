/* What was negotiated to protect a stream, for whoever wants to tell it to an application. */
#ifndef NET_SECURITY_H
#define NET_SECURITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum { SECURITY_CHAIN = 8 }; /* certificates of a peer's chain that are told */

/* The peer's certificate. Names are in the form of RFC 4514. */
struct security_client {
    struct slice subject;
    struct slice issuer;
    struct slice serial; /* hexadecimal */
    struct slice begins; /* as in "Nov 23 00:00:00 2026 GMT" */
    struct slice ends;
    const char *error; /* why it is not trusted, asked for but not required; NULL: it is */
    struct slice chain[SECURITY_CHAIN]; /* PEM, its own first */
    size_t chain_count;
};

struct security {
    const char *protocol;     /* "TLSv1.3" */
    const char *cipher;       /* OpenSSL's name of the suite, "TLS_AES_256_GCM_SHA384" */
    uint16_t version;         /* as on the wire: 0x0304 */
    uint16_t suite;           /* as on the wire, by IANA: 0x1302 */
    bool asks_client;         /* a certificate was asked for */
    struct slice server_cert; /* PEM; its own, without the chain */
    const struct security_client *client; /* NULL: it has shown none */
};

#endif
