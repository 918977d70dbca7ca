/* Tests of http/http1_tunnel.c: the upgrade, the laws of http/tunnel.h, and how tunnels end. */
#include <sys/mman.h>
#include <unistd.h>

#include "http/fake_tunnel.h"
#include "http/rig_test.h"

#include "base/banned.h"

#define OK_EMPTY "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\n\r\n"
#define UPGRADE                                                                                    \
    "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCH(fields)                                                                             \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" fields OWN_LINES                  \
    "Connection: Upgrade\r\n\r\n"

enum { GRACE = 10000 };

#define FIELD(name, value)                                                                         \
    {                                                                                              \
        {(const uint8_t *)(name), sizeof(name) - 1}, {                                             \
            (const uint8_t *)(value), sizeof(value) - 1                                            \
        }                                                                                          \
    }

static struct fake_tunnel tunnel;

/* A request that waits for its answer, and a tunnel that it may become. */
static struct exchange *begin(struct rig *rig, struct slice request) {
    fake_tunnel_init(&tunnel, &rig->gateway);
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, request);
    fake_journal(&rig->gateway);
    return rig->gateway.open;
}

/* A tunnel, as it is when nothing has happened yet. */
static void begin_tunnel(struct rig *rig) {
    struct exchange *exchange = begin(rig, SLICE(UPGRADE));
    CHECK_INT(fake_tunnel_upgrade(&tunnel, exchange, NULL, 0), 0);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), SWITCH(""));
}

/* --- the upgrade --- */

static void at_start_upgrade(struct fake_gateway *gateway, struct exchange *exchange) {
    (void)gateway;
    CHECK_INT(fake_tunnel_upgrade(&tunnel, exchange, NULL, 0), 0);
}

static void check_small(struct rig *rig) {
    CHECK_INT(rig_conn(rig)->rx, RX_TUNNEL);
    CHECK_INT(rig_conn(rig)->tx, TX_TUNNEL);
    CHECK_INT(rig->server.counters.requests, 1);
    loop_sweep(&rig->loop);
    CHECK_INT(rig_live(rig), 2); /* the connection and its stream */
}

RIG_TEST(inside_of_start) {
    rig->gateway.at_start = at_start_upgrade;
    begin(rig, SLICE(UPGRADE));
    CHECK_TEXT(rig_output(rig), SWITCH(""));
    check_small(rig);
}

RIG_TEST(between_turns_with_fields) {
    static const struct response_field fields[] = {
        FIELD("Sec-WebSocket-Accept", "x="),
        FIELD("Connection", "close"),
        FIELD("Content-Length", "3"),
        FIELD("Transfer-Encoding", "chunked"),
        FIELD("Upgrade", "h2c"),
        FIELD("Set-Cookie", "a=b"),
        FIELD("Trailer", "X"),
    };
    struct exchange *exchange = begin(rig, SLICE(UPGRADE));
    CHECK_INT(fake_tunnel_upgrade(&tunnel, exchange, fields, 7), 0);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), SWITCH("Sec-WebSocket-Accept: x=\r\nSet-Cookie: a=b\r\n"));
    check_small(rig);
}

RIG_TEST(behind_an_interim_response) {
    struct exchange *exchange = begin(rig, SLICE(UPGRADE));
    fake_send_info(&rig->gateway, exchange, 103, NULL, 0);
    CHECK_INT(fake_tunnel_upgrade(&tunnel, exchange, NULL, 0), 0);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 103 Early Hints\r\n\r\n" SWITCH(""));
}

RIG_TEST(a_switch_that_breaks_a_rule) {
    static const struct response_field name[] = {FIELD("a b", "c")};
    static const struct response_field value[] = {FIELD("a", "b\r\nc: d")};
    struct exchange *exchange = begin(rig, SLICE(UPGRADE));
    CHECK_INT(fake_tunnel_upgrade(&tunnel, exchange, name, 1), ERR_RESPONSE_NAME);
    CHECK_INT(fake_tunnel_upgrade(&tunnel, exchange, value, 1), ERR_RESPONSE_VALUE);
    CHECK(tunnel.tunnel.carrier == NULL);
    fake_answer(&rig->gateway, exchange);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    CHECK_INT(rig->peer.end, FAKE_OPEN);
}

