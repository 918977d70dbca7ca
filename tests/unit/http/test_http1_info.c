/* Tests of interim responses, trailers and exchange_unsent over HTTP/1. */
#include "http/response.h"
#include "http/rig_test.h"

#include "base/banned.h"

#define OK_EMPTY  "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\n\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define EXPECTS   "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
#define CONTINUE  "HTTP/1.1 100 Continue\r\n\r\n"

#define FIELD(name, value)                                                                         \
    {                                                                                              \
        {(const uint8_t *)(name), sizeof(name) - 1}, {                                             \
            (const uint8_t *)(value), sizeof(value) - 1                                            \
        }                                                                                          \
    }

static struct exchange *begin(struct rig *rig, struct slice request) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, request);
    return rig->gateway.open;
}

/* --- interim responses (RFC 9110 section 15.2) --- */

RIG_TEST(early_hints) {
    static const struct response_field fields[] = {
        FIELD("Link", "</a.css>; rel=preload"),
        FIELD("Link", "</b.js>; rel=preload"),
    };
    struct exchange *exchange = begin(rig, SLICE(GET("/a") GET("/b")));
    CHECK_INT(fake_send_info(&rig->gateway, exchange, 103, fields, 2), 0);
    CHECK_INT(fake_send_info(&rig->gateway, exchange, 102, NULL, 0), 0);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n"
                                "Link: </b.js>; rel=preload\r\n\r\n"
                                "HTTP/1.1 102 Processing\r\n\r\n");
    fake_answer(&rig->gateway, exchange);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    CHECK_INT(rig->server.counters.requests, 1);
    fake_answer(&rig->gateway, rig->gateway.open);
}

RIG_TEST(no_interim_response_to_http10) {
    static const struct response_field bad[] = {FIELD("a b", "c")};
    struct exchange *exchange = begin(rig, SLICE("GET /a HTTP/1.0\r\n\r\n"));
    CHECK_INT(fake_send_info(&rig->gateway, exchange, 103, NULL, 0), 0);
    CHECK_INT(fake_send_info(&rig->gateway, exchange, 103, bad, 1), ERR_RESPONSE_NAME);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "");
    fake_answer(&rig->gateway, exchange);
}

RIG_TEST(fields_of_the_server_are_left_out_of_interim_responses) {
    static const struct response_field fields[] = {
        FIELD("Connection", "close"),    FIELD("Content-Length", "5"), FIELD("X", "1"),
        FIELD("Transfer-Encoding", "x"), FIELD("Trailer", "X"),        FIELD("Upgrade", "h2c"),
    };
    struct exchange *exchange = begin(rig, SLICE(GET("/a")));
    CHECK_INT(fake_send_info(&rig->gateway, exchange, 103, fields, 6), 0);
    fake_answer(&rig->gateway, exchange);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\n" OK_EMPTY);
    CHECK_INT(rig->peer.end, FAKE_OPEN);
}

struct bad_info {
    int err;
    int status;
    struct response_field field;
};

RIG_TEST(an_interim_response_that_breaks_a_rule) {
    static const struct bad_info rows[] = {
        {ERR_RESPONSE_STATUS, 99, FIELD("a", "b")},
        {ERR_RESPONSE_STATUS, 101, FIELD("a", "b")},
        {ERR_RESPONSE_STATUS, 200, FIELD("a", "b")},
        {ERR_RESPONSE_NAME, 103, FIELD("", "b")},
        {ERR_RESPONSE_VALUE, 103, FIELD("a", "b\nc: d")},
        {ERR_RESPONSE_LENGTH, 103, FIELD("Content-Length", "x")},
    };
    struct exchange *exchange = begin(rig, SLICE(GET("/a")));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_INT(fake_send_info(&rig->gateway, exchange, rows[i].status, &rows[i].field, 1),
                  rows[i].err);
    }
    CHECK_INT(fake_send_head(&rig->gateway, exchange, &rig->gateway.head), 0);
    CHECK_INT(fake_send_info(&rig->gateway, exchange, 103, NULL, 0), ERR_ORDER);
    fake_send_body(&rig->gateway, exchange, SLICE(""), true);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
}

RIG_TEST(early_hints_before_100_continue) {
    struct exchange *exchange = begin(rig, SLICE(EXPECTS));
    fake_send_info(&rig->gateway, exchange, 103, NULL, 0);
    fake_want_body(&rig->gateway, exchange);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 103 Early Hints\r\n\r\n" CONTINUE);
    rig->gateway.pulls = true;
    rig_send(rig, SLICE("hi"));
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nhi|last\n");
    fake_answer(&rig->gateway, exchange);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
}

