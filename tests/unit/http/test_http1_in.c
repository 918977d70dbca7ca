/* Tests of http/http1_in.c: how bytes become requests and bodies, and the states of that way. */
#include "http/rig_test.h"

#include "base/banned.h"

#define OK_EMPTY  "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\n\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define CONTINUE  "HTTP/1.1 100 Continue\r\n\r\n"

/* --- requests --- */

RIG_TEST(keep_alive) {
    rig_open(rig);
    CHECK_INT(rig_conn(rig)->rx, RX_IDLE);
    CHECK_INT(rig_conn(rig)->tx, TX_IDLE);
    rig_send(rig, SLICE(GET("/a")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /a\n");
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    rig_send(rig, SLICE(GET("/b")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /b\n");
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    CHECK_INT(rig->server.counters.requests, 2);
    CHECK(!rig->peer.closed);
}

RIG_TEST(an_idle_connection_owns_nothing_but_itself) {
    rig_open(rig);
    CHECK_INT(rig_live(rig), 2); /* the connection and its stream */
    rig_send(rig, SLICE(GET("/a")));
    loop_sweep(&rig->loop);
    CHECK_INT(rig_live(rig), 2);
}

RIG_TEST(pipelined_requests_are_answered_in_order) {
    rig_open(rig);
    rig_send(rig,
             SLICE(GET("/a") "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                             "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "1\r\nx\r\n0\r\n\r\n" GET("/d")));
    CHECK_TEXT(fake_journal(&rig->gateway),
               "start GET /a\nstart POST /b\nstart POST /c\nstart GET /d\n");
    CHECK_TEXT(rig_output(rig), OK_EMPTY OK_EMPTY OK_EMPTY OK_EMPTY);
}

RIG_TEST(the_next_request_waits_for_the_answer) {
    rig_open(rig);
    rig->gateway.when = FAKE_NEVER;
    rig_send(rig, SLICE(GET("/a") GET("/b")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /a\n");
    CHECK_INT(rig_conn(rig)->rx, RX_DONE);
    CHECK_INT(rig_conn(rig)->tx, TX_WAIT);
    rig_settle(rig);
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /b\n");
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), OK_EMPTY OK_EMPTY);
}

/* It sends no more: nothing is there to be reset, so nothing to linger for. */
RIG_TEST(a_peer_that_said_it_would_send_no_more_is_closed_at_once) {
    rig_open(rig);
    rig_send(rig, SLICE("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    CHECK_INT(rig->peer.why, CLOSE_DONE);
    CHECK_INT(rig->peer.end, FAKE_FIN);
    CHECK(rig->peer.closed);
}

RIG_TEST(an_empty_line_before_a_request) {
    rig_open(rig);
    rig_send(rig, SLICE("\r\n" GET("/a") "\r\n" GET("/b")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /a\nstart GET /b\n");
}

/* A head larger than a buffer: it grows, and the connection goes on. */
RIG_TEST(a_large_head) {
    static uint8_t value[40000];
    rig->config.head.head = 65536;
    rig_open(rig);
    memset(value, 'v', sizeof(value));
    fake_peer_send(&rig->peer, SLICE("GET /a HTTP/1.1\r\nHost: h\r\nX: "));
    fake_peer_send(&rig->peer, slice_of(value, sizeof(value)));
    rig_send(rig, SLICE("\r\n\r\n" GET("/b")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /a\nstart GET /b\n");
    CHECK_TEXT(rig_output(rig), OK_EMPTY OK_EMPTY);
}

/* --- bodies --- */

RIG_TEST(a_body_by_length) {
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_open(rig);
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" GET("/b")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nhello|last\nstart GET /b\n|last\n");
    CHECK_TEXT(rig_output(rig), OK_EMPTY OK_EMPTY);
}

RIG_TEST(a_chunked_body_with_extension_and_trailer) {
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_open(rig);
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n" GET("/b")));
    CHECK_TEXT(fake_journal(&rig->gateway),
               "start POST /a\nhello world|last\nstart GET /b\n|last\n");
    CHECK_TEXT(rig_output(rig), OK_EMPTY OK_EMPTY);
}

RIG_TEST(nothing_is_read_that_nobody_wants) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n"));
    size_t used = rig->peer.in_used;
    CHECK_INT(rig_conn(rig)->rx, RX_BODY);
    rig_send(rig, SLICE("0123456789"));
    CHECK_INT(rig->peer.in_used, used);
    fake_want_body(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK(rig->peer.in_used > used);
    size_t once = rig->peer.in_used;
    rig_settle(rig);
    CHECK_INT(rig->peer.in_used, once); /* one piece for one wish */
    rig->gateway.pulls = true;
    rig_send(rig, SLICE("abcdefghij"));
    fake_want_body(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\n0123456789abcdefghij|last\n");
    CHECK_INT(rig_conn(rig)->rx, RX_DONE);
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
}

/* A gateway may ask where there is no body; the next request's bytes are none of it. */
RIG_TEST(a_body_is_wanted_of_a_request_without_one) {
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a") GET("/b")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /a\n|last\nstart GET /b\n|last\n");
    CHECK_TEXT(rig_output(rig), OK_EMPTY OK_EMPTY);
    CHECK_INT(rig->server.counters.refused, 0);
}

RIG_TEST(a_body_in_many_reads_while_the_answer_is_sent) {
    rig->gateway.when = FAKE_NEVER;
    rig->gateway.pulls = true;
    rig_open(rig);
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"));
    fake_send_head(&rig->gateway, rig->gateway.open, &rig->gateway.head);
    fake_send_body(&rig->gateway, rig->gateway.open, SLICE("early"), false);
    fake_want_body(&rig->gateway, rig->gateway.open);
    rig_send(rig, SLICE("0123456789"));
    CHECK_INT(rig_conn(rig)->tx, TX_BODY);
    fake_send_body(&rig->gateway, rig->gateway.open, SLICE("late"), true);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\n0123456789|last\n");
    rig_send(rig, SLICE(GET("/b")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /b\n");
}

/* --- bodies that nobody reads (RFC 9112 section 9.3) --- */

RIG_TEST(a_short_unread_body_is_drained) {
    rig_open(rig);
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel"));
    CHECK_INT(rig_conn(rig)->rx, RX_DRAIN);
    CHECK_INT(rig_conn(rig)->tx, TX_DONE);
    rig_send(rig, SLICE("lo" GET("/b")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nstart GET /b\n");
    CHECK_TEXT(rig_output(rig), OK_EMPTY OK_EMPTY);
}

RIG_TEST(a_long_unread_body_ends_the_connection_behind_the_answer) {
    rig_open(rig);
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"));
    CHECK_TEXT(rig_output(rig),
               "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK_INT(rig_conn(rig)->rx, RX_LINGER);
    CHECK_INT(rig->peer.end, FAKE_FIN);
    /* what still comes is read, so that the answer is not lost by a reset */
    size_t used = rig->peer.in_used;
    rig_send(rig, SLICE("some of it" GET("/b")));
    CHECK_INT(rig->peer.in_used, used + sizeof("some of it" GET("/b")) - 1);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\n");
    rig_pass(rig, HTTP1_LINGER_MS + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_DONE);
}

/* --- bodies that are read while the answer is made --- */

enum { LONG_BODY = 200000, LONG_PART = 10000 };

static uint8_t long_body[LONG_BODY];

#define LONG_HEAD(version, fields)                                                                 \
    "POST /a HTTP/" version "\r\nHost: h\r\n" fields "Content-Length: 200000\r\n\r\n"

/* The answer to a long body begins when `part` bytes of it have come. Gives the answer's head. */
static struct slice answer_early(struct rig *rig, struct slice head, size_t part) {
    rig->gateway.when = FAKE_NEVER;
    rig->gateway.pulls = true;
    rig->gateway.head.content_length = -1;
    rig_open(rig);
    rig_send(rig, head);
    fake_want_body(&rig->gateway, rig->gateway.open);
    rig_send(rig, slice_of(long_body, part));
    fake_send_head(&rig->gateway, rig->gateway.open, &rig->gateway.head);
    fake_send_body(&rig->gateway, rig->gateway.open, SLICE("early"), false);
    rig_settle(rig);
    return rig_output(rig);
}

static void check_read_on(struct rig *rig, size_t part) {
    CHECK_TEXT(answer_early(rig, SLICE(LONG_HEAD("1.1", "")), part),
               "HTTP/1.1 200 OK\r\n" OWN_LINES "Transfer-Encoding: chunked\r\n\r\n"
               "5\r\nearly\r\n");
    rig_send(rig, slice_of(long_body, LONG_BODY - part));
    const struct slice journal = fake_journal(&rig->gateway);
    CHECK_INT(journal.len, LONG_BODY + sizeof("start POST /a\n|last\n") - 1);
    rig_send(rig, SLICE(GET("/b"))); /* and waits */
    CHECK_TEXT(fake_journal(&rig->gateway), "");
    fake_send_body(&rig->gateway, rig->gateway.open, SLICE("late"), true);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /b\n");
    if (!CHECK(rig->gateway.open)) {
        return;
    }
    rig->gateway.head.content_length = 0;
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "4\r\nlate\r\n0\r\n\r\n" OK_EMPTY);
    CHECK_INT(rig->server.counters.requests, 2);
    CHECK_INT(rig_conn(rig)->rx, RX_IDLE);
}

RIG_TEST(a_long_body_that_is_read_while_the_answer_is_sent) {
    memset(long_body, 'x', sizeof(long_body));
    check_read_on(rig, LONG_PART);
}

RIG_TEST(a_long_body_that_is_asked_for_before_the_answer) {
    memset(long_body, 'x', sizeof(long_body));
    check_read_on(rig, 0);
}

RIG_TEST(a_long_body_that_is_read_goes_on_in_http_1_0) {
    static const struct response_field length[] = {
        {{(const uint8_t *)"Content-Length", 14}, {(const uint8_t *)"5", 1}}};
    rig->gateway.head.fields = length;
    rig->gateway.head.field_count = 1;
    CHECK_TEXT(answer_early(rig, SLICE(LONG_HEAD("1.0", "Connection: keep-alive\r\n")), LONG_PART),
               "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" OWN_LINES
               "Connection: keep-alive\r\n\r\nearly");
    fake_send_body(&rig->gateway, rig->gateway.open, SLICE(""), true);
}

/* The response ends, and with it the reading: what is left is too long to be thrown away. */
RIG_TEST(a_long_body_that_is_given_up) {
    answer_early(rig, SLICE(LONG_HEAD("1.1", "")), LONG_PART);
    fake_send_body(&rig->gateway, rig->gateway.open, SLICE(""), true);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "0\r\n\r\n");
    CHECK_INT(rig_conn(rig)->rx, RX_LINGER);
    CHECK_INT(rig->peer.end, FAKE_FIN);
    rig_send(rig, slice_of(long_body, LONG_BODY - LONG_PART));
    rig_send(rig, SLICE(GET("/b")));
    CHECK_INT(rig->gateway.starts, 1);
    CHECK_TEXT(rig_output(rig), "");
    rig_pass(rig, HTTP1_LINGER_MS + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_DONE);
}

RIG_TEST(a_body_that_is_given_up_near_its_end_is_drained) {
    size_t part = LONG_BODY - HTTP1_DRAIN_BYTES;
    answer_early(rig, SLICE(LONG_HEAD("1.1", "")), part);
    fake_send_body(&rig->gateway, rig->gateway.open, SLICE(""), true);
    rig_settle(rig);
    CHECK_INT(rig_conn(rig)->rx, RX_DRAIN);
    rig_send(rig, slice_of(long_body, LONG_BODY - part));
    rig->gateway.when = FAKE_AT_START;
    rig->gateway.head.content_length = 0;
    rig_send(rig, SLICE(GET("/b")));
    CHECK_TEXT(rig_output(rig), "0\r\n\r\n" OK_EMPTY);
    CHECK_INT(rig->gateway.starts, 2);
}

/* Who has the whole answer reads no more: the peer is told that the connection ends. */
RIG_TEST(a_whole_answer_inside_a_long_body_announces_the_end) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(LONG_HEAD("1.1", "")));
    fake_want_body(&rig->gateway, rig->gateway.open);
    rig_send(rig, slice_of(long_body, LONG_PART));
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig),
               "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK_INT(rig_conn(rig)->rx, RX_LINGER);
}

RIG_TEST(draining_a_chunked_body_has_a_bound) {
    static uint8_t bytes[0x4000];
    rig_open(rig);
    memset(bytes, 'x', sizeof(bytes));
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"));
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    for (int i = 0; i < 6 && rig_conn(rig)->rx == RX_DRAIN; i++) {
        fake_peer_send(&rig->peer, SLICE("4000\r\n"));
        fake_peer_send(&rig->peer, slice_of(bytes, sizeof(bytes)));
        rig_send(rig, SLICE("\r\n"));
    }
    CHECK_INT(rig_conn(rig)->rx, RX_LINGER);
    rig_send(rig, SLICE("0\r\n\r\n" GET("/b")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\n");
    CHECK_TEXT(rig_output(rig), "");
}

RIG_TEST(a_broken_body_that_nobody_reads_ends_the_connection) {
    rig_open(rig);
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "zz\r\n" GET("/b")));
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\n");
    CHECK_INT(rig_conn(rig)->rx, RX_LINGER);
}

RIG_TEST(lingering_has_a_bound_in_bytes) {
    static uint8_t bytes[0x8000];
    rig_open(rig);
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n"));
    rig->peer.step = SIZE_MAX;
    for (size_t sent = 0; sent <= HTTP1_LINGER_BYTES && !rig->peer.closed;) {
        rig->peer.in_len = 0;
        rig->peer.in_used = 0;
        rig_send(rig, slice_of(bytes, sizeof(bytes)));
        sent += sizeof(bytes);
    }
    CHECK(rig->peer.closed);
    CHECK_INT(rig->peer.why, CLOSE_DONE);
}

/* --- Expect: 100-continue (RFC 9110 section 10.1.1) --- */

#define EXPECTING(version)                                                                         \
    "POST /a HTTP/" version "\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"

RIG_TEST(continue_is_sent_when_the_body_is_wanted) {
    rig->gateway.when = FAKE_NEVER;
    rig->gateway.pulls = true;
    rig_open(rig);
    rig_send(rig, SLICE(EXPECTING("1.1")));
    CHECK_TEXT(rig_output(rig), "");
    fake_want_body(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), CONTINUE);
    rig_send(rig, SLICE("hi"));
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_send(rig, SLICE(GET("/b")));
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nhi|last\nstart GET /b\n");
    fake_answer(&rig->gateway, rig->gateway.open);
}

TEST(continue_is_not_sent_where_the_body_is_there_already) {
    static struct rig rig;
    rig_init(&rig);
    rig.gateway.when = FAKE_AFTER_BODY;
    rig_open(&rig);
    rig_send(&rig, SLICE(EXPECTING("1.1") "hi"));
    CHECK_TEXT(rig_output(&rig), OK_EMPTY);
    rig_end(&rig);
}

RIG_TEST(an_answer_in_place_of_continue_ends_the_connection) {
    rig_open(rig);
    rig_send(rig, SLICE(EXPECTING("1.1")));
    CHECK_TEXT(rig_output(rig),
               "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\nConnection: close\r\n\r\n");
    /* the body may come or not: whatever comes is no request */
    rig_send(rig, SLICE(GET("/b")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\n");
}

RIG_TEST(no_continue_behind_the_head_of_the_answer) {
    rig->gateway.when = FAKE_NEVER;
    rig->gateway.pulls = true;
    rig_open(rig);
    rig_send(rig, SLICE(EXPECTING("1.1")));
    fake_send_head(&rig->gateway, rig->gateway.open, &rig->gateway.head);
    fake_want_body(&rig->gateway, rig->gateway.open);
    rig_send(rig, SLICE("hi"));
    CHECK_INT(count_of(rig_output(rig), SLICE("100 Continue")), 0);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nhi|last\n");
    fake_send_body(&rig->gateway, rig->gateway.open, SLICE(""), true);
}

RIG_TEST(no_continue_to_http_1_0) {
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_open(rig);
    rig_send(rig, SLICE(EXPECTING("1.0")));
    CHECK_TEXT(rig_output(rig), "");
    rig_send(rig, SLICE("hi"));
    CHECK_INT(count_of(rig_output(rig), SLICE("100 Continue")), 0);
}

/* --- a body that is taken without an event --- */

static void take_all(struct fake_gateway *gateway, struct exchange *exchange) {
    const struct fake_job *job = exchange->job;
    while (!job->had_last && fake_take_body(gateway, exchange)) {
    }
    if (job->had_last) {
        fake_answer(gateway, exchange);
    } else {
        fake_want_body(gateway, exchange); /* and is answered by the events */
    }
}

/* Where it comes by one read, no event is needed; else they give the rest. */
RIG_TEST(a_body_that_comes_with_its_head_is_taken) {
    rig->gateway.at_start = take_all;
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_open(rig);
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                        "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "1\r\nx\r\n2\r\nyz\r\n0\r\n\r\n" GET("/c")));
    struct slice journal = fake_journal(&rig->gateway);
    CHECK_TEXT(journal, "start POST /a\nabc|last\nstart POST /b\nxyz|last\nstart GET /c\n|last\n");
    CHECK_TEXT(rig_output(rig), OK_EMPTY OK_EMPTY OK_EMPTY);
    loop_sweep(&rig->loop);
    CHECK_INT(rig_live(rig), 2);
}

RIG_TEST(nothing_is_taken_before_it_comes_or_while_it_is_wanted) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n"));
    struct exchange *exchange = rig->gateway.open;
    CHECK(!fake_take_body(&rig->gateway, exchange));
    fake_want_body(&rig->gateway, exchange);
    CHECK(!fake_take_body(&rig->gateway, exchange));
    rig->gateway.pulls = true;
    rig_send(rig, SLICE("abc"));
    CHECK(!fake_take_body(&rig->gateway, exchange));
    rig_send(rig, SLICE("def"));
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nabcdef|last\n");
    fake_answer(&rig->gateway, exchange);
}

static void take_one(struct fake_gateway *gateway, struct exchange *exchange) {
    (void)fake_take_body(gateway, exchange);
    fake_want_body(gateway, exchange);
}

RIG_TEST(a_body_that_breaks_a_rule_while_it_is_taken) {
    rig->gateway.at_start = take_one;
    rig_open(rig);
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx"));
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nabort\n");
    CHECK(begins(rig_output(rig), SLICE("HTTP/1.1 400 ")));
    CHECK_INT(rig->server.counters.refused, 1);
}