RIG_TEST(behind_a_head) {
    struct exchange *exchange = begin(rig, SLICE(UPGRADE));
    fake_send_head(&rig->gateway, exchange, &rig->gateway.head);
    CHECK_INT(fake_tunnel_upgrade(&tunnel, exchange, NULL, 0), ERR_ORDER);
    fake_send_body(&rig->gateway, exchange, SLICE(""), true);
}

/* RFC 9110 section 7.8. */
TEST(whoever_did_not_ask_for_it) {
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Content-Length: 3\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        static struct rig rig;
        rig_init(&rig);
        struct exchange *exchange = begin(&rig, slice_of(requests[i], strlen(requests[i])));
        if (!CHECK_INT(fake_tunnel_upgrade(&tunnel, exchange, NULL, 0), ERR_ORDER)) {
            fprintf(stderr, "  (row %zu)\n", i);
        }
        fake_reset(&rig.gateway, exchange);
        rig_end(&rig);
    }
}

RIG_TEST(a_body_that_has_been_read) {
    struct exchange *exchange = begin(rig, SLICE("POST / HTTP/1.1\r\nHost: h\r\n"
                                                 "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                                                 "Content-Length: 3\r\n\r\n"));
    rig->gateway.pulls = true;
    fake_want_body(&rig->gateway, exchange);
    rig_send(rig, SLICE("abc"));
    CHECK_INT(fake_tunnel_upgrade(&tunnel, exchange, NULL, 0), 0);
    fake_tunnel_read(&tunnel, true);
    rig_send(rig, SLICE("def"));
    CHECK_TEXT(fake_journal(&rig->gateway), "abc|last\ndef");
}

TEST(the_access_log_has_the_switch) {
    static struct rig rig;
    char line[512];
    int fd = memfd_create("log", MFD_CLOEXEC);
    rig_init(&rig);
    rig.config.access_log.fd = fd;
    begin_tunnel(&rig);
    fake_tunnel_finish(&tunnel);
    rig_end(&rig);
    ssize_t len = pread(fd, line, sizeof(line), 0);
    if (CHECK(len > 0)) {
        CHECK_INT(count_of(slice_of(line, (size_t)len), SLICE("\"GET /ws HTTP/1.1\" 101 ")), 1);
        CHECK_INT(count_of(slice_of(line, (size_t)len), SLICE("\n")), 1);
    }
    close(fd);
}

RIG_TEST(a_connection_that_goes_before_the_upgrade_is_settled) {
    struct exchange *exchange = begin(rig, SLICE(UPGRADE));
    fake_tunnel_upgrade(&tunnel, exchange, NULL, 0);
    rig->peer.resets = true;
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "closed\n");
    CHECK_INT(tunnel.why, CLOSE_PEER_RESET);
    CHECK_INT(rig->server.counters.requests, 1);
}

/* --- bytes --- */

RIG_TEST(bytes_both_ways) {
    begin_tunnel(rig);
    fake_tunnel_read(&tunnel, true);
    rig_send(rig, SLICE("hello"));
    CHECK_TEXT(fake_journal(&rig->gateway), "hello");
    fake_tunnel_write(&tunnel, SLICE("wor"));
    fake_tunnel_write(&tunnel, SLICE("ld"));
    CHECK_INT(tunnel_unsent(&tunnel.tunnel), 5);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "world");
    CHECK_INT(tunnel_unsent(&tunnel.tunnel), 0);
}

RIG_TEST(a_tunnel_starts_stopped) {
    begin_tunnel(rig);
    size_t used = rig->peer.in_used;
    rig_send(rig, SLICE("one"));
    CHECK_INT(rig->peer.in_used, used);
    fake_tunnel_read(&tunnel, true);
    rig_settle(rig);
    fake_tunnel_read(&tunnel, false);
    rig_send(rig, SLICE("two"));
    CHECK_TEXT(fake_journal(&rig->gateway), "one");
    fake_tunnel_read(&tunnel, true);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "two");
}

