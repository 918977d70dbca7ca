/* Puts load on a WebSocket echo server: what wrk is to HTTP, as little as there can be of it.
 *
 * Run by bench/run.py as `echo_load PORT CONNECTIONS SECONDS SIZE`. Each connection shakes hands
 * (RFC 6455, section 4), then has one text message of SIZE bytes under way at any time: a masked
 * frame goes out, and when the same text has come back in one frame, the next goes out. No
 * extension is offered. After SECONDS it prints one line of JSON in the shape of wrk_report.lua;
 * anything else that a server sends ends it with a word on standard error and the exit code 1, so
 * its counts hide no errors.
 *
 * Invariant: between two turns every connection has `got` bytes of one answer that is not whole. */
#define _GNU_SOURCE /* strcasestr */

#include <errno.h>
#include <fcntl.h>
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
#include <time.h>
#include <unistd.h>

#include "base/banned.h"

enum {
    CONNECTIONS_MAX = 10000,
    SECONDS_MAX = 3600,
    MESSAGE_MAX = 65535,
    HEADER_MAX = 8,
    EVENTS_A_TURN = 256,
    HEAD_ROOM = 4096,
    PATIENCE_SECONDS = 10
};

/* The example of RFC 6455, section 1.3: so the answer to the key is known without SHA-1. */
static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static const char accepted[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

struct frame {
    unsigned char bytes[HEADER_MAX + MESSAGE_MAX];
    size_t size;
};

struct conn {
    int fd;
    size_t got;
};

struct load {
    int epoll;
    struct frame question;
    struct frame answer;
    uint64_t messages;
};

/* RFC 6455, section 5.2: one final text frame, by a client masked. */
static void frame_make(struct frame *frame, size_t size, bool masked) {
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    unsigned char *at = frame->bytes;
    unsigned char bit = masked ? 0x80 : 0;
    *at++ = 0x81;
    if (size < 126) {
        *at++ = (unsigned char)(bit | size);
    } else {
        *at++ = bit | 126;
        *at++ = (unsigned char)(size >> 8);
        *at++ = (unsigned char)(size & 0xff);
    }
    if (masked) {
        memcpy(at, mask, sizeof mask);
        at += sizeof mask;
    }
    for (size_t i = 0; i < size; i++) {
        unsigned char letter = (unsigned char)('a' + i % 26);
        *at++ = masked ? letter ^ mask[i % 4] : letter;
    }
    frame->size = (size_t)(at - frame->bytes);
}

static bool fail(const char *what) {
    fprintf(stderr, "echo_load: %s\n", what);
    return false;
}

static bool fail_call(const char *what) {
    fprintf(stderr, "echo_load: %s: %s\n", what, strerror(errno));
    return false;
}

/* Reads no byte behind the head: a server may speak first. */
static bool handshake(int fd) {
    char head[HEAD_ROOM];
    size_t size = 0;
    if (write(fd, request, sizeof request - 1) != (ssize_t)(sizeof request - 1)) {
        return fail_call("sending the handshake");
    }
    do {
        if (size == sizeof head - 1) {
            return fail("the answer to the handshake does not end");
        }
        ssize_t got = read(fd, head + size, 1);
        if (got <= 0) {
            return got < 0 ? fail_call("the handshake") : fail("closed in the handshake");
        }
        size++;
        head[size] = '\0';
    } while (size < 4 || memcmp(head + size - 4, "\r\n\r\n", 4) != 0);
    if (strncmp(head, "HTTP/1.1 101 ", 13) != 0 || strstr(head, accepted) == NULL) {
        return fail("the handshake was not accepted");
    }
    if (strcasestr(head, "\r\nsec-websocket-extensions:") != NULL) {
        return fail("the server wants an extension that was not offered");
    }
    return true;
}

static bool conn_open(struct load *load, struct conn *conn, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    int on = 1;
    conn->got = 0;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0 || setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        setsockopt(conn->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        connect(conn->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        return fail_call("connecting");
    }
    if (!handshake(conn->fd)) {
        return false;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    if (fcntl(conn->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(load->epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0) {
        return fail_call("watching a connection");
    }
    return true;
}

/* One message is far below what a socket takes at once while nothing else is under way. */
static bool conn_ask(const struct load *load, const struct conn *conn) {
    ssize_t wrote = write(conn->fd, load->question.bytes, load->question.size);
    return wrote == (ssize_t)load->question.size || fail_call("sending a message");
}

static bool conn_read(struct load *load, struct conn *conn) {
    unsigned char bytes[HEADER_MAX + MESSAGE_MAX];
    size_t missing = load->answer.size - conn->got;
    ssize_t got = read(conn->fd, bytes, missing);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN) {
            return true;
        }
        return got < 0 ? fail_call("reading") : fail("the server closed a connection");
    }
    if (memcmp(bytes, load->answer.bytes + conn->got, (size_t)got) != 0) {
        return fail("what came back is not what was sent");
    }
    conn->got += (size_t)got;
    if (conn->got < load->answer.size) {
        return true;
    }
    conn->got = 0;
    load->messages++;
    return conn_ask(load, conn);
}

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool load_run(struct load *load, uint64_t end) {
    struct epoll_event events[EVENTS_A_TURN];
    for (uint64_t now = now_us(); now < end; now = now_us()) {
        int ready = epoll_wait(load->epoll, events, EVENTS_A_TURN, PATIENCE_SECONDS * 1000);
        if (ready == 0) {
            return fail("the server has fallen silent");
        }
        if (ready < 0 && errno != EINTR) {
            return fail_call("waiting");
        }
        for (int i = 0; i < ready; i++) {
            if (!conn_read(load, events[i].data.ptr)) {
                return false;
            }
        }
    }
    return true;
}

static bool number_read(const char *text, unsigned long most, unsigned long *number) {
    char *end;
    errno = 0;
    *number = strtoul(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *number > 0 && *number <= most;
}

int main(int argc, char **argv) {
    static struct load load;
    static struct conn conns[CONNECTIONS_MAX];
    unsigned long port;
    unsigned long connections;
    unsigned long seconds;
    unsigned long size;
    if (argc != 5 || !number_read(argv[1], UINT16_MAX, &port) ||
        !number_read(argv[2], CONNECTIONS_MAX, &connections) ||
        !number_read(argv[3], SECONDS_MAX, &seconds) || !number_read(argv[4], MESSAGE_MAX, &size)) {
        fputs("usage: echo_load PORT CONNECTIONS SECONDS SIZE\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    frame_make(&load.question, size, true);
    frame_make(&load.answer, size, false);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned long i = 0; i < connections; i++) {
        if (!conn_open(&load, &conns[i], (uint16_t)port)) {
            return 1;
        }
    }
    uint64_t begin = now_us();
    for (unsigned long i = 0; i < connections; i++) {
        if (!conn_ask(&load, &conns[i])) {
            return 1;
        }
    }
    if (!load_run(&load, begin + (uint64_t)seconds * 1000000)) {
        return 1;
    }
    uint64_t took = now_us() - begin;
    printf("{\"requests\":%llu,\"microseconds\":%llu,\"bytes\":%llu,\"errors\":{}}\n",
           (unsigned long long)load.messages, (unsigned long long)took,
           (unsigned long long)(load.messages * load.answer.size));
    return 0;
}
