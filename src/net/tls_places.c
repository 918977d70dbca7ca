/* Who may shake hands: `limit` at once, the others wait their turn. See tls_impl.h.
 *
 * A place that is held for long is of no use while others wait: whoever has held his for HELD_MS
 * loses it to them, the longest first, so that peers who say nothing cannot keep the rest out for
 * the whole time-out. Where nobody waits, nobody is hurried. */
#include "net/tls_impl.h"

#include "base/banned.h"

/* An honest handshake takes two round trips and its computing. */
enum { HELD_MS = 1000 };

/* As many as wait lose their places, of those that are due; then the next is awaited. */
static void hurry(struct transport_tls *home, struct loop *loop) {
    uint64_t now = loop_now(loop);
    while (home->waiting > home->losing) {
        struct list *node = home->holders.next;
        if (node == &home->holders) {
            return; /* all are closing: their places come */
        }
        struct tls_stream *oldest = LIST_OWNER(node, struct tls_stream, link);
        uint64_t due = oldest->held_since + HELD_MS;
        if (due > now) {
            loop_timer_set(loop, &home->hurry, due);
            return;
        }
        home->losing++;
        oldest->loses = true;
        stream_close(&oldest->stream, CLOSE_TLS_TIMEOUT);
    }
}

static void on_hurry(struct loop_timer *timer) {
    struct transport_tls *home = LIST_OWNER(timer, struct transport_tls, hurry);
    if (home->waiting > 0) {
        struct tls_stream *first = LIST_OWNER(home->queue.next, struct tls_stream, link);
        hurry(home, first->stream.loop);
    }
}

void tls_places_init(struct transport_tls *home) {
    list_init(&home->queue);
    list_init(&home->holders);
    loop_timer_init(&home->hurry, on_hurry);
}

static void hold(struct tls_stream *self) {
    tls_set_in(self, IN_HANDSHAKE);
    self->held_since = loop_now(self->stream.loop);
    list_append(&self->home->holders, &self->link);
}

void tls_place_ask(struct tls_stream *self) {
    struct transport_tls *home = self->home;
    if (home->handshaking < home->limit) {
        home->handshaking++;
        hold(self);
        return;
    }
    tls_set_in(self, IN_QUEUED);
    list_append(&home->queue, &self->link);
    home->waiting++;
    hurry(home, self->stream.loop);
}

void tls_place_give(struct tls_stream *self) {
    struct transport_tls *home = self->home;
    list_remove(&self->link);
    home->losing -= self->loses;
    struct list *node = list_take(&home->queue);
    if (!node) {
        home->handshaking--;
        return;
    }
    /* The place is its own from now on: who comes meanwhile cannot take it, and if it closes before
     * it has begun, it gives it on. */
    struct tls_stream *next = LIST_OWNER(node, struct tls_stream, link);
    home->waiting--;
    if (home->waiting == 0) {
        loop_timer_stop(next->stream.loop, &home->hurry);
    }
    hold(next);
    loop_read_later(next->stream.loop, &next->again);
    hurry(home, next->stream.loop);
}

void tls_place_leave(struct tls_stream *self) {
    struct transport_tls *home = self->home;
    list_remove(&self->link);
    if (self->in == IN_QUEUED && !self->left) {
        self->left = true;
        home->waiting--;
        if (home->waiting == 0) {
            loop_timer_stop(self->stream.loop, &home->hurry);
        }
    }
}