/* What had come behind the request is first, whatever comes meanwhile. */
RIG_TEST(bytes_from_before_the_upgrade) {
    rig->gateway.watches = true;
    struct exchange *exchange = begin(rig, SLICE(UPGRADE "early"));
    fake_tunnel_upgrade(&tunnel, exchange, NULL, 0);
    fake_tunnel_read(&tunnel, true);
    rig_send(rig, SLICE("later"));
    CHECK_TEXT(fake_journal(&rig->gateway), "earlylater");
    loop_sweep(&rig->loop);
    CHECK_INT(rig_live(rig), 2);
}

RIG_TEST(bytes_from_before_the_upgrade_wait) {
    rig->gateway.watches = true;
    struct exchange *exchange = begin(rig, SLICE(UPGRADE "early"));
    fake_tunnel_upgrade(&tunnel, exchange, NULL, 0);
    rig_send(rig, SLICE("later"));
    CHECK_TEXT(fake_journal(&rig->gateway), "");
    fake_tunnel_read(&tunnel, true);
    fake_tunnel_read(&tunnel, false);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "");
    fake_tunnel_read(&tunnel, true);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "earlylater");
}

static void at_start_read(struct fake_gateway *gateway, struct exchange *exchange) {
    at_start_upgrade(gateway, exchange);
    fake_tunnel_read(&tunnel, true);
}

RIG_TEST(bytes_that_came_with_the_request) {
    rig->gateway.at_start = at_start_read;
    fake_tunnel_init(&tunnel, &rig->gateway);
    rig_open(rig);
    rig_send(rig, SLICE(UPGRADE "early"));
    rig_send(rig, SLICE("later"));
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /ws\nearlylater");
}

RIG_TEST(drained_comes_once_for_each_wish) {
    static uint8_t bytes[STREAM_LOW_WATER + 1000];
    begin_tunnel(rig);
    rig->peer.window = 999;
    fake_tunnel_write(&tunnel, slice_of(bytes, sizeof(bytes)));
    fake_tunnel_want_drained(&tunnel);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "");
    fake_peer_open_window(&rig->peer, 2);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "drained\n");
    fake_peer_open_window(&rig->peer, SIZE_MAX / 2);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "");
}

/* The fake owner watches it. */
RIG_TEST(a_wish_of_the_exchange_is_not_told_to_the_tunnel) {
    struct exchange *exchange = begin(rig, SLICE(UPGRADE));
    rig->peer.window = 0;
    fake_want_drained(&rig->gateway, exchange);
    fake_tunnel_upgrade(&tunnel, exchange, NULL, 0);
    rig_settle(rig);
    fake_peer_open_window(&rig->peer, SIZE_MAX / 2);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "");
}

/* --- how it ends --- */

RIG_TEST(the_peer_ends_first) {
    begin_tunnel(rig);
    fake_tunnel_read(&tunnel, true);
    fake_peer_send(&rig->peer, SLICE("bye"));
    rig->peer.half_closes = true;
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "bye|eof\n");
    CHECK_INT(rig->peer.end, FAKE_OPEN);
    fake_tunnel_write(&tunnel, SLICE("last"));
    fake_tunnel_finish(&tunnel);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "last");
    CHECK_TEXT(fake_journal(&rig->gateway), "closed\n");
    CHECK_INT(tunnel.why, CLOSE_WEBSOCKET);
}

