/* The floor of WebSocket: the least that an echo server on epoll can do, as the unit for the table
 * of `make bench`.
 *
 * For each readiness one read and one write. It answers echo_load.c and nobody else: a handshake is
 * whatever ends in an empty line, and its answer is the one to the load's fixed key; every frame
 * has the same size, and is unmasked without a look at its header. It checks nothing and times
 * nothing out, so it is no server to use.
 * Run by bench/run.py as `echo_floor PORT SIZE`, SIZE being that of a message; ends by a signal.
 *
 * Invariant: between two turns a connection has `got` bytes of one head or frame not yet whole. */
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
#include <sys/socket.h>
#include <unistd.h>

#include "base/banned.h"

enum { EVENTS_A_TURN = 256, MESSAGE_MAX = 125, HEADER = 2, MASK = 4, ROOM = 4096 };

/* The answer to the key of RFC 6455, section 1.3. */
static const char accepted[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

struct conn {
    int fd;
    bool open; /* the handshake is done */
    size_t got;
    unsigned char bytes[ROOM];
};

struct floor {
    int epoll;
    int listener;
    size_t message;
};

static bool watch(const struct floor *floor, int fd, void *who) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = who};
    return epoll_ctl(floor->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void conn_close(struct conn *conn) {
    close(conn->fd);
    free(conn);
}

static void conn_accept(const struct floor *floor) {
    int fd = accept4(floor->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct conn *conn = fd < 0 ? NULL : calloc(1, sizeof *conn);
    if (conn == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    conn->fd = fd;
    if (!watch(floor, fd, conn)) {
        conn_close(conn);
    }
}

/* Whatever is written is far below what a socket takes at once: the client waits for it. */
static bool send_all(const struct conn *conn, const void *bytes, size_t size) {
    return write(conn->fd, bytes, size) == (ssize_t)size;
}

static bool conn_shake(struct conn *conn) {
    if (conn->got < 4 || memcmp(conn->bytes + conn->got - 4, "\r\n\r\n", 4) != 0) {
        return conn->got < ROOM;
    }
    conn->open = true;
    conn->got = 0;
    return send_all(conn, accepted, sizeof accepted - 1);
}

/* RFC 6455, section 5.3. The unmasked frame is made in the place of the masked one. */
static bool conn_echo(const struct floor *floor, struct conn *conn) {
    unsigned char *mask = conn->bytes + HEADER;
    unsigned char *text = mask + MASK;
    if (conn->got < HEADER + MASK + floor->message) {
        return true;
    }
    for (size_t i = 0; i < floor->message; i++) {
        text[i] ^= mask[i % MASK];
    }
    text[-2] = 0x81;
    text[-1] = (unsigned char)floor->message;
    conn->got = 0;
    return send_all(conn, text - HEADER, HEADER + floor->message);
}

/* false: close it. */
static bool conn_read(const struct floor *floor, struct conn *conn) {
    size_t room = conn->open ? HEADER + MASK + floor->message : ROOM;
    ssize_t got = read(conn->fd, conn->bytes + conn->got, room - conn->got);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    conn->got += (size_t)got;
    return conn->open ? conn_echo(floor, conn) : conn_shake(conn);
}

static bool floor_begin(struct floor *floor, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    floor->epoll = epoll_create1(EPOLL_CLOEXEC);
    floor->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Linux hands TCP_NODELAY down to the accepted sockets. */
    return floor->epoll >= 0 && floor->listener >= 0 &&
           setsockopt(floor->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           setsockopt(floor->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
           bind(floor->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
           listen(floor->listener, SOMAXCONN) == 0 && watch(floor, floor->listener, NULL);
}

static bool floor_turn(const struct floor *floor) {
    struct epoll_event events[EVENTS_A_TURN];
    int ready = epoll_wait(floor->epoll, events, EVENTS_A_TURN, -1);
    for (int i = 0; i < ready; i++) {
        struct conn *conn = events[i].data.ptr;
        if (conn == NULL) {
            conn_accept(floor);
        } else if (!conn_read(floor, conn)) {
            conn_close(conn);
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
    unsigned long message;
    if (argc != 3 || !number_read(argv[1], UINT16_MAX, &port) ||
        !number_read(argv[2], MESSAGE_MAX, &message)) {
        fputs("usage: echo_floor PORT SIZE\n", stderr);
        return 2;
    }
    struct floor floor = {.message = message};
    signal(SIGPIPE, SIG_IGN);
    if (!floor_begin(&floor, (uint16_t)port)) {
        perror("echo_floor");
        return 1;
    }
    while (floor_turn(&floor)) {
    }
    perror("echo_floor");
    return 1;
}