RIG_TEST(a_100_continue_of_the_gateways_own) {
    struct exchange *exchange = begin(rig, SLICE(EXPECTS));
    fake_send_info(&rig->gateway, exchange, 100, NULL, 0);
    fake_want_body(&rig->gateway, exchange);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), CONTINUE);
    rig->gateway.pulls = true;
    rig_send(rig, SLICE("hi"));
    fake_answer(&rig->gateway, exchange);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
}

/* It comes, since it was asked for: the connection can go on behind it. */
RIG_TEST(a_body_that_was_asked_for_and_not_read) {
    struct exchange *exchange = begin(rig, SLICE(EXPECTS));
    fake_send_info(&rig->gateway, exchange, 100, NULL, 0);
    fake_answer(&rig->gateway, exchange);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), CONTINUE OK_EMPTY);
    rig_send(rig, SLICE("hi" GET("/b")));
    CHECK_INT(rig->gateway.starts, 2);
    fake_answer(&rig->gateway, rig->gateway.open);
}

/* --- trailers (RFC 9110 section 6.5) --- */

static const struct response_field sum[] = {FIELD("X-Sum", "1"), FIELD("X-Time", "2\xE9")};

static struct exchange *begin_body(struct rig *rig, struct slice request, int64_t length) {
    struct exchange *exchange = begin(rig, request);
    rig->gateway.head.content_length = length;
    CHECK_INT(fake_send_head(&rig->gateway, exchange, &rig->gateway.head), 0);
    CHECK(fake_send_body(&rig->gateway, exchange, SLICE("abc"), false) >= 0);
    rig_settle(rig);
    return exchange;
}

RIG_TEST(trailers_behind_chunks) {
    struct exchange *exchange = begin_body(rig, SLICE(GET("/a")), -1);
    CHECK_INT(fake_send_trailers(&rig->gateway, exchange, sum, 2), 0);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 200 OK\r\n" OWN_LINES "Transfer-Encoding: chunked\r\n\r\n"
                                "3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Time: 2\xE9\r\n\r\n");
    CHECK_INT(rig->server.counters.requests, 1);
    CHECK_INT(rig->server.counters.bytes_written, 3);
    rig_send(rig, SLICE(GET("/b")));
    CHECK_INT(rig->gateway.starts, 2);
    fake_answer(&rig->gateway, rig->gateway.open);
}

RIG_TEST(no_fields_are_an_end_as_any) {
    struct exchange *exchange = begin_body(rig, SLICE(GET("/a")), -1);
    rig_output(rig);
    CHECK_INT(fake_send_trailers(&rig->gateway, exchange, NULL, 0), 0);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "0\r\n\r\n");
}

RIG_TEST(the_announcement_is_the_applications) {
    static const struct response_field fields[] = {FIELD("Trailer", "X-Sum")};
    rig->gateway.head.fields = fields;
    rig->gateway.head.field_count = 1;
    struct exchange *exchange = begin_body(rig, SLICE(GET("/a")), -1);
    fake_send_trailers(&rig->gateway, exchange, sum, 1);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\n" OWN_LINES
                                "Transfer-Encoding: chunked\r\n\r\n"
                                "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n");
}

struct dropped_row {
    const char *request;
    int64_t length;
    const char *sent;
    enum fake_end end;
};

TEST(trailers_are_dropped_where_the_framing_cannot_carry_them) {
    static const struct dropped_row rows[] = {
        {GET("/"), 3, "Content-Length: 3\r\n\r\nabc", FAKE_OPEN},
        {"GET / HTTP/1.0\r\n\r\n", -1, "Connection: close\r\n\r\nabc", FAKE_FIN},
        {"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", -1, "\r\n", FAKE_OPEN},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct rig rig;
        char expected[256];
        rig_init(&rig);
        struct exchange *exchange =
            begin_body(&rig, slice_of(rows[i].request, strlen(rows[i].request)), rows[i].length);
        CHECK_INT(fake_send_trailers(&rig.gateway, exchange, sum, 2), 0);
        rig_settle(&rig);
        int len = snprintf(expected, sizeof(expected), "HTTP/1.1 200 OK\r\n" OWN_LINES "%s",
                           rows[i].sent);
        CHECK_SLICE(rig_output(&rig), slice_of(expected, (size_t)len));
        CHECK_INT(rig.peer.end, rows[i].end);
        CHECK_INT(rig.gateway.answers, 1);
        rig_end(&rig);
    }
}

RIG_TEST(trailers_do_not_end_a_body_that_is_too_short) {
    struct exchange *exchange = begin_body(rig, SLICE(GET("/a")), 5);
    CHECK_INT(fake_send_trailers(&rig->gateway, exchange, sum, 2), ERR_RESPONSE_SHORT);
    rig_settle(rig);
    CHECK_INT(rig->peer.end, FAKE_FIN);
    rig_pass(rig, HTTP1_LINGER_MS + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_CUT);
    CHECK_INT(rig->gateway.aborts, 0);
}

