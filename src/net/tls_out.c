/* The way out of a TLS stream: pieces to records. Write beat. See tls_impl.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net/tls_impl.h"

#include "base/banned.h"

/* A response that fits a first flight (RFC 6928) is one record. Of a longer one, the first records
 * are small, so that the peer can use them before the whole window has come. */
enum { FIRST_FLIGHT = 14000, SMALL_RECORD = 4 * 1024, SMALL_BYTES = 4 * SMALL_RECORD };

/* The share of one write beat, so that one download cannot hold up the others. */
enum { BEAT_BYTES = 1024 * 1024 };

/* Bytes of the next record. */
static size_t record_size(const struct tls_stream *self) {
    size_t left = self->stream.out.bytes;
    if (self->record > 0) {
        return self->record;
    }
    if (self->sent < SMALL_BYTES && left > FIRST_FLIGHT) {
        return SMALL_RECORD;
    }
    return left < TLS_RECORD ? left : TLS_RECORD;
}

/* Copies `size` bytes from the head of the output into `record`. False where a file is shorter
 * than was promised or cannot be read: errno is 0 or says why. */
static bool gather(const struct chain *out, uint8_t *record, size_t size) {
    size_t have = 0;
    for (struct piece *piece = out->first; have < size; piece = piece->next) {
        size_t part = piece->len < size - have ? piece->len : size - have;
        if (piece->fd < 0) {
            memcpy(record + have, piece->at, part);
            have += part;
            continue;
        }
        size_t end = have + part;
        while (have < end) {
            off_t offset = piece->offset + (off_t)(part - (end - have));
            ssize_t got = pread(piece->fd, record + have, end - have, offset);
            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got <= 0) {
                errno = got < 0 ? errno : 0;
                return false;
            }
            have += (size_t)got;
        }
    }
    return true;
}

/* Where the next `size` bytes of output stand together. NULL, and closed, for a broken file. */
static const uint8_t *collect(struct tls_stream *self, size_t size) {
    const struct piece *first = self->stream.out.first;
    if (first->fd < 0 && first->len >= size) {
        return first->at;
    }
    if (!gather(&self->stream.out, self->home->record, size)) {
        stream_close(&self->stream, CLOSE_FILE);
        return NULL;
    }
    return self->home->record;
}

/* Encrypts and sends one record. False where no more can be sent now. */
static bool send_record(struct tls_stream *self) {
    struct stream *stream = &self->stream;
    size_t size = record_size(self);
    const uint8_t *bytes = collect(self, size);
    size_t taken = 0;
    if (!bytes) {
        return false;
    }
    tls_clear_errors();
    int done = SSL_write_ex(self->ssl, bytes, size, &taken);
    stream->progress = self->pipe.below->progress;
    if (done != 1) {
        int error = SSL_get_error(self->ssl, done);
        if (error == SSL_ERROR_WANT_WRITE) {
            self->record = (uint32_t)size;
        } else {
            tls_fail(self);
        }
        return false;
    }
    self->record = 0;
    if (self->sent < SMALL_BYTES) {
        self->sent += (uint32_t)size;
    }
    chain_consume(&stream->out, taken, &stream->loop->pieces, &stream->loop->trash);
    return true;
}

/* Pieces without bytes at the head of the output only have to end. */
static void drop_empty(struct stream *stream) {
    while (!chain_empty(&stream->out) && stream->out.first->len == 0) {
        chain_consume(&stream->out, 0, &stream->loop->pieces, &stream->loop->trash);
    }
}

/* Hands the pieces to the kernel, which makes records of them. */
static void send_plain(struct tls_stream *self) {
    struct stream *below = self->pipe.below;
    stream_send_chain(below, &self->stream.out);
    self->stream.progress = below->progress;
    if (below->why != CLOSE_NONE) {
        stream_close(&self->stream, below->why);
    }
}

static void send_records(struct tls_stream *self) {
    struct stream *stream = &self->stream;
    size_t before = stream->out.bytes;
    drop_empty(stream);
    while (!chain_empty(&stream->out) && send_record(self)) {
        drop_empty(stream);
        if (before - stream->out.bytes >= BEAT_BYTES && !chain_empty(&stream->out)) {
            loop_flush_later(stream->loop, &stream->flushable); /* the others come first */
            return;
        }
    }
    if (tls_is_open(self) && chain_empty(&stream->out)) {
        self->sent = 0;
    }
}

/* Our end: close_notify, and then that of the stream below. */
static void say_end(struct tls_stream *self) {
    struct stream *stream = &self->stream;
    if (self->out == OUT_OPEN) {
        tls_clear_errors();
        int done = SSL_shutdown(self->ssl);
        if (done < 0) {
            if (SSL_get_error(self->ssl, done) != SSL_ERROR_WANT_WRITE) {
                tls_fail(self);
            }
            return;
        }
        tls_set_out(self, OUT_NOTIFIED);
        if (stream->finish == CLOSE_NONE) {
            stream_shutdown(self->pipe.below);
        }
    }
    if (tls_is_open(self) && stream->finish != CLOSE_NONE) {
        stream_close(stream, stream->finish);
    }
}

/* All that can be done in this beat. */
static void flush(struct tls_stream *self) {
    struct stream *stream = &self->stream;
    if (self->in == IN_HANDSHAKE) {
        tls_shake_hands(self);
    }
    if (tls_is_open(self) && self->out == OUT_SHUT && stream->finish != CLOSE_NONE &&
        chain_empty(&stream->out)) {
        stream_close(stream, stream->finish); /* nothing to say: no need to wait for a handshake */
    }
    if (!tls_is_open(self) || self->out == OUT_SHUT) {
        return;
    }
    if (self->kernel) {
        send_plain(self);
    } else {
        send_records(self);
    }
    if (tls_is_open(self) && stream->shut && chain_empty(&stream->out)) {
        say_end(self);
    }
    if (tls_is_open(self) && stream->want_drained && stream->out.bytes < STREAM_LOW_WATER) {
        stream->want_drained = false;
        stream->events->drained(stream);
    }
}

void tls_flush(struct flushable *flushable) {
    flush(tls_own(LIST_OWNER(flushable, struct stream, flushable)));
    tls_clear_errors();
}

/* The stream below takes more. */
void tls_below_drained(struct stream *below) {
    struct tls_stream *self = below->user;
    loop_flush_later(self->stream.loop, &self->stream.flushable);
    if (self->in == IN_OPEN && self->reading) {
        loop_read_later(self->stream.loop, &self->again); /* a read that had to write first */
    }
}
