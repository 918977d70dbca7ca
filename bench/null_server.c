/* The core without Python: the loop, HTTP/1 and the null gateway, on one thread.
 *
 * What it costs a request above bench/floor.c is ours; what freastal costs above it is Python's
 * and the gateway's. Run by bench/run.py as `null_server PORT SIZE`; ends by SIGTERM or SIGINT. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/null.h"
#include "http/server.h"
#include "net/loop.h"
#include "net/stream_uv.h"

#include "base/banned.h"

enum { BODY_MAX = 1 << 24, KEEP_STREAMS = 1024 };

struct null_server {
    struct loop loop;
    struct transport_uv transport;
    struct server server;
    struct null_gateway null;
    uv_signal_t term;
    uv_signal_t interrupt;
};

static void on_nothing(void *arg) {
    (void)arg;
}

static void on_signal(uv_signal_t *handle, int signum) {
    struct null_server *self = handle->data;
    (void)signum;
    uv_close((uv_handle_t *)&self->term, NULL);
    uv_close((uv_handle_t *)&self->interrupt, NULL);
    server_stop(&self->server, 0);
}

static int listen_on(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, SOMAXCONN) == 0) {
        return fd;
    }
    perror("null_server");
    return -1;
}

static bool begin(struct null_server *self, int fd, size_t size) {
    static const struct server_config config = {
        .head = {.line = 8192, .head = 65536, .fields = 100},
        .timeout_headers = 30000,
        .timeout_body = 60000,
        .timeout_keep_alive = 75000,
        .timeout_write = 60000,
        .access_log.fd = -1,
    };
    struct loop_hooks hooks = {on_nothing, on_nothing, NULL};
    struct server_place place = {.loop = &self->loop,
                                 .transport = &self->transport.transport,
                                 .gateway = &self->null.gateway,
                                 .log = {on_nothing, NULL}};
    if (loop_init(&self->loop, hooks) || null_gateway_init(&self->null, size)) {
        return false;
    }
    self->term.data = self;
    self->interrupt.data = self;
    uv_signal_init(&self->loop.uv, &self->term);
    uv_signal_init(&self->loop.uv, &self->interrupt);
    uv_signal_start(&self->term, on_signal, SIGTERM);
    uv_signal_start(&self->interrupt, on_signal, SIGINT);
    transport_uv_init(&self->transport, KEEP_STREAMS);
    return !server_init(&self->server, &place, &config, &fd, 1);
}

static bool read_number(const char *text, unsigned long most, unsigned long *number) {
    char *end;
    errno = 0;
    *number = strtoul(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *number <= most;
}

int main(int argc, char **argv) {
    static struct null_server self;
    unsigned long port;
    unsigned long size;
    if (argc != 3 || !read_number(argv[1], UINT16_MAX, &port) ||
        !read_number(argv[2], BODY_MAX, &size)) {
        fputs("usage: null_server PORT SIZE\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int fd = listen_on((uint16_t)port);
    if (fd < 0 || !begin(&self, fd, size)) {
        return 1;
    }
    while (self.server.state != SERVER_STOPPED) {
        loop_turn(&self.loop, true);
    }
    server_release(&self.server);
    transport_uv_release(&self.transport);
    loop_release(&self.loop);
    null_gateway_release(&self.null);
    close(fd);
    return 0;
}
