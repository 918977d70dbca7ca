/* Tests of the time-outs of a connection, on a clock that only the tests move. */
#include "http/response.h"
#include "http/rig_test.h"

#include "base/banned.h"

#define OK_EMPTY     "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\n\r\n"
#define GET(path)    "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST(length) "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: " length "\r\n\r\n"

/* Time goes on up to `ms`, in steps of a tick. */
static void pass(struct rig *rig, uint64_t ms) {
    for (uint64_t passed = 0; passed < ms; passed += WHEEL_TICK) {
        rig_pass(rig, WHEEL_TICK);
    }
}

static bool refused_408(struct rig *rig) {
    struct response response;
    struct slice output = rig_output(rig);
    return response_read(output, false, true, &response) == (ssize_t)output.len &&
           response.status == 408;
}

RIG_TEST(nothing_sent_after_accept) {
    rig->config.timeout_headers = 30000;
    rig_open(rig);
    pass(rig, 29000);
    CHECK_INT(rig->peer.end, FAKE_OPEN);
    pass(rig, 1500);
    CHECK(refused_408(rig));
    CHECK_INT(rig->peer.end, FAKE_FIN);
    pass(rig, HTTP1_LINGER_MS + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_HEAD_TIMEOUT);
}

/* From accept to the whole head: a byte now and then gains nothing. */
RIG_TEST(a_head_that_comes_slowly) {
    rig->config.timeout_headers = 30000;
    rig_open(rig);
    for (int i = 0; i < 29; i++) {
        rig_send(rig, i == 0 ? SLICE("GET / HTTP/1.1\r\nHost: h\r\nX: ") : SLICE("x"));
        pass(rig, 1000);
    }
    CHECK_INT(rig->peer.end, FAKE_OPEN);
    pass(rig, 1500);
    CHECK(refused_408(rig));
}

RIG_TEST(a_later_head_has_its_own_time) {
    rig->config.timeout_headers = 30000;
    rig->config.timeout_keep_alive = 75000;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    pass(rig, 70000);
    rig_send(rig, SLICE("GET /b HTT"));
    pass(rig, 29000);
    rig_send(rig, SLICE("P/1.1\r\n"));
    CHECK_INT(rig->peer.end, FAKE_OPEN);
    pass(rig, 1500);
    CHECK(refused_408(rig));
    CHECK_INT(rig->gateway.starts, 1);
}

RIG_TEST(idle_between_requests) {
    rig->config.timeout_headers = 30000;
    rig->config.timeout_keep_alive = 5000;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    pass(rig, 4500);
    rig_send(rig, SLICE(GET("/b")));
    pass(rig, 4500);
    CHECK_INT(rig->gateway.starts, 2);
    CHECK_INT(rig->peer.why, CLOSE_NONE);
    pass(rig, 1000);
    CHECK_INT(rig->peer.why, CLOSE_IDLE_TIMEOUT);
    CHECK_INT(rig->peer.end, FAKE_FIN);
    CHECK_TEXT(rig_output(rig), OK_EMPTY OK_EMPTY);
}

RIG_TEST(a_wanted_body_without_progress) {
    rig->config.timeout_body = 60000;
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_open(rig);
    rig_send(rig, SLICE(POST("9")));
    for (int i = 0; i < 4; i++) {
        pass(rig, 59000);
        rig_send(rig, SLICE("x"));
        CHECK_INT(rig->peer.end, FAKE_OPEN);
    }
    pass(rig, 61000);
    CHECK(refused_408(rig));
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nxxxxabort\n");
    pass(rig, HTTP1_LINGER_MS + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_BODY_TIMEOUT);
}

RIG_TEST(a_wanted_body_without_progress_behind_the_head_of_the_answer) {
    rig->config.timeout_body = 60000;
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(POST("9")));
    fake_send_head(&rig->gateway, rig->gateway.open, &rig->gateway.head);
    fake_want_body(&rig->gateway, rig->gateway.open);
    pass(rig, 61000);
    CHECK_INT(rig->peer.end, FAKE_RST);
    CHECK_INT(rig->gateway.aborts, 1);
}

/* The time of a body counts while the gateway wants it, not while it works. */
RIG_TEST(a_body_that_nobody_wants_is_not_timed) {
    rig->config.timeout_body = 60000;
    rig->config.timeout_headers = 30000;
    rig->config.timeout_keep_alive = 5000;
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(POST("9")));
    pass(rig, 200000);
    CHECK_INT(rig->peer.end, FAKE_OPEN);
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
}

RIG_TEST(draining_has_a_time) {
    rig_open(rig);
    rig_send(rig, SLICE(POST("9") "half"));
    CHECK_INT(rig_conn(rig)->rx, RX_DRAIN);
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    pass(rig, HTTP1_DRAIN_MS + WHEEL_TICK);
    CHECK_INT(rig_conn(rig)->rx, RX_LINGER);
    CHECK_TEXT(rig_output(rig), "");
    pass(rig, HTTP1_LINGER_MS + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_BODY_TIMEOUT);
}

/* --- output that the peer does not take --- */

static uint8_t body_bytes[300000];

static void send_large(struct rig *rig, struct slice request, size_t window) {
    rig->gateway.head.content_length = sizeof(body_bytes);
    rig->gateway.body = slice_of(body_bytes, sizeof(body_bytes));
    rig_open(rig);
    rig->peer.window = window;
    rig_send(rig, request);
}

