/* HTTP/1 over real sockets: the listener's limit and its stop, and system calls that fail, each in
 * turn, in every way that they may. */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "faults.h"
#include "http/fake_gateway.h"
#include "http/http1.h"
#include "http/response.h"
#include "http/server.h"
#include "must.h"
#include "net/sockets.h"
#include "net/stream_uv.h"
#include "test.h"

#include "base/banned.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST                                                                                       \
    "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"                            \
    "3\r\nabc\r\n0\r\n\r\n"
#define LAST "GET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

enum { BODY = 3000 };

struct site {
    struct server_config config;
    struct loop loop;
    struct transport_uv uv;
    struct server server;
    struct fake_gateway gateway;
    struct sockaddr_in address;
    uint8_t out[65536];
    size_t out_len;
    enum sockets_end end;
};

static uint8_t body[BODY];

static void on_hook(void *arg) {
    (void)arg;
}

static void site_init(struct site *site) {
    faults_clear();
    signal(SIGPIPE, SIG_IGN); /* as CPython does */
    site->config = (struct server_config){
        .head = {.line = 8192, .head = 65536, .fields = 100},
        .access_log.fd = -1,
    };
    transport_uv_init(&site->uv, 4);
    site->out_len = 0;
    site->end = SOCKETS_OPEN;
    fake_gateway_init(&site->gateway);
    site->gateway.when = FAKE_AFTER_BODY;
    site->gateway.head.content_length = BODY;
    site->gateway.body = slice_of(body, BODY);
}

/* As server_init. */
static int site_listen(struct site *site, const int *fds, uint32_t count) {
    struct server_place place = {.loop = &site->loop,
                                 .transport = &site->uv.transport,
                                 .gateway = &site->gateway.gateway,
                                 .log = {on_hook, NULL}};
    return server_init(&site->server, &place, &site->config, fds, count);
}

static void site_start(struct site *site) {
    int fd = sockets_listen(&site->address);
    MUST(loop_init(&site->loop, (struct loop_hooks){on_hook, on_hook, NULL}) == 0);
    MUST(site_listen(site, &fd, 1) == 0);
}

static void add_live(void *arg, const char *name, uint64_t value) {
    (void)name;
    *(uint64_t *)arg += value;
}

static void site_end(struct site *site) {
    uint64_t live = 0;
    faults_clear();
    server_stop(&site->server, 0);
    while (site->server.state != SERVER_STOPPED) {
        loop_turn(&site->loop, true);
    }
    loop_sweep(&site->loop);
    server_live(&site->server, add_live, &live);
    CHECK_INT(live, 0);
    CHECK_INT(fake_open_jobs(&site->gateway), 0);
    loop_release(&site->loop);
    server_release(&site->server);
    transport_uv_release(&site->uv);
}

static void turns(struct site *site, int count) {
    for (int i = 0; i < count; i++) {
        loop_turn(&site->loop, false);
    }
}

static int client_of(struct site *site) {
    int fd = sockets_connect(&site->address);
    int on = 1;
    MUST(fd >= 0 && ioctl(fd, FIONBIO, &on) == 0);
    return fd;
}

/* Turns and reads until the connection has ended, or nothing more comes. */
static void read_all(struct site *site, int client) {
    for (int quiet = 0; quiet < 200 && site->end == SOCKETS_OPEN; quiet++) {
        loop_turn(&site->loop, false);
        size_t got = sockets_read(client, site->out + site->out_len,
                                  sizeof(site->out) - site->out_len, &site->end);
        site->out_len += got;
        quiet = got > 0 ? 0 : quiet;
    }
}

/* Complete responses in what was read, each of which must be right. */
static unsigned complete(struct site *site) {
    struct slice rest = slice_of(site->out, site->out_len);
    unsigned count = 0;
    while (rest.len > 0) {
        struct response response;
        ssize_t used = response_read(rest, false, site->end == SOCKETS_EOF, &response);
        CHECK(used >= 0);
        if (used <= 0) {
            break;
        }
        CHECK_INT(response.status, 200);
        CHECK_INT(response.body_len, BODY);
        count++;
        rest.at += used;
        rest.len -= (size_t)used;
    }
    return count;
}

/* Three requests on one connection with `fault` in its way; the complete answers. */
static unsigned play(enum fault_call call, struct fault fault, uint64_t *calls) {
    static struct site site;
    site_init(&site);
    site_start(&site);
    int client = client_of(&site);
    faults[call] = fault;
    MUST(write(client, GET("/a") POST LAST, sizeof(GET("/a") POST LAST) - 1) > 0);
    read_all(&site, client);
    *calls = faults[call].calls;
    unsigned count = complete(&site);
    if (!fault.error) {
        CHECK_INT(site.end, SOCKETS_EOF);
    }
    close(client);
    site_end(&site);
    return count;
}

TEST(three_requests) {
    uint64_t calls;
    CHECK_INT(play(FAULT_RECV, (struct fault){0}, &calls), 3);
    CHECK(calls > 0);
}

TEST(system_calls_that_pass_no_more_than_some_bytes) {
    const enum fault_call which[] = {FAULT_RECV, FAULT_SENDMSG};
    const size_t limits[] = {1, 7, 100};
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++) {
            uint64_t calls;
            struct fault fault = {.from = 1, .to = UINT64_MAX, .limit = limits[k]};
            CHECK_INT(play(which[i], fault, &calls), 3);
            CHECK(calls > 1);
        }
    }
}

