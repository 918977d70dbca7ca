/* Where libssl reads and writes: the buffer of what has come, and the stream below. */
#ifndef NET_TLS_BIO_H
#define NET_TLS_BIO_H

#include <openssl/bio.h>

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

#endif
