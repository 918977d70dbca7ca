/* Tests of http/server.h: how a server stops, whatever its connections are doing. */
#include "http/server.h"

#include "http/rig_test.h"

#include "base/banned.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define CLOSED    "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\nConnection: close\r\n\r\n"

enum { GRACE = 10000 };

static void stop(struct rig *rig, uint64_t grace) {
    server_stop(&rig->server, grace);
    rig_settle(rig);
}

RIG_TEST(without_connections) {
    rig_start(rig);
    CHECK_INT(rig->server.state, SERVER_SERVING);
    server_stop(&rig->server, GRACE);
    CHECK_INT(rig->server.state, SERVER_STOPPING);
    rig_settle(rig);
    CHECK_INT(rig->server.state, SERVER_STOPPED);
}

RIG_TEST(idle_connections_are_closed) {
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    rig_pass(rig, HTTP1_STOP_MS);
    stop(rig, GRACE);
    CHECK_INT(rig->peer.why, CLOSE_STOPPED);
    CHECK_INT(rig->peer.end, FAKE_FIN);
    CHECK_INT(rig->server.state, SERVER_STOPPED);
    CHECK_INT(rig->server.counters.closed[CLOSE_STOPPED], 1);
}

/* One that is in use may have a request under way, which a close would cut off. */
RIG_TEST(a_connection_in_use_has_time_for_a_last_request) {
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    rig_output(rig);
    stop(rig, GRACE);
    rig_pass(rig, HTTP1_STOP_MS - 100);
    CHECK_INT(rig->peer.why, CLOSE_NONE);
    rig_send(rig, SLICE(GET("/b")));
    CHECK_TEXT(rig_output(rig), CLOSED);
    rig_pass(rig, HTTP1_LINGER_MS + WHEEL_TICK);
    CHECK_INT(rig->server.state, SERVER_STOPPED);
}

RIG_TEST(a_connection_in_use_without_a_last_request_is_closed) {
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    stop(rig, GRACE);
    rig_pass(rig, HTTP1_STOP_MS + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_STOPPED);
    CHECK_INT(rig->peer.end, FAKE_FIN);
    CHECK_INT(rig->server.state, SERVER_STOPPED);
}

RIG_TEST(a_connection_that_has_just_come_has_time_for_its_request) {
    rig_open(rig);
    stop(rig, GRACE);
    CHECK_INT(rig->peer.why, CLOSE_NONE);
    rig_send(rig, SLICE(GET("/a")));
    CHECK_TEXT(rig_output(rig), CLOSED);
}

TEST(a_request_whose_bytes_had_arrived_is_served) {
    static struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    fake_peer_send(&rig.peer, SLICE(GET("/a")));
    server_stop(&rig.server, GRACE);
    rig_settle(&rig);
    CHECK_TEXT(rig_output(&rig), CLOSED);
    rig_end(&rig);
}

RIG_TEST(a_request_in_flight_is_finished) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a") GET("/b")));
    stop(rig, GRACE);
    CHECK_INT(rig->server.state, SERVER_STOPPING);
    rig_pass(rig, GRACE - 1000);
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), CLOSED);
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /a\n");
    rig_pass(rig, HTTP1_LINGER_MS + WHEEL_TICK);
    CHECK_INT(rig->server.state, SERVER_STOPPED);
    CHECK_INT(rig->gateway.aborts, 0);
}

RIG_TEST(a_response_that_said_keep_alive_is_finished_too) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    fake_send_head(&rig->gateway, rig->gateway.open, &rig->gateway.head);
    rig_settle(rig);
    stop(rig, GRACE);
    fake_send_body(&rig->gateway, rig->gateway.open, SLICE(""), true);
    rig_settle(rig);
    CHECK_INT(rig->peer.why, CLOSE_NONE); /* a last request may be under way */
    rig_pass(rig, HTTP1_STOP_MS + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_STOPPED);
    CHECK_INT(rig->server.state, SERVER_STOPPED);
}