RIG_TEST(a_peer_that_does_not_read) {
    rig->config.timeout_write = 60000;
    send_large(rig, SLICE(GET("/")), 1000);
    pass(rig, 59000);
    CHECK_INT(rig->peer.why, CLOSE_NONE);
    fake_peer_open_window(&rig->peer, 1); /* progress, however little */
    pass(rig, 59000);
    CHECK_INT(rig->peer.why, CLOSE_NONE);
    pass(rig, 1500);
    CHECK_INT(rig->peer.why, CLOSE_WRITE_TIMEOUT);
    CHECK_INT(rig->peer.end, FAKE_RST);
}

/* The gateway waits for room: whatever waits is timed. */
RIG_TEST(a_gateway_that_waits_for_a_peer_that_does_not_read) {
    rig->config.timeout_write = 60000;
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig->peer.window = 0;
    rig_send(rig, SLICE(GET("/a") GET("/b")));
    rig->gateway.head.content_length = sizeof(body_bytes);
    rig->gateway.body = slice_of(body_bytes, 100000);
    rig->gateway.head.content_length = 100000;
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_INT(rig->gateway.starts, 2);
    fake_send_head(&rig->gateway, rig->gateway.open, &rig->gateway.head);
    fake_want_drained(&rig->gateway, rig->gateway.open);
    pass(rig, 61000);
    CHECK_INT(rig->peer.why, CLOSE_WRITE_TIMEOUT);
    CHECK_INT(rig->gateway.aborts, 1);
}

RIG_TEST(pipelined_requests_that_wait_for_a_peer_that_does_not_read) {
    rig->config.timeout_write = 60000;
    rig->config.timeout_headers = 1000;
    send_large(rig, SLICE(GET("/a") GET("/b") GET("/c")), SIZE_MAX);
    CHECK_INT(rig->gateway.starts, 3);
    pass(rig, 2000); /* the timer that accepting set has come and gone */
    rig->peer.window = 0;
    fake_peer_send(&rig->peer, SLICE(GET("/d") GET("/e") GET("/f")));
    rig_settle(rig);
    CHECK(rig->gateway.starts < 6);
    pass(rig, 61000);
    CHECK_INT(rig->peer.why, CLOSE_WRITE_TIMEOUT);
}

/* A slow reader loses nothing by time-outs that are about other things. */
static void check_slow_reader(struct rig *rig, struct slice request) {
    rig->config.timeout_write = 60000;
    rig->config.timeout_keep_alive = 5000;
    send_large(rig, request, 0);
    for (size_t sent = 0; sent <= sizeof(body_bytes) + 1000 && !rig->peer.closed; sent += 20000) {
        pass(rig, 30000);
        fake_peer_open_window(&rig->peer, 20000);
        rig_settle(rig);
    }
    struct response response;
    struct slice output = rig_output(rig);
    bool orderly = rig->peer.end != FAKE_RST;
    CHECK_INT(response_read(output, false, orderly, &response), output.len);
    CHECK_INT(response.body_len, sizeof(body_bytes));
    CHECK(orderly);
}

RIG_TEST(a_slow_reader_on_a_connection_that_goes_on) {
    check_slow_reader(rig, SLICE(GET("/")));
}

RIG_TEST(a_slow_reader_on_a_connection_that_ends) {
    check_slow_reader(rig, SLICE("GET / HTTP/1.0\r\n\r\n"));
}

RIG_TEST(a_slow_reader_on_a_connection_that_lingers) {
    check_slow_reader(rig, SLICE(POST("1000000")));
}

/* It sends for ever and reads slowly: what it sends waits, what it reads arrives. */
RIG_TEST(a_slow_reader_that_floods_a_connection_that_lingers) {
    static uint8_t flood[0x8000];
    rig->config.timeout_write = 60000;
    send_large(rig, SLICE(POST("100000000")), 0);
    rig->peer.step = SIZE_MAX;
    size_t sent = 0;
    while (sent <= 2 * HTTP1_LINGER_BYTES && rig->peer.in_used == rig->peer.in_len) {
        rig->peer.in_len = 0;
        rig->peer.in_used = 0;
        rig_send(rig, slice_of(flood, sizeof(flood)));
        sent += sizeof(flood);
    }
    CHECK(sent <= 2 * HTTP1_LINGER_BYTES); /* it was stopped */
    CHECK_INT(rig->peer.why, CLOSE_NONE);
    fake_peer_open_window(&rig->peer, SIZE_MAX - 1);
    rig_settle(rig);
    struct response response;
    struct slice output = rig_output(rig);
    CHECK_INT(response_read(output, false, false, &response), output.len);
    pass(rig, 2 * HTTP1_LINGER_MS + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_DONE);
}

/* --- none --- */

RIG_TEST(zero_turns_a_time_out_off) {
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_open(rig);
    pass(rig, 1000000);
    rig_send(rig, SLICE(POST("3")));
    pass(rig, 1000000);
    rig->peer.window = 0;
    rig_send(rig, SLICE("abc"));
    pass(rig, 1000000);
    fake_peer_open_window(&rig->peer, SIZE_MAX - 1);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nabc|last\n");
    pass(rig, 1000000);
    CHECK_INT(rig->peer.end, FAKE_OPEN);
    CHECK_INT(count_of(rig_output(rig), SLICE("200 OK")), 1);
}

RIG_TEST(the_date_follows_the_clock) {
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    fake_clock.unix_time = 784111777; /* the example of RFC 9110 section 5.6.7 */
    rig_pass(rig, 1000);
    rig_send(rig, SLICE(GET("/b")));
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 200 OK\r\nServer: freastal\r\n"
                                "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                "Content-Length: 0\r\n\r\n");
}
