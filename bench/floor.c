/* The floor: the least that any HTTP server on epoll can do, as the unit for `make bench`.
 *
 * For each readiness one read and one writev; a request is whatever ends in an empty line, and
 * every answer is the same: a head with a Date rendered once a second and a body of `size`
 * bytes. It parses nothing, checks nothing and times nothing out, so it is no server to use; it
 * shows what the kernel alone costs, in the shape that our own answers have on the wire.
 * Run by bench/run.py as `floor PORT SIZE`; ends by a signal.
 *
 * Invariant: a connection waits either for input or for room to write, never for both; `owed`
 * is zero exactly when it waits for input. */
#define _GNU_SOURCE /* accept4 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/banned.h"

enum {
    EVENTS_A_TURN = 256,
    READ_SIZE = 16384,
    HEAD_ROOM = 256,
    ANSWERS_A_WRITE = 16,
    BODY_MAX = 1 << 24
};

struct conn {
    size_t line;   /* bytes of the input's last line, while it has no end */
    unsigned owed; /* answers not yet wholly written */
    size_t sent;   /* bytes written of the first of them */
};

struct floor {
    int epoll;
    int listener;
    int limit;          /* descriptors are below this */
    struct conn *conns; /* by descriptor */
    char head[HEAD_ROOM];
    size_t head_size; /* never changes: every Date has the same length */
    char *body;
    size_t body_size;
    time_t rendered; /* the second that `head` tells */
};

static void head_render(struct floor *floor, time_t now) {
    struct tm utc;
    char date[64];
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    int size = snprintf(floor->head, sizeof floor->head,
                        "HTTP/1.1 200 OK\r\nServer: floor\r\nDate: %s\r\n"
                        "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
                        date, floor->body_size);
    floor->head_size = (size_t)size;
    floor->rendered = now;
}

static bool watch(const struct floor *floor, int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(floor->epoll, operation, fd, &event) == 0;
}

static void conn_accept(struct floor *floor) {
    int fd = accept4(floor->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (fd >= floor->limit || !watch(floor, EPOLL_CTL_ADD, fd, EPOLLIN)) {
        close(fd);
        return;
    }
    floor->conns[fd] = (struct conn){0};
}

/* Writes what is owed, one writev a call unless very many answers are; false: close it. */
static bool conn_write(struct floor *floor, int fd) {
    struct conn *conn = &floor->conns[fd];
    size_t answer = floor->head_size + floor->body_size;
    while (conn->owed > 0) {
        struct iovec parts[2 * ANSWERS_A_WRITE];
        unsigned answers = conn->owed < ANSWERS_A_WRITE ? conn->owed : ANSWERS_A_WRITE;
        for (unsigned i = 0; i < answers; i++) {
            parts[2 * i] = (struct iovec){floor->head, floor->head_size};
            parts[2 * i + 1] = (struct iovec){floor->body, floor->body_size};
        }
        struct iovec *first = parts;
        int count = (int)(2 * answers);
        size_t skip = conn->sent;
        if (skip >= floor->head_size) {
            skip -= floor->head_size;
            first++;
            count--;
        }
        first->iov_base = (char *)first->iov_base + skip;
        first->iov_len -= skip;

        ssize_t wrote = writev(fd, first, count);
        if (wrote < 0) {
            return errno == EAGAIN && watch(floor, EPOLL_CTL_MOD, fd, EPOLLOUT);
        }
        conn->sent += (size_t)wrote;
        conn->owed -= (unsigned)(conn->sent / answer);
        conn->sent %= answer;
    }
    return true;
}

/* How many requests end in these bytes: how many lines are empty, CR and LF alone. */
static unsigned requests_end(struct conn *conn, const char *bytes, size_t size) {
    const char *end = bytes + size;
    unsigned ends = 0;
    for (const char *from = bytes; from < end;) {
        const char *feed = memchr(from, '\n', (size_t)(end - from));
        const char *next = feed != NULL ? feed + 1 : end;
        conn->line += (size_t)(next - from);
        if (feed != NULL) {
            ends += conn->line == 2;
            conn->line = 0;
        }
        from = next;
    }
    return ends;
}

/* false: close it. */
static bool conn_read(struct floor *floor, int fd) {
    char bytes[READ_SIZE];
    ssize_t got = read(fd, bytes, sizeof bytes);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    floor->conns[fd].owed += requests_end(&floor->conns[fd], bytes, (size_t)got);
    return conn_write(floor, fd);
}

static void conn_turn(struct floor *floor, int fd, uint32_t events) {
    bool keep;
    if (events & EPOLLOUT) {
        keep = conn_write(floor, fd) &&
               (floor->conns[fd].owed > 0 || watch(floor, EPOLL_CTL_MOD, fd, EPOLLIN));
    } else {
        keep = conn_read(floor, fd);
    }
    if (!keep) {
        close(fd);
    }
}

static bool floor_listen(struct floor *floor, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    floor->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Linux hands TCP_NODELAY down to the accepted sockets. */
    return floor->listener >= 0 &&
           setsockopt(floor->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           setsockopt(floor->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
           bind(floor->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
           listen(floor->listener, SOMAXCONN) == 0;
}

static bool floor_begin(struct floor *floor, uint16_t port, size_t body_size) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return false;
    }
    floor->limit = files.rlim_cur < 1 << 20 ? (int)files.rlim_cur : 1 << 20;
    floor->conns = calloc((size_t)floor->limit, sizeof *floor->conns);
    floor->body_size = body_size;
    floor->body = malloc(body_size);
    if (floor->conns == NULL || floor->body == NULL) {
        return false;
    }
    memset(floor->body, 'x', body_size);
    floor->epoll = epoll_create1(EPOLL_CLOEXEC);
    return floor->epoll >= 0 && floor_listen(floor, port) &&
           watch(floor, EPOLL_CTL_ADD, floor->listener, EPOLLIN);
}

static bool floor_turn(struct floor *floor) {
    struct epoll_event events[EVENTS_A_TURN];
    int ready = epoll_wait(floor->epoll, events, EVENTS_A_TURN, -1);
    time_t now = time(NULL);
    if (now != floor->rendered) {
        head_render(floor, now);
    }
    for (int i = 0; i < ready; i++) {
        if (events[i].data.fd == floor->listener) {
            conn_accept(floor);
        } else {
            conn_turn(floor, events[i].data.fd, events[i].events);
        }
    }
    return ready >= 0 || errno == EINTR;
}

static bool number_read(const char *text, unsigned long most, unsigned long *number) {
    char *end;
    errno = 0;
    *number = strtoul(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *number > 0 && *number <= most;
}

int main(int argc, char **argv) {
    unsigned long port;
    unsigned long body_size;
    if (argc != 3 || !number_read(argv[1], UINT16_MAX, &port) ||
        !number_read(argv[2], BODY_MAX, &body_size)) {
        fputs("usage: floor PORT SIZE\n", stderr);
        return 2;
    }
    struct floor floor = {0};
    signal(SIGPIPE, SIG_IGN);
    if (!floor_begin(&floor, (uint16_t)port, body_size)) {
        perror("floor");
        return 1;
    }
    while (floor_turn(&floor)) {
    }
    perror("floor");
    return 1;
}
