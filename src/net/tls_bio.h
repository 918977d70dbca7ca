/* Where libssl reads and writes: the buffer of what has come, and the stream below.
 *
 * Where the kernel encrypts (kTLS), libssl gives it the keys through the BIO of the socket, which
 * stands behind ours in the chain; from then on only what is no data (alerts, tickets) is written
 * through it, and data goes down as it is. */
#ifndef NET_TLS_BIO_H
#define NET_TLS_BIO_H

#include <openssl/bio.h>
#include <stdbool.h>

#include "net/stream.h"

struct tls_pipe {
    struct stream *below;
    struct buf *in; /* what has come from below and libssl has not read; NULL: nothing */
};

/* The kind of a BIO over a struct tls_pipe. [gives] NULL where memory is short. */
BIO_METHOD *tls_bio_method(void);

/* NULL is nothing. */
void tls_bio_method_free(BIO_METHOD *method);

/* [gives] a BIO over `pipe` [borrows while it lives], or NULL where memory is short. */
BIO *tls_bio_new(const BIO_METHOD *method, struct tls_pipe *pipe);

/* The same, to write to, where the kernel may encrypt: in a chain with the socket's. A stream
 * below without a descriptor has it as tls_bio_new. */
BIO *tls_bio_new_kernel(const BIO_METHOD *method, struct tls_pipe *pipe);

/* Does the kernel encrypt what is written to the stream below? */
bool tls_bio_kernel_sends(BIO *bio);

#endif
