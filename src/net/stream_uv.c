/* A stream over a connected socket that libuv polls.
 *
 * libuv tells when the socket is readable or writable; reading, writing and sendfile are our own
 * calls, one a readiness. (uv_tcp_t would read and write for us, but cannot say when sendfile
 * may go on, and allocates for queued writes.)
 *
 * What is polled is the union of two wishes: `reading`, and output that the socket did not take.
 * Taking a wish back is lazy: the poll is changed only when an event comes that nobody wants,
 * so stop and start around a request cost no system call.
 *
 * Life: open -> closing (stream_close; fd closed at once) -> libuv's close callback -> `closed`
 * -> buried, freed at the end of the turn. */
#include "net/stream_uv.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include "net/sys.h"

#include "base/banned.h"

/* Pieces of one vectored write. Few responses have more than a head and a body. */
enum { WRITE_PIECES = 64 };

/* sendfile's share of one write beat, so that one download cannot hold up the others. */
enum { SENDFILE_BYTES = 1024 * 1024 };

struct stream_uv {
    struct stream stream;
    union {
        uv_poll_t poll;
        struct grave grave; /* once libuv has let go of the poll */
    };
    struct slab *home;
    int fd;
    uint8_t polled;  /* the events that libuv watches now */
    bool reading;    /* the user wants bytes */
    bool blocked;    /* the socket took less than it was given */
    bool owes : 1;   /* `drained`, for a stream_send_now that was cut short */
    bool ended : 1;  /* the peer has sent its end */
    bool plenty : 1; /* the last read filled a buffer of the usual size */
};

static struct stream_uv *own(struct stream *stream) {
    return LIST_OWNER(stream, struct stream_uv, stream);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct stream_uv *self, int events) {
    if (events == self->polled) {
        return;
    }
    self->polled = (uint8_t)events;
    int err = events ? uv_poll_start(&self->poll, events, on_poll) : uv_poll_stop(&self->poll);
    loop_stir(self->stream.loop); /* the kernel is told by a turn */
    if (err) {
        stream_close(&self->stream, CLOSE_SYSTEM);
    }
}

/* Watches what is wished for and not watched yet; takes nothing back. */
static void watch_more(struct stream_uv *self) {
    int wish = self->polled;
    if (self->reading && !self->ended) {
        wish |= UV_READABLE;
    }
    if (self->blocked) {
        wish |= UV_WRITABLE;
    }
    watch(self, wish);
}

static void end_of_input(struct stream_uv *self) {
    self->ended = true;
    watch(self, self->polled & ~UV_READABLE);
    if (self->stream.why == CLOSE_NONE) {
        self->stream.events->eof(&self->stream);
    }
}

/* Where bytes come in plenty, a large upload, they are taken in fewer and larger pieces: whoever
 * gives each piece to a thread of its own, as frameworks do, pays for the number. */
