/* The life of a TLS stream: see tls.h, and tls_impl.h for the inside. */
#include "net/tls.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "net/sys.h"
#include "net/tls_impl.h"

#include "base/banned.h"

/* How long a peer that was refused may take to go, in ms. */
enum { REFUSED_MS = 2000 };

static const unsigned in_edges[IN_COUNT] = {
    [IN_WAIT] = 1u << IN_QUEUED | 1u << IN_HANDSHAKE | 1u << IN_REFUSED,
    [IN_QUEUED] = 1u << IN_HANDSHAKE,
    [IN_HANDSHAKE] = 1u << IN_OPEN | 1u << IN_REFUSED,
    [IN_OPEN] = 1u << IN_ENDED,
};

void tls_set_in(struct tls_stream *self, enum tls_in to) {
    bool legal = in_edges[self->in] & 1u << to;
    assert(legal);
    (void)legal;
    self->in = (uint8_t)to;
}

void tls_set_out(struct tls_stream *self, enum tls_out to) {
    assert((int)to == self->out + 1);
    self->out = (uint8_t)to;
}

void tls_fail(struct tls_stream *self) {
    unsigned long error = ERR_peek_last_error();
    self->failure = error ? ERR_reason_error_string(error) : NULL;
    enum close_why below = self->pipe.below->why;
    if (below != CLOSE_NONE) {
        stream_close(&self->stream, below);
    } else if (self->in == IN_HANDSHAKE) {
        self->home->counters.failed++;
        figures_add(loop_figures(self->stream.loop)->handshakes_failed, 1);
        tls_place_give(self);
        tls_refuse(self, CLOSE_TLS_FAILED);
    } else {
        stream_close(&self->stream, CLOSE_TLS_FAILED);
    }
}

void tls_refuse(struct tls_stream *self, enum close_why end) {
    struct loop *loop = self->stream.loop;
    tls_set_in(self, IN_REFUSED);
    self->end = (uint8_t)end;
    stream_shutdown(self->pipe.below);
    loop_timer_set(loop, &self->timer, loop_now(loop) + REFUSED_MS);
}

static void on_timer(struct loop_timer *timer) {
    struct tls_stream *self = LIST_OWNER(timer, struct tls_stream, timer);
    stream_close(&self->stream, self->in == IN_REFUSED ? self->end : CLOSE_TLS_TIMEOUT);
}

static void on_again(struct readable *again) {
    tls_advance(LIST_OWNER(again, struct tls_stream, again));
}

static void free_stream(struct grave *grave) {
    struct tls_stream *self = LIST_OWNER(grave, struct tls_stream, grave);
    slab_give(&self->home->streams, self);
}

static void below_closed(struct stream *below) {
    struct tls_stream *self = below->user;
    struct transport_tls *home = self->home;
    stream_close(&self->stream, below->why); /* where it has closed by itself */
    if (self->in == IN_HANDSHAKE) {
        home->counters.failed++;
        figures_add(loop_figures(self->stream.loop)->handshakes_failed, 1);
        tls_place_give(self);
    }
    list_remove(&self->again.link);
    list_remove(&self->stream.flushable.link);
    loop_timer_stop(self->stream.loop, &self->timer);
    self->stream.events->closed(&self->stream); /* who may still look at what protected it */
    SSL_free(self->ssl);
    buf_give(self->pipe.in);
    tls_peer_free(self->peer);
    tls_context_drop(self->context);
    loop_bury(self->stream.loop, &self->grave, free_stream);
}

static void close_stream(struct stream *stream) {
    struct tls_stream *self = tls_own(stream);
    list_remove(&self->again.link);
    tls_place_leave(self);
    if (self->out == OUT_OPEN && chain_empty(&stream->out) && !close_why_resets(stream->why)) {
        tls_clear_errors();
        SSL_shutdown(self->ssl); /* all was sent: an orderly end, as far as the socket takes it */
        tls_clear_errors();
    }
    stream_close(self->pipe.below, stream->why);
}

static size_t refuse_to_send(struct stream *stream, const uint8_t *bytes, size_t len) {
    (void)stream;
    (void)bytes;
    (void)len;
    return 0; /* TLS over TLS: nobody builds that */
}

static const struct security *security(const struct stream *stream) {
    const struct tls_stream *self = LIST_OWNER(stream, const struct tls_stream, stream);
    return self->out == OUT_SHUT ? NULL : &self->security;
}

static const char *reason(const struct stream *stream) {
    return LIST_OWNER(stream, const struct tls_stream, stream)->failure;
}

static struct stream *open_stream(struct transport *transport, struct loop *loop, int fd,
                                  const struct stream_events *events, void *user) {
    static const struct stream_ops ops = {
        .read_start = tls_read_start,
        .read_stop = tls_read_stop,
        .close = close_stream,
        .send_now = refuse_to_send,
        .security = security,
        .reason = reason,
    };
    static const struct stream_events below_events = {
        .read = tls_below_read,
        .eof = tls_below_eof,
        .drained = tls_below_drained,
        .closed = below_closed,
    };
    struct transport_tls *home = LIST_OWNER(transport, struct transport_tls, transport);
    struct tls_stream *self = slab_take(&home->streams);
    if (!self) {
        close(fd);
        return NULL;
    }
    *self = (struct tls_stream){
        .stream =
            {.loop = loop, .user = user, .ops = &ops, .events = events, .progress = loop_now(loop)},
        .home = home,
        .context = home->context,
    };
    self->pipe.below = transport_open(home->below, loop, fd, &below_events, self);
    if (!self->pipe.below) {
        slab_give(&home->streams, self);
        return NULL;
    }
    self->stream.preface = self->pipe.below->preface;
    tls_context_hold(self->context);
    list_init(&self->link);
    readable_init(&self->again, on_again);
    flushable_init(&self->stream.flushable, tls_flush);
    loop_timer_init(&self->timer, on_timer);
    if (home->timeout > 0) {
        loop_timer_set(loop, &self->timer, loop_now(loop) + home->timeout);
    }
    stream_read_start(self->pipe.below);
    return &self->stream;
}

static uint32_t live(const struct transport *transport) {
    return LIST_OWNER(transport, const struct transport_tls, transport)->streams.live;
}

int transport_tls_init(struct transport_tls *tls, struct transport *below,
                       struct tls_context *context, struct tls_keys *keys,
                       const struct tls_settings *settings) {
    static const struct transport_ops ops = {.open = open_stream, .live = live};
    *tls = (struct transport_tls){
        .transport = {.ops = &ops},
        .below = below,
        .keys = keys,
        .timeout = settings->timeout,
        .limit = settings->handshakes,
        .kernel = settings->kernel && sys_kernel_tls(),
        .plain_answer = settings->plain_answer,
        .plain_arg = settings->plain_arg,
        .record = malloc(TLS_RECORD),
        .method = tls_bio_method(),
    };
    tls_places_init(tls);
    slab_init(&tls->streams, sizeof(struct tls_stream), settings->keep);
    transport_tls_renew(tls, context);
    if (!tls->record || !tls->method) {
        transport_tls_release(tls);
        return ERR_NOMEM;
    }
    return 0;
}

void transport_tls_renew(struct transport_tls *tls, struct tls_context *context) {
    tls_context_hold(context);
    tls_context_drop(tls->context);
    tls->context = context;
}

void transport_tls_release(struct transport_tls *tls) {
    slab_release(&tls->streams);
    tls_context_drop(tls->context);
    tls_bio_method_free(tls->method);
    free(tls->record);
}
