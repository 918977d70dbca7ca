/* A thread that writes lines; see line_writer.h.
 *
 * Two buffers: the loop fills `coming`, the thread writes `going`; when that is empty they change
 * places. The thread lets lines gather for a moment before it takes them: a write for each turn of
 * a busy loop would cost more than the lines. */
#include "net/line_writer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/err.h"

#include "base/banned.h"

/* How long lines gather; how long a failure is left alone. */
#define GATHER_NS (10 * 1000000ull)
#define RETRY_NS  (250 * 1000000ull)

static size_t count_lines(const char *bytes, size_t len) {
    size_t count = 0;
    const char *end = bytes + len;
    while ((bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL) {
        count++;
        bytes++;
    }
    return count;
}

/* Bytes of the lines that end within the first `len`. */
static size_t whole_lines(const char *bytes, size_t len) {
    while (len > 0 && bytes[len - 1] != '\n') {
        len--;
    }
    return len;
}

/* --- the thread --- */

/* The first line of them, with its end. */
static size_t line_len(const char *bytes, size_t len) {
    const char *end = memchr(bytes, '\n', len);
    return end ? (size_t)(end - bytes) + 1 : len;
}

/* How much goes into one write: into a pipe what it takes as a whole (POSIX: PIPE_BUF). */
static size_t portion(const struct line_writer *writer, const char *bytes, size_t len) {
    if (!writer->pipe || len <= PIPE_BUF) {
        return len;
    }
    size_t whole = whole_lines(bytes, PIPE_BUF);
    return whole > 0 ? whole : line_len(bytes, len);
}

/* A syslog that was started anew is there under its old address. */
static void connect_again(const struct line_writer *writer) {
    (void)connect(writer->fd, (const struct sockaddr *)&writer->address, writer->address_len);
}

static bool has_gone(int error) {
    return error == ECONNREFUSED || error == ENOTCONN || error == ECONNRESET || error == EPIPE;
}

/* One line. Bytes used, which may not have been sent (`refused`); or -1. */
static ssize_t send_line(struct line_writer *writer, const char *bytes, size_t len) {
    size_t line = line_len(bytes, len);
    struct iovec parts[2] = {{(void *)(uintptr_t)writer->prefix.at, writer->prefix.len},
                             {(void *)(uintptr_t)bytes, line - 1}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent = sendmsg(writer->fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && has_gone(errno)) {
        connect_again(writer);
        sent = sendmsg(writer->fd, &message, MSG_NOSIGNAL);
    }
    if (sent < 0 && errno == EMSGSIZE) {
        uv_mutex_lock(&writer->lock);
        writer->refused++;
        uv_mutex_unlock(&writer->lock);
        sent = 0;
    }
    return sent < 0 ? -1 : (ssize_t)line;
}

static ssize_t write_some(struct line_writer *writer, const char *bytes, size_t len) {
    return writer->datagrams ? send_line(writer, bytes, len)
                             : write(writer->fd, bytes, portion(writer, bytes, len));
}

/* As write_some; where somebody else has made the descriptor non-blocking, it is waited for. The
 * only place where the thread may be cancelled. */
static ssize_t write_patiently(struct line_writer *writer, const char *bytes, size_t len) {
    ssize_t n = write_some(writer, bytes, len);
    while (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        if (errno == EAGAIN) {
            struct pollfd ready = {.fd = writer->fd, .events = POLLOUT};
            (void)poll(&ready, 1, (int)(RETRY_NS / 1000000));
        }
        n = write_some(writer, bytes, len);
    }
    return n;
}

/* Writes `going` as far as it goes. Without the lock on entry; with it when it returns. */
static void write_going(struct line_writer *writer) {
    size_t at = writer->gone;
    int state;
    while (at < writer->going.len) {
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
        ssize_t n = write_patiently(writer, writer->going.bytes + at, writer->going.len - at);
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        uv_mutex_lock(&writer->lock);
        writer->failing = n <= 0;
        at += n > 0 ? (size_t)n : 0;
        writer->gone = at;
        if (n <= 0) {
            return;
        }
        uv_mutex_unlock(&writer->lock);
    }
    uv_mutex_lock(&writer->lock);
    writer->going.len = 0;
    writer->gone = 0;
}

/* With the lock. */
static void change_places(struct line_writer *writer) {
    struct line_buffer empty = writer->going;
    writer->going = writer->coming;
    writer->coming = empty;
}

/* With the lock: waits until there is something to write; false at the end. */
static bool await_lines(struct line_writer *writer) {
    while (writer->going.len == 0 && writer->coming.len == 0) {
        writer->failing = false;
        uv_cond_broadcast(&writer->done);
        if (writer->ending) {
            return false;
        }
        writer->asleep = true;
        uv_cond_wait(&writer->more, &writer->lock);
        writer->asleep = false;
    }
    return true;
}

static void run(void *arg) {
    struct line_writer *writer = arg;
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    uv_mutex_lock(&writer->lock);
    while (await_lines(writer)) {
        if (writer->failing) {
            uv_cond_broadcast(&writer->done);
            if (writer->ending) {
                break;
            }
            uv_cond_timedwait(&writer->more, &writer->lock, RETRY_NS);
        } else if (!writer->ending && writer->coming.len < LINE_WRITER_BYTES / 2) {
            uv_cond_timedwait(&writer->more, &writer->lock, GATHER_NS);
        }
        if (writer->going.len == 0) {
            change_places(writer);
        }
        uv_mutex_unlock(&writer->lock);
        write_going(writer);
    }
    uv_mutex_unlock(&writer->lock);
}

/* --- the loop's thread --- */

/* What the descriptor is. */
static void look(struct line_writer *writer) {
    struct stat status;
    int type = 0;
    socklen_t len = sizeof(type);
    writer->pipe = fstat(writer->fd, &status) == 0 && S_ISFIFO(status.st_mode);
    writer->datagrams =
        getsockopt(writer->fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM;
    writer->address_len = sizeof(writer->address);
    if (!writer->datagrams ||
        getpeername(writer->fd, (struct sockaddr *)&writer->address, &writer->address_len)) {
        writer->address_len = 0;
    }
}

/* A thread that no signal is delivered to: they are Python's. */
static int start(struct line_writer *writer) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = uv_thread_create(&writer->thread, run, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err ? ERR_SYSTEM : 0;
}

static int init_locks(struct line_writer *writer) {
    if (uv_mutex_init(&writer->lock)) {
        return ERR_NOMEM;
    }
    if (uv_cond_init(&writer->more)) {
        uv_mutex_destroy(&writer->lock);
        return ERR_NOMEM;
    }
    if (uv_cond_init(&writer->done)) {
        uv_cond_destroy(&writer->more);
        uv_mutex_destroy(&writer->lock);
        return ERR_NOMEM;
    }
    return 0;
}

static void free_all(struct line_writer *writer) {
    free(writer->coming.bytes);
    free(writer->going.bytes);
    uv_cond_destroy(&writer->done);
    uv_cond_destroy(&writer->more);
    uv_mutex_destroy(&writer->lock);
}

int line_writer_init(struct line_writer *writer, int fd, struct slice prefix) {
    *writer = (struct line_writer){.fd = fd, .prefix = prefix};
    look(writer);
    if (init_locks(writer)) {
        return ERR_NOMEM;
    }
    writer->coming.bytes = malloc(LINE_WRITER_BYTES);
    writer->going.bytes = malloc(LINE_WRITER_BYTES);
    int err = writer->coming.bytes && writer->going.bytes ? start(writer) : ERR_NOMEM;
    if (err) {
        free_all(writer);
    }
    return err;
}

size_t line_writer_put(struct line_writer *writer, struct slice lines) {
    uv_mutex_lock(&writer->lock);
    struct line_buffer *to = &writer->coming;
    size_t room = LINE_WRITER_BYTES - to->len;
    size_t before = to->len;
    const char *bytes = (const char *)lines.at;
    size_t taken = lines.len <= room ? lines.len : whole_lines(bytes, room);
    memcpy(to->bytes + before, bytes, taken);
    to->len += taken;
    bool half = before < LINE_WRITER_BYTES / 2 && to->len >= LINE_WRITER_BYTES / 2;
    if (writer->asleep || (half && !writer->failing)) {
        uv_cond_signal(&writer->more);
    }
    uv_mutex_unlock(&writer->lock);
    return count_lines(bytes + taken, lines.len - taken);
}

static bool is_idle(const struct line_writer *writer) {
    return writer->coming.len == 0 && writer->going.len == 0;
}

void line_writer_settle(struct line_writer *writer, unsigned ms) {
    uv_mutex_lock(&writer->lock);
    writer->failing = false; /* it is tried once more */
    uv_cond_signal(&writer->more);
    while (!is_idle(writer) && !writer->failing &&
           uv_cond_timedwait(&writer->done, &writer->lock, ms * 1000000ull) == 0) {
    }
    uv_mutex_unlock(&writer->lock);
}

uint64_t line_writer_release(struct line_writer *writer, unsigned ms) {
    uv_mutex_lock(&writer->lock);
    writer->ending = true;
    uv_mutex_unlock(&writer->lock);
    line_writer_settle(writer, ms);
    uv_mutex_lock(&writer->lock);
    bool late = !is_idle(writer) && !writer->failing;
    uv_mutex_unlock(&writer->lock);
    if (late) {
        pthread_cancel(writer->thread);
    }
    uv_thread_join(&writer->thread);
    uint64_t lost = writer->refused;
    lost += count_lines(writer->coming.bytes, writer->coming.len);
    lost += count_lines(writer->going.bytes + writer->gone, writer->going.len - writer->gone);
    free_all(writer);
    return lost;
}