struct bad_trailer {
    int err;
    struct response_field field;
};

static const struct bad_trailer bad_trailers[] = {
    {ERR_TRAILER_NAME, FIELD("Content-Length", "3")},
    {ERR_TRAILER_NAME, FIELD("transfer-encoding", "chunked")},
    {ERR_TRAILER_NAME, FIELD("Host", "h")},
    {ERR_TRAILER_NAME, FIELD("Connection", "close")},
    {ERR_TRAILER_NAME, FIELD("Trailer", "X")},
    {ERR_TRAILER_NAME, FIELD("TE", "trailers")},
    {ERR_TRAILER_NAME, FIELD("Content-Type", "text/html")},
    {ERR_TRAILER_NAME, FIELD("Content-Encoding", "gzip")},
    {ERR_TRAILER_NAME, FIELD("Content-Range", "bytes 0-1/2")},
    {ERR_TRAILER_NAME, FIELD("Cache-Control", "no-store")},
    {ERR_TRAILER_NAME, FIELD("Set-Cookie", "a=b")},
    {ERR_TRAILER_NAME, FIELD("Authorization", "x")},
    {ERR_TRAILER_NAME, FIELD("Proxy-Authenticate", "x")},
    {ERR_TRAILER_NAME, FIELD("WWW-Authenticate", "Basic")},
    {ERR_TRAILER_NAME, FIELD("Date", "Tue, 01 Jan 2030 00:00:00 GMT")},
    {ERR_TRAILER_NAME, FIELD("age", "1")},
    {ERR_TRAILER_NAME, FIELD("Expires", "0")},
    {ERR_TRAILER_NAME, FIELD("Location", "/")},
    {ERR_TRAILER_NAME, FIELD("Retry-After", "1")},
    {ERR_TRAILER_NAME, FIELD("Vary", "*")},
    {ERR_RESPONSE_NAME, FIELD("", "x")},
    {ERR_RESPONSE_NAME, FIELD("a:", "x")},
    {ERR_RESPONSE_VALUE, FIELD("a", "x\r\n\r\nHTTP/1.1 200 OK")},
    {ERR_RESPONSE_VALUE, FIELD("a", "x\0")},
};

/* Whatever the framing: whether an application is right does not hang on the peer's version. */
static void check_bad_trailers(struct rig *rig, int64_t length, const char *tail) {
    struct exchange *exchange = begin(rig, SLICE(GET("/a")));
    CHECK_INT(fake_send_trailers(&rig->gateway, exchange, sum, 2), ERR_ORDER);
    rig->gateway.head.content_length = length;
    fake_send_head(&rig->gateway, exchange, &rig->gateway.head);
    rig_settle(rig);
    rig_output(rig);
    for (size_t i = 0; i < sizeof(bad_trailers) / sizeof(bad_trailers[0]); i++) {
        struct response_field fields[] = {sum[0], bad_trailers[i].field};
        if (!CHECK_INT(fake_send_trailers(&rig->gateway, exchange, fields, 2),
                       bad_trailers[i].err)) {
            fprintf(stderr, "  (row %zu)\n", i);
        }
    }
    CHECK_INT(rig_conn(rig)->tx, TX_BODY);
    CHECK_INT(fake_send_trailers(&rig->gateway, exchange, sum, 1), 0);
    rig_settle(rig);
    CHECK_SLICE(rig_output(rig), slice_of(tail, strlen(tail)));
}

RIG_TEST(trailers_that_break_a_rule_send_nothing) {
    check_bad_trailers(rig, -1, "0\r\nX-Sum: 1\r\n\r\n");
}

RIG_TEST(trailers_that_break_a_rule_where_they_would_be_dropped) {
    check_bad_trailers(rig, 0, "");
}

/* --- what has not left --- */

RIG_TEST(output_that_has_not_left) {
    static uint8_t bytes[1000];
    struct exchange *exchange = begin(rig, SLICE(GET("/a")));
    CHECK_INT(exchange_unsent(exchange), 0);
    rig->peer.window = 100;
    rig->gateway.head.content_length = sizeof(bytes);
    fake_send_head(&rig->gateway, exchange, &rig->gateway.head);
    size_t head = exchange_unsent(exchange);
    fake_send_body(&rig->gateway, exchange, slice_of(bytes, sizeof(bytes) - 1), false);
    CHECK_INT(exchange_unsent(exchange), head + sizeof(bytes) - 1);
    rig_settle(rig);
    CHECK_INT(exchange_unsent(exchange), head + sizeof(bytes) - 1 - 100);
    fake_peer_open_window(&rig->peer, SIZE_MAX / 2);
    rig_settle(rig);
    CHECK_INT(exchange_unsent(exchange), 0);
    fake_send_body(&rig->gateway, exchange, SLICE("."), true);
}
