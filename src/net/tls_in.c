/* The way in of a TLS stream: the handshake, records to bytes. Read beat. See tls_impl.h. */
#include <string.h>

#include "base/err.h"
#include "net/tls_impl.h"

#include "base/banned.h"

static void update_reading(struct tls_stream *self) {
    bool wants =
        self->reading || self->in == IN_WAIT || self->in == IN_HANDSHAKE || self->in == IN_REFUSED;
    if (wants && self->in != IN_QUEUED && self->in != IN_ENDED) {
        stream_read_start(self->pipe.below);
    } else {
        stream_read_stop(self->pipe.below);
    }
}

/* Is there input, or its end, that the kernel will not tell of again? */
static bool has_input(const struct tls_stream *self) {
    return self->pipe.in || (self->ssl && (SSL_pending(self->ssl) > 0 ||
                                           SSL_get_shutdown(self->ssl) & SSL_RECEIVED_SHUTDOWN));
}

static void note_security(struct tls_stream *self) {
    const SSL_CIPHER *cipher = SSL_get_current_cipher(self->ssl);
    self->security.protocol = SSL_get_version(self->ssl);
    self->security.version = (uint16_t)SSL_version(self->ssl);
    self->security.cipher = SSL_CIPHER_get_name(cipher);
    self->security.suite = SSL_CIPHER_get_protocol_id(cipher);
    self->security.asks_client = SSL_get_verify_mode(self->ssl) & SSL_VERIFY_PEER;
    self->security.server_cert = tls_context_shown(self->context, self->ssl);
}

static bool set_bios(struct tls_stream *self) {
    const BIO_METHOD *method = self->home->method;
    BIO *in = tls_bio_new(method, &self->pipe);
    BIO *out = self->home->kernel ? tls_bio_new_kernel(method, &self->pipe)
                                  : tls_bio_new(method, &self->pipe);
    if (!in || !out) {
        BIO_free_all(in);
        BIO_free_all(out);
        return false;
    }
    if (self->home->kernel) {
        SSL_set_options(self->ssl, SSL_OP_ENABLE_KTLS);
    }
    SSL_set_bio(self->ssl, in, out); /* takes both */
    return true;
}

/* 0, or ERR_NOMEM. */
static int make_ssl(struct tls_stream *self) {
    self->ssl = tls_context_accept(self->context, self->home->keys);
    return self->ssl && set_bios(self) ? 0 : ERR_NOMEM;
}

void tls_shake_hands(struct tls_stream *self) {
    if (!self->ssl && make_ssl(self) < 0) {
        stream_close(&self->stream, CLOSE_NOMEM);
        return;
    }
    tls_clear_errors();
    int done = SSL_do_handshake(self->ssl);
    if (done != 1) {
        int error = SSL_get_error(self->ssl, done);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
            tls_fail(self);
        }
        return;
    }
    tls_set_in(self, IN_OPEN);
    tls_set_out(self, OUT_OPEN);
    loop_timer_stop(self->stream.loop, &self->timer);
    tls_place_give(self);
    if (SSL_session_reused(self->ssl)) {
        self->home->counters.resumed++;
        figures_add(loop_figures(self->stream.loop)->handshakes_resumed, 1);
    } else {
        self->home->counters.full++;
        figures_add(loop_figures(self->stream.loop)->handshakes_full, 1);
    }
    self->kernel = tls_bio_kernel_sends(SSL_get_wbio(self->ssl));
    self->home->counters.kernel += self->kernel;
    note_security(self);
    if (tls_peer_read(self->ssl, &self->peer) < 0) {
        stream_close(&self->stream, CLOSE_NOMEM);
        return;
    }
    self->security.client = tls_peer_security(self->peer);
    if (!chain_empty(&self->stream.out) || self->stream.shut) {
        loop_flush_later(self->stream.loop, &self->stream.flushable);
    }
    if (has_input(self)) {
        loop_read_later(self->stream.loop, &self->again); /* it may have been the write beat */
    }
}

/* Whoever begins with a letter speaks HTTP (or something else that is no TLS either). */
static bool is_plain(const struct tls_stream *self) {
    uint8_t first = self->pipe.in->bytes[self->pipe.in->start];
    return (first >= 'A' && first <= 'Z') || first == '\r' || first == '\n';
}

