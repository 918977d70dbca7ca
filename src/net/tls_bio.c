/* See tls_bio.h. libssl's BIO_write of a record sends it from libssl's own memory: no copy. */
#include "net/tls_bio.h"

#include <limits.h>
#include <string.h>

#include "base/banned.h"

static int pipe_read(BIO *bio, char *bytes, size_t len, size_t *got) {
    struct tls_pipe *pipe = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!pipe->in) {
        BIO_set_retry_read(bio);
        return 0;
    }
    size_t here = buf_len(pipe->in);
    *got = len < here ? len : here;
    memcpy(bytes, pipe->in->bytes + pipe->in->start, *got);
    pipe->in->start += (uint32_t)*got;
    if (*got == here) {
        buf_give(pipe->in);
        pipe->in = NULL;
    }
    return 1;
}

static int pipe_write(BIO *bio, const char *bytes, size_t len, size_t *sent) {
    struct tls_pipe *pipe = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *sent = stream_send_now(pipe->below, (const uint8_t *)bytes, len);
    if (*sent > 0) {
        return 1;
    }
    if (pipe->below->why == CLOSE_NONE) {
        BIO_set_retry_write(bio);
    }
    return 0;
}

static long pipe_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH; /* nothing is held here */
}

static int pipe_create(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *tls_bio_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "freastal");
    if (method && BIO_meth_set_read_ex(method, pipe_read) &&
        BIO_meth_set_write_ex(method, pipe_write) && BIO_meth_set_ctrl(method, pipe_control) &&
        BIO_meth_set_create(method, pipe_create)) {
        return method;
    }
    BIO_meth_free(method);
    return NULL;
}

void tls_bio_method_free(BIO_METHOD *method) {
    BIO_meth_free(method);
}

BIO *tls_bio_new(const BIO_METHOD *method, struct tls_pipe *pipe) {
    BIO *bio = BIO_new(method);
    if (bio) {
        BIO_set_data(bio, pipe);
    }
    return bio;
}