RIG_TEST(its_owner_ends_first) {
    begin_tunnel(rig);
    fake_tunnel_read(&tunnel, true);
    rig->peer.window = 2;
    fake_tunnel_write(&tunnel, SLICE("last"));
    fake_tunnel_finish(&tunnel);
    fake_tunnel_write(&tunnel, SLICE("too late"));
    rig_send(rig, SLICE("thrown away"));
    CHECK_INT(rig->peer.end, FAKE_OPEN);
    fake_peer_open_window(&rig->peer, 100);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "last");
    CHECK_INT(rig->peer.end, FAKE_FIN);
    CHECK_INT(rig->peer.why, CLOSE_NONE);
    CHECK_INT(rig->peer.in_used, rig->peer.in_len);
    rig->peer.half_closes = true;
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "closed\n");
    CHECK_INT(tunnel.why, CLOSE_WEBSOCKET);
}

RIG_TEST(a_peer_that_does_not_end) {
    begin_tunnel(rig);
    fake_tunnel_finish(&tunnel);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "");
    rig_pass(rig, HTTP1_LINGER_MS + WHEEL_TICK);
    CHECK_TEXT(fake_journal(&rig->gateway), "closed\n");
    CHECK_INT(tunnel.why, CLOSE_WEBSOCKET);
}

RIG_TEST(closed_at_once) {
    begin_tunnel(rig);
    fake_tunnel_read(&tunnel, true);
    fake_tunnel_want_drained(&tunnel);
    fake_tunnel_close(&tunnel, CLOSE_PING_TIMEOUT);
    fake_tunnel_close(&tunnel, CLOSE_DONE); /* the first reason stays */
    fake_tunnel_finish(&tunnel);
    fake_tunnel_write(&tunnel, SLICE("too late"));
    rig_send(rig, SLICE("too late"));
    CHECK_TEXT(fake_journal(&rig->gateway), "closed\n");
    CHECK_INT(tunnel.why, CLOSE_PING_TIMEOUT);
    CHECK_TEXT(rig_output(rig), "");
    CHECK_INT(rig->server.counters.closed[CLOSE_PING_TIMEOUT], 1);
}

RIG_TEST(closed_while_it_lingers) {
    begin_tunnel(rig);
    rig->peer.window = 0;
    fake_tunnel_write(&tunnel, SLICE("last"));
    fake_tunnel_finish(&tunnel);
    rig_settle(rig);
    fake_tunnel_close(&tunnel, CLOSE_PING_TIMEOUT);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "closed\n");
    CHECK_INT(tunnel.why, CLOSE_PING_TIMEOUT);
}

/* What had come before is not told behind a close. */
RIG_TEST(closed_with_bytes_from_before_the_upgrade) {
    rig->gateway.watches = true;
    struct exchange *exchange = begin(rig, SLICE(UPGRADE "early"));
    fake_tunnel_upgrade(&tunnel, exchange, NULL, 0);
    rig_turn(rig);
    fake_tunnel_read(&tunnel, true);
    fake_tunnel_close(&tunnel, CLOSE_PING_TIMEOUT);
    loop_turn(&rig->loop, false); /* a run beat before the stream says that it is closed */
    CHECK_TEXT(fake_journal(&rig->gateway), "");
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "closed\n");
}

static void at_start_finish(struct fake_gateway *gateway, struct exchange *exchange) {
    at_start_read(gateway, exchange);
    fake_tunnel_write(&tunnel, SLICE("last"));
    fake_tunnel_finish(&tunnel);
}

static void at_start_close(struct fake_gateway *gateway, struct exchange *exchange) {
    at_start_read(gateway, exchange);
    fake_tunnel_close(&tunnel, CLOSE_PING_TIMEOUT);
}

RIG_TEST(finished_inside_of_start) {
    rig->gateway.at_start = at_start_finish;
    begin(rig, SLICE(UPGRADE "early"));
    CHECK_TEXT(rig_output(rig), SWITCH("") "last");
    CHECK_INT(rig->server.exchange_slab.live, 0);
    rig_pass(rig, HTTP1_LINGER_MS + WHEEL_TICK);
    CHECK_TEXT(fake_journal(&rig->gateway), "closed\n");
}