static void read_once(struct stream_uv *self) {
    struct stream *stream = &self->stream;
    struct buf_pool *pool = &stream->loop->bufs;
    struct buf *buf = self->plenty ? buf_take_large(pool) : buf_take(pool);
    if (!buf) {
        stream_close(stream, CLOSE_NOMEM);
        return;
    }
    ssize_t got = recv(self->fd, buf->bytes, buf->size, 0);
    if (got > 0) {
        buf->end = (uint32_t)got;
        figures_add(loop_figures(stream->loop)->bytes_in, (uint64_t)got);
        self->plenty = got >= BUF_SIZE;
        stream->events->read(stream, buf);
        return;
    }
    int error = errno;
    buf_give(buf);
    if (got == 0) {
        end_of_input(self);
    } else if (error != EAGAIN && error != EWOULDBLOCK && error != EINTR) {
        stream_close(stream, error == ENOMEM || error == ENOBUFS ? CLOSE_NOMEM : CLOSE_PEER_RESET);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct stream_uv *self = poll->data;
    struct stream *stream = &self->stream;
    if (status < 0) {
        /* libuv reports EPOLLERR as EBADF and has stopped watching; the socket knows the error. */
        stream_close(stream, CLOSE_PEER_RESET);
        return;
    }
    if (events & UV_READABLE) {
        if (self->reading) {
            read_once(self);
        } else {
            watch(self, self->polled & ~UV_READABLE);
        }
    }
    if ((events & UV_WRITABLE) && stream->why == CLOSE_NONE) {
        self->blocked = false;
        watch(self, self->polled & ~UV_WRITABLE);
        loop_flush_later(stream->loop, &stream->flushable);
    }
}

/* The memory pieces at the head of `out`, as many as fit. Returns how many, and their bytes. */
static int gather(const struct chain *out, struct iovec iov[WRITE_PIECES], size_t *bytes) {
    int count = 0;
    *bytes = 0;
    for (struct piece *p = out->first; p && p->fd < 0 && count < WRITE_PIECES; p = p->next) {
        /* The kernel refuses a vector of more than SSIZE_MAX bytes. */
        if (p->len > (size_t)SSIZE_MAX - *bytes) {
            break;
        }
        iov[count].iov_base = (void *)(uintptr_t)p->at;
        iov[count].iov_len = p->len;
        *bytes += p->len;
        count++;
    }
    return count;
}

/* Whose fault a failed write is. A file that cannot be read is ours: the peer must see a cut. */
static enum close_why write_failure(int error) {
    switch (error) {
    case ENOMEM:
    case ENOBUFS:
        return CLOSE_NOMEM;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return CLOSE_PEER_RESET;
    default:
        return CLOSE_SYSTEM;
    }
}

/* Bytes sent, 0 where a file ended before its piece, or -1 with errno. `asked`: bytes tried. */
static ssize_t send_first(const struct stream_uv *self, const struct chain *out, size_t *asked) {
    struct piece *first = out->first;
    if (first->fd >= 0) {
        *asked = first->len < SENDFILE_BYTES ? first->len : SENDFILE_BYTES;
        return sys_sendfile(self->fd, first->fd, first->offset, *asked);
    }
    struct iovec iov[WRITE_PIECES];
    struct msghdr message = {.msg_iov = iov};
    message.msg_iovlen = (size_t)gather(out, iov, asked);
    return sys_sendmsg(self->fd, &message, *asked < out->bytes);
}

/* Writes until nothing of `out` is left or the socket takes no more. False where the stream was
 * closed. */
static bool write_out(struct stream_uv *self, struct chain *out) {
    struct stream *stream = &self->stream;
    struct loop *loop = stream->loop;
    size_t sent_files = 0;
    while (!chain_empty(out)) {
        bool file = out->first->fd >= 0;
        if (out->first->len == 0) {
            chain_consume(out, 0, &loop->pieces, &loop->trash);
            continue;
        }
        size_t asked;
        ssize_t sent = send_first(self, out, &asked);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            self->blocked = true;
            break;
        }
        if (sent <= 0) {
            /* 0: the file is shorter than was promised; the response cannot be completed. */
            stream_close(stream, sent == 0 ? CLOSE_FILE : write_failure(errno));
            return false;
        }
        stream->progress = loop_now(loop);
        figures_add(loop_figures(loop)->bytes_out, (uint64_t)sent);
        chain_consume(out, (size_t)sent, &loop->pieces, &loop->trash);
        if (file) {
            sent_files += (size_t)sent;
        }
        if ((size_t)sent < asked || sent_files >= SENDFILE_BYTES) {
            /* Polled as writable where there is room left: the others come first. */
            self->blocked = !chain_empty(out);
            break;
        }
    }
    return true;
}

static void flush(struct flushable *flushable) {
    struct stream *stream = LIST_OWNER(flushable, struct stream, flushable);
    struct stream_uv *self = own(stream);
    if (!self->blocked && !write_out(self, &stream->out)) {
        return;
    }
    watch_more(self);
    if (stream->shut && chain_empty(&stream->out) && stream->why == CLOSE_NONE) {
        if (stream->finish != CLOSE_NONE) {
            stream_close(stream, stream->finish);
            return;
        }
        /* ENOTCONN: the peer is gone already, and reading will tell. */
        shutdown(self->fd, SHUT_WR);
    }
    bool wanted = stream->want_drained && stream->out.bytes < STREAM_LOW_WATER;
    bool owed = self->owes && !self->blocked;
    if ((wanted || owed) && stream->why == CLOSE_NONE) {
        stream->want_drained = false;
        self->owes = false;
        stream->events->drained(stream);
    }
}