TEST(each_system_call_fails_in_turn) {
    const enum fault_call which[] = {FAULT_RECV, FAULT_SENDMSG, FAULT_ACCEPT};
    const struct {
        int error;
        bool passes; /* by trying again */
    } rows[] = {{EINTR, true}, {EAGAIN, true}, {ECONNRESET, false}, {ENOBUFS, false}};
    for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
        for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
            if (which[i] == FAULT_ACCEPT && rows[k].error != EINTR && rows[k].error != EAGAIN) {
                continue; /* the listener rests then: tests/unit/net/test_listener.c */
            }
            uint64_t calls = 0;
            uint64_t failing = 1;
            do {
                struct fault fault = {.from = failing, .to = failing, .error = rows[k].error};
                unsigned count = play(which[i], fault, &calls);
                CHECK(count <= 3);
                CHECK(!rows[k].passes || count == 3);
            } while (failing++ < calls);
            CHECK(calls > 0);
        }
    }
}

/* --- the listener --- */

TEST(accepting_pauses_at_the_limit_of_connections) {
    static struct site site;
    int clients[4];
    site_init(&site);
    site.config.connections = 2;
    site_start(&site);
    for (int i = 0; i < 4; i++) {
        clients[i] = client_of(&site);
    }
    turns(&site, 5);
    CHECK_INT(site.server.connections, 2);
    CHECK(site.server.listeners[0].paused);
    close(clients[0]);
    turns(&site, 5);
    CHECK_INT(site.server.connections, 2);
    CHECK_INT(site.server.counters.accepted, 3);
    close(clients[1]);
    close(clients[2]);
    turns(&site, 5);
    CHECK_INT(site.server.connections, 1);
    CHECK(!site.server.listeners[0].paused);
    MUST(write(clients[3], LAST, sizeof(LAST) - 1) > 0);
    read_all(&site, clients[3]);
    CHECK_INT(complete(&site), 1);
    close(clients[3]);
    site_end(&site);
}

/* Without descriptors those who are connected are served, and one line tells of it; with the first
 * descriptor that is free again the next one is accepted. */
TEST(accepting_rests_without_descriptors) {
    static struct site site;
    site_init(&site);
    site_start(&site);
    int first = client_of(&site);
    turns(&site, 5);
    CHECK_INT(site.server.connections, 1);
    faults[FAULT_ACCEPT] = (struct fault){.from = 1, .to = 2, .error = EMFILE};
    int second = client_of(&site);
    int third = client_of(&site);
    turns(&site, 5);
    MUST(write(first, LAST, sizeof(LAST) - 1) > 0);
    read_all(&site, first);
    CHECK_INT(complete(&site), 1);
    close(first);
    turns(&site, 5); /* it tries again, and fails once more */
    CHECK_INT(faults[FAULT_ACCEPT].calls, 2);
    CHECK_INT(site.server.listeners[0].exhausted, 2);
    const struct log_line *line = log_next(&site.server.log);
    if (CHECK(line != NULL)) {
        CHECK_INT(line->level, LOG_LEVEL_ERROR);
        CHECK(strstr(line->text, "too many open files; 1 are open") != NULL);
    }
    CHECK(log_next(&site.server.log) == NULL);
    listener_resume(&site.server.listeners[0]);
    turns(&site, 5);
    CHECK_INT(site.server.connections, 2);
    close(second);
    close(third);
    site_end(&site);
}

/* Connections that the kernel has queued are served before the listener is closed. */
TEST(a_stop_serves_what_is_queued) {
    static struct site site;
    site_init(&site);
    site_start(&site);
    int busy = client_of(&site);
    int late = client_of(&site);
    MUST(write(busy, GET("/a"), sizeof(GET("/a")) - 1) > 0);
    server_stop(&site.server, 10000);
    CHECK_INT(site.server.counters.accepted, 2);
    read_all(&site, busy);
    CHECK_INT(complete(&site), 1);
    CHECK_INT(site.end, SOCKETS_EOF);
    site.out_len = 0;
    site.end = SOCKETS_OPEN;
    MUST(write(late, LAST, sizeof(LAST) - 1) > 0); /* it has come with the stop: it has time */
    read_all(&site, late);
    CHECK_INT(complete(&site), 1);
    CHECK_INT(site.end, SOCKETS_EOF);
    close(busy);
    close(late);
    while (site.server.state != SERVER_STOPPED) {
        loop_turn(&site.loop, true);
    }
    CHECK(sockets_connect(&site.address) < 0); /* the socket is closed */
    site_end(&site);
}

TEST(a_server_that_cannot_listen_leaves_nothing) {
    static struct site site;
    int fds[2];
    site_init(&site);
    MUST(loop_init(&site.loop, (struct loop_hooks){on_hook, on_hook, NULL}) == 0);
    fds[0] = sockets_listen(&site.address);
    fds[1] = -1;
    CHECK_INT(site_listen(&site, fds, 2), ERR_SYSTEM);
    CHECK_INT(close(fds[0]), 0); /* still the caller's */
    loop_release(&site.loop);
    transport_uv_release(&site.uv);
}
