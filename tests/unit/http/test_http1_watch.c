/* Tests of exchange_want_abort over HTTP/1: a peer's going is told at once, what it sends behind
 * its request waits within bounds, and nothing is read that was not read before. */
#include "http/response.h"
#include "http/rig_test.h"

#include "base/banned.h"

#define OK_EMPTY  "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\n\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST6     "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n"

/* A request whose answer is made, and watched. */
static struct exchange *watched(struct rig *rig, struct slice request) {
    rig->gateway.when = FAKE_NEVER;
    rig->gateway.watches = true;
    rig_open(rig);
    rig_send(rig, request);
    return rig->gateway.open;
}

static void half_close(struct rig *rig) {
    rig->peer.half_closes = true;
    rig_settle(rig);
}

RIG_TEST(an_end_is_told_at_once) {
    watched(rig, SLICE(GET("/a")));
    half_close(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /a\nabort\n");
    CHECK_INT(rig->peer.why, CLOSE_PEER_EOF);
    CHECK(rig->peer.closed);
    CHECK_TEXT(rig_output(rig), "");
    CHECK_INT(rig->server.counters.requests, 0);
}

RIG_TEST(a_reset_is_told_at_once) {
    watched(rig, SLICE(GET("/a")));
    rig->peer.resets = true;
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /a\nabort\n");
    CHECK_INT(rig->peer.why, CLOSE_PEER_RESET);
}

RIG_TEST(whoever_does_not_watch_can_still_answer) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    half_close(rig);
    CHECK_INT(rig->gateway.aborts, 0);
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    CHECK_INT(rig->peer.why, CLOSE_PEER_EOF);
}

RIG_TEST(a_watch_can_begin_late) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    half_close(rig);
    CHECK_INT(rig->gateway.aborts, 0);
    fake_want_abort(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_INT(rig->gateway.aborts, 1);
}

struct begun_row {
    const char *request;
    int64_t length;
    enum fake_end end;
    enum close_why why;
};

/* A peer that sends no more may still read: it must not take a part for the whole. */
TEST(an_end_inside_of_the_response) {
    static const struct begun_row rows[] = {
        {GET("/"), 10, FAKE_FIN, CLOSE_PEER_EOF},
        {GET("/"), -1, FAKE_FIN, CLOSE_PEER_EOF},
        {"GET / HTTP/1.0\r\n\r\n", -1, FAKE_RST, CLOSE_CUT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct rig rig;
        struct response response;
        rig_init(&rig);
        rig.gateway.head.content_length = rows[i].length;
        struct exchange *exchange =
            watched(&rig, slice_of(rows[i].request, strlen(rows[i].request)));
        fake_send_head(&rig.gateway, exchange, &rig.gateway.head);
        fake_send_body(&rig.gateway, exchange, SLICE("abc"), false);
        half_close(&rig);
        CHECK_INT(rig.gateway.aborts, 1);
        CHECK_INT(rig.peer.end, rows[i].end);
        CHECK_INT(rig.peer.why, rows[i].why);
        CHECK_INT(response_read(rig_output(&rig), false, rig.peer.end == FAKE_FIN, &response), 0);
        rig_end(&rig);
    }
}

/* The last byte was on the stream before the end came. */
RIG_TEST(an_end_behind_the_response) {
    struct exchange *exchange = watched(rig, SLICE(GET("/a")));
    rig->peer.half_closes = true;
    fake_answer(&rig->gateway, exchange);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /a\n");
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    CHECK_INT(rig->server.counters.requests, 1);
    CHECK(rig->peer.closed); /* nothing to linger for */
    CHECK_INT(rig->peer.why, CLOSE_DONE);
}

RIG_TEST(a_reset_behind_the_response_that_is_not_settled) {
    struct exchange *exchange = watched(rig, SLICE(GET("/a")));
    fake_answer(&rig->gateway, exchange);
    rig->peer.resets = true;
    rig_settle(rig);
    CHECK_INT(rig->gateway.aborts, 0);
    CHECK_INT(rig->server.counters.requests, 1);
}

RIG_TEST(later_requests_are_kept) {
    struct exchange *exchange = watched(rig, SLICE(GET("/a")));
    rig_send(rig, SLICE(GET("/b") GET("/c") "GET /d HT"));
    CHECK_INT(rig->peer.in_used, rig->peer.in_len);
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /a\n");
    rig->gateway.when = FAKE_AT_START;
    fake_answer(&rig->gateway, exchange);
    rig_settle(rig);
    rig_send(rig, SLICE("TP/1.1\r\nHost: h\r\n\r\n"));
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /b\nstart GET /c\nstart GET /d\n");
    CHECK_TEXT(rig_output(rig), OK_EMPTY OK_EMPTY OK_EMPTY OK_EMPTY);
}

RIG_TEST(what_is_kept_is_bounded) {
    enum { COUNT = 1500 };
    struct exchange *exchange = watched(rig, SLICE(GET("/a")));
    size_t used = rig->peer.in_used;
    for (int i = 0; i < COUNT; i++) {
        fake_peer_send(&rig->peer, SLICE(GET("/b")));
    }
    half_close(rig);
    CHECK(rig->peer.in_used - used >= HTTP1_WATCH_BYTES);
    CHECK(rig->peer.in_used - used < HTTP1_WATCH_BYTES + BUF_SIZE);
    CHECK_INT(rig->gateway.aborts, 0); /* the end waits behind what was not read */
    rig->gateway.when = FAKE_AT_START;
    fake_answer(&rig->gateway, exchange);
    rig_settle(rig);
    CHECK_INT(rig->gateway.answers, COUNT + 1);
    CHECK_INT(count_of(rig_output(rig), SLICE("200 OK")), COUNT + 1);
}

RIG_TEST(a_body_that_nobody_wants_is_not_read) {
    struct exchange *exchange = watched(rig, SLICE(POST6));
    size_t used = rig->peer.in_used;
    fake_peer_send(&rig->peer, SLICE("abc"));
    half_close(rig);
    CHECK_INT(rig->peer.in_used, used);
    CHECK_INT(rig->gateway.aborts, 0);
    rig->gateway.pulls = true;
    fake_want_body(&rig->gateway, exchange);
    rig_settle(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nabcabort\n");
}

RIG_TEST(the_watch_begins_with_the_end_of_the_body) {
    struct exchange *exchange = watched(rig, SLICE(POST6));
    rig->gateway.pulls = true;
    fake_want_body(&rig->gateway, exchange);
    rig_send(rig, SLICE("abcdef"));
    CHECK_INT(rig->gateway.aborts, 0);
    half_close(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nabcdef|last\nabort\n");
    CHECK_INT(rig->peer.why, CLOSE_PEER_EOF);
}

RIG_TEST(answers_inside_of_start_are_as_ever) {
    rig->gateway.watches = true;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a") GET("/b")));
    rig_send(rig, SLICE(GET("/c")));
    CHECK_TEXT(rig_output(rig), OK_EMPTY OK_EMPTY OK_EMPTY);
    loop_sweep(&rig->loop);
    CHECK_INT(rig_live(rig), 2); /* the connection and its stream */
}