/* The socket takes no more of what does not come by the queue. */
static void await_room(struct stream *stream) {
    struct stream_uv *self = own(stream);
    self->blocked = true;
    self->owes = true;
    watch_more(self);
}

static size_t send_now(struct stream *stream, const uint8_t *bytes, size_t len) {
    struct stream_uv *self = own(stream);
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t sent;
    if (self->blocked) {
        return 0;
    }
    do {
        sent = sys_sendmsg(self->fd, &message, false);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        stream_close(stream, write_failure(errno));
        return 0;
    }
    size_t taken = sent > 0 ? (size_t)sent : 0;
    if (taken > 0) {
        stream->progress = loop_now(stream->loop);
        figures_add(loop_figures(stream->loop)->bytes_out, taken);
    }
    if (taken < len) {
        await_room(stream);
    }
    return taken;
}

static void send_chain(struct stream *stream, struct chain *chain) {
    struct stream_uv *self = own(stream);
    if (!self->blocked && write_out(self, chain) && self->blocked) {
        await_room(stream);
    }
}

static int descriptor(const struct stream *stream) {
    return LIST_OWNER(stream, const struct stream_uv, stream)->fd;
}

static void read_start(struct stream *stream) {
    struct stream_uv *self = own(stream);
    self->reading = true;
    if (stream->why == CLOSE_NONE) {
        watch_more(self);
    }
}

static void read_stop(struct stream *stream) {
    own(stream)->reading = false;
}

static void free_stream(struct grave *grave) {
    struct stream_uv *self = LIST_OWNER(grave, struct stream_uv, grave);
    slab_give(self->home, self);
}

static void on_closed(uv_handle_t *handle) {
    struct stream_uv *self = handle->data;
    loop_bury(self->stream.loop, &self->grave, free_stream);
    self->stream.events->closed(&self->stream);
}

static void close_stream(struct stream *stream) {
    struct stream_uv *self = own(stream);
    if (close_why_resets(stream->why)) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        setsockopt(self->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    /* The poll leaves the kernel's set before the descriptor's number can be used again. */
    uv_close((uv_handle_t *)&self->poll, on_closed);
    loop_stir(stream->loop);
    close(self->fd);
    self->fd = -1;
}

static const struct stream_ops stream_uv_ops = {
    .read_start = read_start,
    .read_stop = read_stop,
    .close = close_stream,
    .send_now = send_now,
    .send_chain = send_chain,
    .await_room = await_room,
    .descriptor = descriptor,
};

static struct stream *open_stream(struct transport *transport, struct loop *loop, int fd,
                                  const struct stream_events *events, void *user) {
    struct slab *home = &LIST_OWNER(transport, struct transport_uv, transport)->streams;
    struct stream_uv *self = slab_take(home);
    if (!self) {
        close(fd);
        return NULL;
    }
    *self = (struct stream_uv){
        .stream = {.loop = loop,
                   .user = user,
                   .ops = &stream_uv_ops,
                   .events = events,
                   .progress = loop_now(loop)},
        .home = home,
        .fd = fd,
    };
    flushable_init(&self->stream.flushable, flush);
    if (uv_poll_init_socket(&loop->uv, &self->poll, fd)) {
        close(fd);
        slab_give(home, self);
        return NULL;
    }
    self->poll.data = self;
    return &self->stream;
}

static uint32_t live(const struct transport *transport) {
    return LIST_OWNER(transport, const struct transport_uv, transport)->streams.live;
}

void transport_uv_init(struct transport_uv *uv, uint32_t keep) {
    static const struct transport_ops ops = {.open = open_stream, .live = live};
    uv->transport.ops = &ops;
    slab_init(&uv->streams, sizeof(struct stream_uv), keep);
}

void transport_uv_release(struct transport_uv *uv) {
    slab_release(&uv->streams);
}
