/* Accepting; see listener.h. */
#include "net/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "net/sys.h"

#include "base/banned.h"

/* Connections taken in one read beat: more would let a flood of them starve the open ones. */
enum { BATCH = 64 };

/* Turns in a row in which a worker with requests to run leaves new connections to others: where all
 * are as busy, somebody has to take them. */
enum { PASSES = 8 };

/* How long accepting rests when the process has no descriptor or no memory left, in ms. */
enum { REST_MS = 1000 };

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct listener *listener) {
    if (listener->paused || listener->closed || timer_is_set(&listener->retry.timer)) {
        uv_poll_stop(&listener->poll);
    } else {
        uv_poll_start(&listener->poll, UV_READABLE, on_poll);
    }
}

static void on_retry(struct loop_timer *retry) {
    watch(LIST_OWNER(retry, struct listener, retry));
}

static void rest(struct listener *listener, const char *why) {
    listener->exhausted++;
    loop_timer_set(listener->loop, &listener->retry, loop_now(listener->loop) + REST_MS);
    watch(listener);
    if (listener->rests) {
        listener->rests(listener, why);
    }
}

/* False when there is nothing more to take now. */
static bool accept_one(struct listener *listener) {
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    int fd = sys_accept(listener->fd, &address, &len);
    if (fd >= 0) {
        struct peer peer;
        peer_from_sockaddr(&peer, (const struct sockaddr *)&address, len);
        listener->accepted++;
        listener->accept(listener, fd, &peer);
        return true;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case EINTR:
    case ECONNABORTED:
    case EPERM: /* a firewall's word, accept(2) */
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ETIMEDOUT:
        /* That connection is gone: the next one. */
        return true;
    default:
        break;
    }
    /* No descriptor, no memory, or an error of the listening socket itself, which would come
     * again at once: rest. */
    rest(listener, uv_strerror(uv_translate_sys_error(errno)));
    return false;
}

static void accept_batch(struct listener *listener, int batch) {
    for (int i = 0; i < batch && !listener->paused && !listener->closed; i++) {
        if (!accept_one(listener)) {
            break;
        }
    }
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct listener *listener = poll->data;
    (void)status;
    (void)events;
    if (listener->shared) {
        loop_read_later(listener->loop, &listener->behind);
    } else {
        accept_batch(listener, BATCH);
    }
}

static void on_behind(struct readable *behind) {
    struct listener *listener = LIST_OWNER(behind, struct listener, behind);
    if (!list_empty(&listener->loop->ready) && listener->passed < PASSES) {
        listener->passed++; /* what the kernel has queued is told again in the next turn */
        return;
    }
    listener->passed = 0;
    accept_batch(listener, 1);
}

int listener_init(struct listener *listener, struct loop *loop, int fd, void *user,
                  void (*accept)(struct listener *listener, int fd, const struct peer *peer)) {
    *listener = (struct listener){.loop = loop, .user = user, .fd = fd, .accept = accept};
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        return uv_translate_sys_error(errno);
    }
    peer_from_sockaddr(&listener->local, (const struct sockaddr *)&address, len);
    loop_timer_init(&listener->retry, on_retry);
    readable_init(&listener->behind, on_behind);
    int err = uv_poll_init(&loop->uv, &listener->poll, fd);
    if (err) {
        return err;
    }
    listener->poll.data = listener;
    watch(listener);
    return 0;
}

void listener_pause(struct listener *listener) {
    if (!listener->paused) {
        listener->paused = true;
        watch(listener);
    }
}

void listener_resume(struct listener *listener) {
    bool rests = timer_is_set(&listener->retry.timer);
    if ((listener->paused || rests) && !listener->closed) {
        listener->paused = false;
        loop_timer_stop(listener->loop, &listener->retry);
        watch(listener);
    }
}

void listener_drain(struct listener *listener) {
    while (!listener->paused && !listener->closed && accept_one(listener)) {
    }
}

static void on_closed(uv_handle_t *handle) {
    struct listener *listener = handle->data;
    listener->after_close(listener);
}

void listener_close(struct listener *listener, void (*after_close)(struct listener *listener)) {
    listener->closed = true;
    listener->after_close = after_close;
    loop_timer_stop(listener->loop, &listener->retry);
    list_remove(&listener->behind.link);
    uv_close((uv_handle_t *)&listener->poll, on_closed);
}