RIG_TEST(closed_inside_of_start) {
    rig->gateway.at_start = at_start_close;
    begin(rig, SLICE(UPGRADE "early"));
    CHECK_INT(tunnel.why, CLOSE_PING_TIMEOUT);
    CHECK_TEXT(rig_output(rig), "");
    CHECK_INT(rig->server.counters.requests, 1);
    CHECK_INT(rig_live(rig), 0);
}

RIG_TEST(the_peer_resets_it) {
    begin_tunnel(rig);
    rig->peer.resets = true;
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "closed\n");
    CHECK_INT(tunnel.why, CLOSE_PEER_RESET);
}

/* --- time --- */

RIG_TEST(no_time_out_of_http_holds) {
    rig->config.timeout_headers = 1000;
    rig->config.timeout_keep_alive = 1000;
    rig->config.timeout_body = 1000;
    rig->config.timeout_write = 1000;
    begin_tunnel(rig);
    for (int i = 0; i < 100; i++) {
        rig_pass(rig, 1000);
    }
    CHECK_INT(rig->peer.why, CLOSE_NONE);
}

RIG_TEST(a_peer_that_does_not_read) {
    rig->config.timeout_write = 60000;
    begin_tunnel(rig);
    rig->peer.window = 0;
    fake_tunnel_write(&tunnel, SLICE("hello"));
    rig_pass(rig, 59000);
    CHECK_INT(rig->peer.why, CLOSE_NONE);
    rig_pass(rig, 1000 + WHEEL_TICK);
    CHECK_INT(tunnel.why, CLOSE_WRITE_TIMEOUT);
}

/* --- the server stops --- */

RIG_TEST(a_tunnel_is_told_and_can_end_in_order) {
    begin_tunnel(rig);
    server_stop(&rig->server, GRACE);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "stopping\n");
    CHECK_INT(rig->server.state, SERVER_STOPPING);
    fake_tunnel_write(&tunnel, SLICE("bye"));
    fake_tunnel_finish(&tunnel);
    rig->peer.half_closes = true;
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "bye");
    CHECK_INT(tunnel.why, CLOSE_WEBSOCKET);
    CHECK_INT(rig->server.state, SERVER_STOPPED);
}

RIG_TEST(at_the_deadline_a_tunnel_is_closed) {
    begin_tunnel(rig);
    server_stop(&rig->server, GRACE);
    rig_settle(rig);
    rig_pass(rig, GRACE + WHEEL_TICK);
    CHECK_TEXT(fake_journal(&rig->gateway), "stopping\nclosed\n");
    CHECK_INT(tunnel.why, CLOSE_STOPPED);
    CHECK_INT(rig->server.state, SERVER_STOPPED);
}

RIG_TEST(at_the_deadline_a_tunnel_with_output_is_cut) {
    begin_tunnel(rig);
    rig->peer.window = 0;
    fake_tunnel_write(&tunnel, SLICE("bye"));
    server_stop(&rig->server, GRACE);
    rig_pass(rig, GRACE + WHEEL_TICK);
    CHECK_INT(tunnel.why, CLOSE_STOPPED_LATE);
}

/* Whenever the stop comes: it is told once. */
RIG_TEST(a_stop_before_the_upgrade_is_settled) {
    struct exchange *exchange = begin(rig, SLICE(UPGRADE));
    server_stop(&rig->server, GRACE);
    fake_tunnel_upgrade(&tunnel, exchange, NULL, 0);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "stopping\n");
}

RIG_TEST(a_stop_before_the_upgrade) {
    struct exchange *exchange = begin(rig, SLICE(UPGRADE));
    server_stop(&rig->server, GRACE);
    rig_settle(rig);
    fake_tunnel_upgrade(&tunnel, exchange, NULL, 0);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "stopping\n");
}

RIG_TEST(a_tunnel_that_was_closed_is_not_told) {
    begin_tunnel(rig);
    server_stop(&rig->server, GRACE);
    fake_tunnel_close(&tunnel, CLOSE_PING_TIMEOUT);
    loop_turn(&rig->loop, false);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "closed\n");
}
