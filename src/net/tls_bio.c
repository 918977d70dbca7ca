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

/* What is no data, to the kernel, which has the keys: the socket's BIO says of what type it is. */
static int kernel_write(BIO *bio, struct stream *below, const char *bytes, int len) {
    BIO *socket = BIO_next(bio);
    if (below->why != CLOSE_NONE) {
        return -1; /* its descriptor is closed, and may be another's */
    }
    int sent = BIO_write(socket, bytes, len);
    if (sent > 0) {
        figures_add(loop_figures(below->loop)->bytes_out, (uint64_t)sent);
        return sent;
    }
    if (BIO_should_retry(socket)) {
        stream_await_room(below);
        BIO_set_retry_write(bio);
    } else {
        stream_close(below, CLOSE_PEER_RESET);
    }
    return -1;
}

/* Bytes taken, or -1, which BIO_meth_set_write_ex has no way to say: SSL_shutdown takes the 0 of
 * an alert that found no room for the second time as sent. */
static int pipe_write(BIO *bio, const char *bytes, int len) {
    struct tls_pipe *pipe = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (len <= 0) {
        return 0;
    }
    if (tls_bio_kernel_sends(bio)) {
        return kernel_write(bio, pipe->below, bytes, len);
    }
    size_t sent = stream_send_now(pipe->below, (const uint8_t *)bytes, (size_t)len);
    if (sent > 0) {
        return (int)sent;
    }
    if (pipe->below->why == CLOSE_NONE) {
        BIO_set_retry_write(bio);
    }
    return -1;
}

static long pipe_control(BIO *bio, int command, long number, void *pointer) {
    if (command == BIO_CTRL_FLUSH) {
        return 1; /* nothing is held here */
    }
    BIO *socket = BIO_next(bio);
    return socket ? BIO_ctrl(socket, command, number, pointer) : 0;
}

static int pipe_create(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *tls_bio_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_FILTER | BIO_get_new_index(), "freastal");
    if (method && BIO_meth_set_read_ex(method, pipe_read) &&
        BIO_meth_set_write(method, pipe_write) && BIO_meth_set_ctrl(method, pipe_control) &&
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

BIO *tls_bio_new_kernel(const BIO_METHOD *method, struct tls_pipe *pipe) {
    int fd = stream_descriptor(pipe->below);
    BIO *bio = tls_bio_new(method, pipe);
    BIO *socket = bio && fd >= 0 ? BIO_new_socket(fd, BIO_NOCLOSE) : NULL;
    if (bio && fd >= 0 && !socket) {
        BIO_free(bio);
        return NULL;
    }
    return socket ? BIO_push(bio, socket) : bio;
}

bool tls_bio_kernel_sends(BIO *bio) {
    BIO *socket = BIO_next(bio);
    return socket && BIO_get_ktls_send(socket);
}