RIG_TEST(at_the_deadline_a_request_in_flight_is_cut) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    fake_send_head(&rig->gateway, rig->gateway.open, &rig->gateway.head);
    stop(rig, GRACE);
    rig_pass(rig, GRACE - 1000);
    CHECK_INT(rig->peer.why, CLOSE_NONE);
    rig_pass(rig, 1000 + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_STOPPED_LATE);
    CHECK_INT(rig->peer.end, FAKE_RST);
    CHECK_INT(rig->gateway.aborts, 1);
    CHECK_INT(rig->server.state, SERVER_STOPPED);
}

/* The end of the connection ends this body: it may not come in an orderly way. */
RIG_TEST(at_the_deadline_unsent_output_is_cut) {
    rig_open(rig);
    rig->peer.window = 20;
    rig->gateway.head.content_length = -1;
    rig->gateway.body = SLICE("hello");
    rig_send(rig, SLICE("GET /a HTTP/1.0\r\n\r\n"));
    CHECK_INT(rig->gateway.answers, 1);
    stop(rig, GRACE);
    rig_pass(rig, GRACE + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_STOPPED_LATE);
    CHECK_INT(rig->peer.end, FAKE_RST);
}

RIG_TEST(a_second_stop_can_only_shorten_the_time) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    stop(rig, GRACE);
    stop(rig, 10 * GRACE);
    stop(rig, 1000);
    rig_pass(rig, 1000 + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_STOPPED_LATE);
    CHECK_INT(rig->server.state, SERVER_STOPPED);
    stop(rig, 0);
    CHECK_INT(rig->server.state, SERVER_STOPPED);
}

/* Many are cut at once and telling the gateway takes long: the server has not stopped before the
 * last has been told. */
TEST(a_server_has_stopped_when_every_gateway_has_been_told) {
    enum { COUNT = 40 };
    static struct rig rig;
    static struct fake_peer peers[COUNT];
    rig_init(&rig);
    rig.gateway.when = FAKE_NEVER;
    rig_start(&rig);
    for (int i = 0; i < COUNT; i++) {
        fake_peer_init(&peers[i]);
        rig_open_peer(&rig, &peers[i]);
        fake_peer_send(&peers[i], SLICE(GET("/a")));
        fake_peer_turn(&peers[i]);
    }
    rig_settle(&rig);
    CHECK_INT(rig.gateway.starts, COUNT);
    fake_clock.hr_step = 1000 * 1000; /* a slice of running is over after each */
    server_stop(&rig.server, 0);
    rig_pass(&rig, WHEEL_TICK);
    for (int i = 0; i < COUNT; i++) {
        fake_peer_turn(&peers[i]);
    }
    CHECK_INT(rig.server.connections, 0);
    while (rig.server.state != SERVER_STOPPED) {
        loop_turn(&rig.loop, false);
    }
    CHECK_INT(rig.gateway.aborts, COUNT);
    CHECK_INT(fake_open_jobs(&rig.gateway), 0);
    rig_end(&rig);
}

struct live {
    char names[128];
    uint64_t sum;
};

static void add_live(void *arg, const char *name, uint64_t value) {
    struct live *live = arg;
    size_t len = strlen(live->names);
    snprintf(live->names + len, sizeof(live->names) - len, "%s ", name);
    live->sum += value;
}

TEST(live_objects_are_counted) {
    static struct rig rig;
    struct live live = {.names = ""};
    rig_init(&rig);
    rig.gateway.when = FAKE_NEVER;
    rig_open(&rig);
    rig_send(&rig, SLICE(GET("/a") "more"));
    server_live(&rig.server, add_live, &live);
    CHECK(strcmp(live.names, "connections streams exchanges buffers pieces ") == 0);
    CHECK_INT(live.sum, 4); /* one of each but pieces */
    rig_end(&rig);
}