static void answer_plain(struct tls_stream *self) {
    struct loop *loop = self->stream.loop;
    struct slice text = self->home->plain_answer(self->home->plain_arg);
    struct piece *piece = piece_own(&loop->pieces, text.len);
    struct chain answer = {0};
    if (!piece) {
        stream_close(&self->stream, CLOSE_NOMEM);
        return;
    }
    memcpy(piece_room(piece), text.at, text.len);
    piece->len = text.len;
    chain_append(&answer, piece);
    stream_write(self->pipe.below, &answer);
    tls_refuse(self, CLOSE_TLS_PLAIN);
}

/* Decrypts what is here, as far as `buf` takes it. SSL_ERROR_NONE where there may be more. */
static int decrypt(struct tls_stream *self, struct buf *buf) {
    int done;
    do {
        size_t got = 0;
        tls_clear_errors();
        done = SSL_read_ex(self->ssl, buf->bytes + buf->end, buf->size - buf->end, &got);
        buf->end += (uint32_t)got;
    } while (done == 1 && buf->end < buf->size && has_input(self));
    return done == 1 ? SSL_ERROR_NONE : SSL_get_error(self->ssl, done);
}

/* Bytes to the user; where they come in plenty, those of several records together, as stream_uv
 * does. False where there are no more now. */
static bool read_records(struct tls_stream *self) {
    struct stream *stream = &self->stream;
    struct buf_pool *pool = &stream->loop->bufs;
    bool plenty = self->pipe.in && buf_len(self->pipe.in) > BUF_SIZE;
    struct buf *buf = plenty ? buf_take_large(pool) : buf_take(pool);
    if (!buf) {
        stream_close(stream, CLOSE_NOMEM);
        return false;
    }
    int error = decrypt(self, buf);
    if (buf_len(buf) > 0) {
        stream->events->read(stream, buf);
    } else {
        buf_give(buf);
    }
    if (error == SSL_ERROR_NONE || !tls_is_open(self)) {
        return error == SSL_ERROR_NONE;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
        if (self->reading) { /* else has_input() remembers it */
            tls_set_in(self, IN_ENDED);
            stream->events->eof(stream);
        }
    } else if (error == SSL_ERROR_WANT_WRITE) {
        loop_flush_later(stream->loop, &stream->flushable);
    } else if (error != SSL_ERROR_WANT_READ) {
        tls_fail(self);
    }
    return false;
}

void tls_advance(struct tls_stream *self) {
    if (tls_is_open(self) && self->in == IN_WAIT && self->pipe.in && is_plain(self)) {
        answer_plain(self);
    }
    if (tls_is_open(self) && self->in == IN_WAIT && self->pipe.in) {
        tls_place_ask(self);
    }
    if (tls_is_open(self) && self->in == IN_HANDSHAKE) {
        tls_shake_hands(self);
    }
    if (tls_is_open(self) && self->in == IN_REFUSED) {
        buf_give(self->pipe.in);
        self->pipe.in = NULL;
    }
    while (tls_is_open(self) && self->in == IN_OPEN && self->reading && has_input(self) &&
           read_records(self)) {
    }
    if (tls_is_open(self)) {
        update_reading(self);
    }
    tls_clear_errors();
}

void tls_below_read(struct stream *below, struct buf *buf) {
    struct tls_stream *self = below->user;
    /* What has not been used is less than a record and what waited beside it. */
    if (!self->pipe.in) {
        self->pipe.in = buf;
    } else if (buf_append(&self->pipe.in, buf, 2 * (size_t)BUF_LARGE)) {
        stream_close(&self->stream, CLOSE_NOMEM);
        return;
    }
    tls_advance(self);
}

void tls_below_eof(struct stream *below) {
    struct tls_stream *self = below->user;
    if (self->in == IN_ENDED) {
        return;
    }
    if (self->in == IN_REFUSED) {
        stream_close(&self->stream, (enum close_why)self->end);
    } else if (self->in == IN_WAIT) {
        stream_close(&self->stream, CLOSE_PEER_EOF); /* it has said nothing at all */
    } else {
        stream_close(&self->stream, CLOSE_TLS_CUT);
    }
}

void tls_read_start(struct stream *stream) {
    struct tls_stream *self = tls_own(stream);
    self->reading = true;
    if (!tls_is_open(self)) {
        return;
    }
    if (self->in == IN_OPEN && has_input(self)) {
        loop_read_later(stream->loop, &self->again);
    } else {
        update_reading(self);
    }
}

void tls_read_stop(struct stream *stream) {
    struct tls_stream *self = tls_own(stream);
    self->reading = false;
    if (tls_is_open(self)) {
        update_reading(self);
    }
}
