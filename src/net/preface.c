/* Prefaces; see preface.h.
 *
 * The stream below is given to the user as it is; only its events go through here. So output costs
 * nothing, and there is no second queue whose state would have to be told to the user. */
#include "net/preface.h"

#include <unistd.h>

#include "base/list.h"

#include "base/banned.h"

struct state {
    struct preface preface;
    struct transport_preface *home;
    const struct stream_events *events; /* the user's */
    struct buf *in;                     /* what has come of the preface; NULL: nothing */
};

static struct state *own(const struct stream *stream) {
    return LIST_OWNER(stream->preface, struct state, preface);
}

/* The rest of what came with the preface is the user's. */
static void give_rest(struct stream *stream, struct state *self) {
    struct buf *rest = self->in;
    self->in = NULL;
    if (buf_len(rest) > 0) {
        self->events->read(stream, rest);
    } else {
        buf_give(rest);
    }
}

static void read_preface(struct stream *stream, struct state *self, struct buf *buf) {
    size_t limit = self->home->longest + BUF_LARGE;
    if (!self->in) {
        self->in = buf;
    } else if (buf_append(&self->in, buf, limit)) {
        stream_close(stream, CLOSE_NOMEM);
        return;
    }
    ssize_t used = self->home->read(buf_slice(self->in), &self->preface);
    if (used < 0) {
        self->preface.error = (int)used;
        stream_close(stream, CLOSE_PREFACE);
    } else if (used > 0) {
        self->preface.come = true;
        self->in->start += (uint32_t)used;
        give_rest(stream, self);
    }
}

static void on_read(struct stream *stream, struct buf *buf) {
    struct state *self = own(stream);
    if (self->preface.come) {
        self->events->read(stream, buf);
    } else {
        read_preface(stream, self, buf);
    }
}

static void on_eof(struct stream *stream) {
    own(stream)->events->eof(stream);
}

static void on_drained(struct stream *stream) {
    own(stream)->events->drained(stream);
}

static void on_closed(struct stream *stream) {
    struct state *self = own(stream);
    self->events->closed(stream); /* who may still look at what was said */
    buf_give(self->in);
    slab_give(&self->home->states, self);
}

static struct stream *open_stream(struct transport *transport, struct loop *loop, int fd,
                                  const struct stream_events *events, void *user) {
    static const struct stream_events own_events = {
        .read = on_read,
        .eof = on_eof,
        .drained = on_drained,
        .closed = on_closed,
    };
    struct transport_preface *home = LIST_OWNER(transport, struct transport_preface, transport);
    struct state *self = slab_take(&home->states);
    if (!self) {
        close(fd);
        return NULL;
    }
    *self = (struct state){.home = home, .events = events};
    struct stream *stream = transport_open(home->below, loop, fd, &own_events, user);
    if (!stream) {
        slab_give(&home->states, self);
        return NULL;
    }
    stream->preface = &self->preface;
    return stream;
}

static uint32_t live(const struct transport *transport) {
    return LIST_OWNER(transport, const struct transport_preface, transport)->states.live;
}

void transport_preface_init(struct transport_preface *self, struct transport *below,
                            preface_read_fn *read, size_t longest, uint32_t keep) {
    static const struct transport_ops ops = {.open = open_stream, .live = live};
    *self = (struct transport_preface){
        .transport = {.ops = &ops}, .below = below, .read = read, .longest = longest};
    slab_init(&self->states, sizeof(struct state), keep);
}

void transport_preface_release(struct transport_preface *self) {
    slab_release(&self->states);
}
