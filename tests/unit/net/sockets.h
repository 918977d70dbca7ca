/* Pairs of connected sockets, and what their far end does, for the tests of src/net. */
#ifndef UNIT_NET_SOCKETS_H
#define UNIT_NET_SOCKETS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A TCP socket listening on 127.0.0.1, non-blocking; `address` gives where. -1 on failure. */
static inline int sockets_listen(struct sockaddr_in *address) {
    socklen_t len = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)address, len) < 0 || listen(fd, 256) < 0 ||
        getsockname(fd, (struct sockaddr *)address, &len) < 0) {
        return -1;
    }
    return fd;
}

/* A blocking client's socket; -1 on failure. */
static inline int sockets_connect(const struct sockaddr_in *address) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
        return -1;
    }
    return fd;
}

/* near: non-blocking, for the code under test; far: non-blocking, for the test. */
static inline bool sockets_tcp_pair(int *near, int *far) {
    struct sockaddr_in address;
    int listener = sockets_listen(&address);
    *far = sockets_connect(&address);
    *near = accept(listener, NULL, NULL);
    close(listener);
    int on = 1;
    return *near >= 0 && *far >= 0 && ioctl(*near, FIONBIO, &on) == 0 &&
           ioctl(*far, FIONBIO, &on) == 0;
}

/* How the far end finds its side: bytes read up to `room`, and what came behind them. */
enum sockets_end { SOCKETS_OPEN, SOCKETS_EOF, SOCKETS_RESET };

static inline size_t sockets_read(int fd, void *into, size_t room, enum sockets_end *end) {
    size_t len = 0;
    *end = SOCKETS_OPEN;
    while (len < room) {
        ssize_t got = read(fd, (char *)into + len, room - len);
        if (got > 0) {
            len += (size_t)got;
            continue;
        }
        if (got == 0) {
            *end = SOCKETS_EOF;
        } else if (errno != EAGAIN) {
            *end = SOCKETS_RESET;
        }
        break;
    }
    return len;
}

/* Closes with a reset. */
static inline void sockets_reset(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}

#endif
