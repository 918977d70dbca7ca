/* Tests of http/http1_out.c: heads, framing, bodies held to their heads, cuts, back pressure. */
#include <sys/mman.h>
#include <unistd.h>

#include "http/response.h"
#include "http/rig_test.h"

#include "base/banned.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

/* --- framing (RFC 9112 section 6) --- */

enum { NOT_KNOWN = -1 };

struct framing_row {
    const char *request;
    int status;
    const char *field;  /* the application's Content-Length; NULL: none */
    int64_t known;      /* by the gateway */
    const char *body;   /* the application's */
    const char *fields; /* expected behind Server and Date, with the empty line */
    const char *sent;   /* expected body, as framed */
    enum fake_end end;
};

#define R11    GET("/")
#define R11C   "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
#define R10    "GET / HTTP/1.0\r\n\r\n"
#define R10K   "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
#define RHEAD  "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"
#define RHEAD0 "HEAD / HTTP/1.0\r\n\r\n"

static const struct framing_row framing_rows[] = {
    {R11, 200, NULL, 3, "abc", "Content-Length: 3\r\n\r\n", "abc", FAKE_OPEN},
    {R11, 200, NULL, 0, "", "Content-Length: 0\r\n\r\n", "", FAKE_OPEN},
    {R11, 200, "3", NOT_KNOWN, "abc", "\r\n", "abc", FAKE_OPEN},
    {R11, 200, "3", 3, "abc", "\r\n", "abc", FAKE_OPEN},
    {R11, 200, NULL, NOT_KNOWN, "abc", "Transfer-Encoding: chunked\r\n\r\n",
     "3\r\nabc\r\n0\r\n\r\n", FAKE_OPEN},
    {R11, 200, NULL, NOT_KNOWN, "", "Transfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n", FAKE_OPEN},
    {R11, 404, NULL, 3, "abc", "Content-Length: 3\r\n\r\n", "abc", FAKE_OPEN},
    {R11C, 200, NULL, 3, "abc", "Content-Length: 3\r\nConnection: close\r\n\r\n", "abc", FAKE_FIN},
    {R11C, 200, NULL, NOT_KNOWN, "abc", "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
     "3\r\nabc\r\n0\r\n\r\n", FAKE_FIN},
    {R10, 200, NULL, 3, "abc", "Content-Length: 3\r\nConnection: close\r\n\r\n", "abc", FAKE_FIN},
    {R10, 200, NULL, NOT_KNOWN, "abc", "Connection: close\r\n\r\n", "abc", FAKE_FIN},
    {R10K, 200, NULL, 3, "abc", "Content-Length: 3\r\nConnection: keep-alive\r\n\r\n", "abc",
     FAKE_OPEN},
    {R10K, 200, NULL, NOT_KNOWN, "abc", "Connection: close\r\n\r\n", "abc", FAKE_FIN},
    /* RFC 9110 section 9.3.2: as for GET, without the body */
    {RHEAD, 200, "3", NOT_KNOWN, "", "\r\n", "", FAKE_OPEN},
    {RHEAD, 200, NULL, 3, "abc", "Content-Length: 3\r\n\r\n", "", FAKE_OPEN},
    {RHEAD, 200, NULL, NOT_KNOWN, "", "\r\n", "", FAKE_OPEN},
    {RHEAD0, 200, NULL, NOT_KNOWN, "abc", "Connection: close\r\n\r\n", "", FAKE_FIN},
    /* RFC 9110 sections 8.6, 15.3.5, 15.4.5 */
    {R11, 204, NULL, 0, "", "\r\n", "", FAKE_OPEN},
    {R11, 204, "0", NOT_KNOWN, "", "\r\n", "", FAKE_OPEN},
    {R11, 204, NULL, NOT_KNOWN, "abc", "\r\n", "", FAKE_OPEN},
    {R11, 304, "3", NOT_KNOWN, "", "\r\n", "", FAKE_OPEN},
    {R11, 304, NULL, 0, "", "\r\n", "", FAKE_OPEN},
    {R10K, 304, NULL, 0, "abc", "Connection: keep-alive\r\n\r\n", "", FAKE_OPEN},
};

static struct slice text_slice(const char *text) {
    return slice_of(text, strlen(text));
}

static void check_framing(const struct framing_row *row) {
    static struct rig rig;
    unsigned failed = test_run.failed_checks;
    struct response_field field = {SLICE("Content-Length"), SLICE("")};
    char expected[512];
    char line[64] = "";
    rig_init(&rig);
    rig.gateway.head.status = row->status;
    rig.gateway.head.content_length = row->known;
    rig.gateway.body = text_slice(row->body);
    if (row->field) {
        field.value = text_slice(row->field);
        rig.gateway.head.fields = &field;
        rig.gateway.head.field_count = 1;
        if (row->status != 204) {
            snprintf(line, sizeof(line), "Content-Length: %s\r\n", row->field);
        }
    }
    rig_open(&rig);
    rig_send(&rig, text_slice(row->request));
    int len = snprintf(expected, sizeof(expected), "HTTP/1.1 %d OK\r\n%s" OWN_LINES "%s%s",
                       row->status, line, row->fields, row->sent);
    struct slice output = rig_output(&rig);
    CHECK_SLICE(output, slice_of(expected, (size_t)len));
    CHECK_INT(rig.peer.end, row->end);
    CHECK_INT(rig.gateway.answers, 1);
    struct response response;
    CHECK_INT(response_read(output, row->request[0] == 'H', row->end == FAKE_FIN, &response),
              output.len);
    if (test_run.failed_checks > failed) {
        fprintf(stderr, "  (row %td)\n", row - framing_rows);
    }
    rig_end(&rig);
}

TEST(framing) {
    for (size_t i = 0; i < sizeof(framing_rows) / sizeof(framing_rows[0]); i++) {
        check_framing(&framing_rows[i]);
    }
}

/* --- heads --- */

#define FIELD(name, value)                                                                         \
    {                                                                                              \
        {(const uint8_t *)(name), sizeof(name) - 1}, {                                             \
            (const uint8_t *)(value), sizeof(value) - 1                                            \
        }                                                                                          \
    }

RIG_TEST(fields_of_the_application_in_order) {
    static const struct response_field fields[] = {
        FIELD("Content-Type", "text/plain"),
        FIELD("Set-Cookie", "a=1"),
        FIELD("Set-Cookie", "b=2"),
        FIELD("X-Empty", ""),
        FIELD("X-Latin", "\xE9"),
    };
    rig->gateway.head.fields = fields;
    rig->gateway.head.field_count = 5;
    rig->gateway.head.reason = SLICE("Fine \xE9");
    rig_open(rig);
    rig_send(rig, SLICE(GET("/")));
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 200 Fine \xE9\r\nContent-Type: text/plain\r\n"
                                "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Empty: \r\n"
                                "X-Latin: \xE9\r\n" OWN_LINES "Content-Length: 0\r\n\r\n");
}

RIG_TEST(date_and_server_of_the_application_replace_ours) {
    static const struct response_field fields[] = {
        FIELD("date", "Tue, 01 Jan 2030 00:00:00 GMT"),
        FIELD("SERVER", "other"),
    };
    rig->gateway.head.fields = fields;
    rig->gateway.head.field_count = 2;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/")));
    CHECK_TEXT(rig_output(rig),
               "HTTP/1.1 200 OK\r\ndate: Tue, 01 Jan 2030 00:00:00 GMT\r\nSERVER: other\r\n"
               "Content-Length: 0\r\n\r\n");
}

RIG_TEST(fields_that_only_a_server_may_set_are_left_out) {
    static const struct response_field fields[] = {
        FIELD("Transfer-Encoding", "chunked"),
        FIELD("Connection", "keep-alive, X"),
        FIELD("Keep-Alive", "timeout=5"),
        FIELD("Upgrade", "h2c"),
        FIELD("Trailer", "X"),
    };
    rig->gateway.head.fields = fields;
    rig->gateway.head.field_count = 5;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/")));
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\n\r\n");
    CHECK_INT(rig->peer.end, FAKE_OPEN);
}

RIG_TEST(connection_close_of_the_application_is_obeyed) {
    static const struct response_field fields[] = {FIELD("connection", "Close")};
    rig->gateway.head.fields = fields;
    rig->gateway.head.field_count = 1;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/") GET("/b")));
    CHECK_TEXT(rig_output(rig),
               "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK_INT(rig->peer.end, FAKE_FIN);
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /\n");
}

RIG_TEST(a_head_larger_than_a_pooled_piece) {
    static uint8_t value[5000];
    struct response_field field = {SLICE("X"), slice_of(value, sizeof(value))};
    memset(value, 'v', sizeof(value));
    rig->gateway.head.fields = &field;
    rig->gateway.head.field_count = 1;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/")));
    struct slice output = rig_output(rig);
    struct response response;
    CHECK_INT(response_read(output, false, false, &response), output.len);
    CHECK(output.len > sizeof(value));
}

struct bad_head {
    int err;
    int status;
    struct slice reason;
    struct response_field fields[2];
    size_t count;
};

RIG_TEST(a_head_that_breaks_a_rule_sends_nothing_and_another_may_follow) {
    static const struct bad_head rows[] = {
        {ERR_RESPONSE_STATUS, 199, {0}, {{{0}, {0}}}, 0},
        {ERR_RESPONSE_STATUS, 1000, {0}, {{{0}, {0}}}, 0},
        {ERR_RESPONSE_STATUS, -1, {0}, {{{0}, {0}}}, 0},
        {ERR_RESPONSE_REASON, 200, {(const uint8_t *)"a\r\nb", 4}, {{{0}, {0}}}, 0},
        {ERR_RESPONSE_NAME, 200, {0}, {FIELD("a b", "c")}, 1},
        {ERR_RESPONSE_NAME, 200, {0}, {FIELD("", "c")}, 1},
        {ERR_RESPONSE_VALUE, 200, {0}, {FIELD("a", "b\r\nc: d")}, 1},
        {ERR_RESPONSE_VALUE, 200, {0}, {FIELD("ok", "ok"), FIELD("a", "b\0")}, 2},
        {ERR_RESPONSE_LENGTH, 200, {0}, {FIELD("Content-Length", "+1")}, 1},
        {ERR_RESPONSE_LENGTH, 200, {0}, {FIELD("Content-Length", "99999999999999999999")}, 1},
        {ERR_RESPONSE_LENGTH,
         200,
         {0},
         {FIELD("Content-Length", "1"), FIELD("Content-Length", "2")},
         2},
    };
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/")));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct response_head head = {.status = rows[i].status,
                                     .reason = rows[i].reason,
                                     .fields = rows[i].fields,
                                     .field_count = rows[i].count,
                                     .content_length = -1};
        CHECK_INT(fake_send_head(&rig->gateway, rig->gateway.open, &head), rows[i].err);
        CHECK_INT(rig_conn(rig)->tx, TX_WAIT);
    }
    CHECK_TEXT(rig_output(rig), "");
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\n\r\n");
}

RIG_TEST(a_length_said_twice_is_said_once) {
    static const struct response_field fields[] = {
        FIELD("Content-Length", "3"),
        FIELD("Content-Length", "03"),
    };
    rig->gateway.head.fields = fields;
    rig->gateway.head.field_count = 2;
    rig->gateway.body = SLICE("abc");
    rig_open(rig);
    rig_send(rig, SLICE(GET("/")));
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" OWN_LINES "\r\nabc");
}

RIG_TEST(operations_in_the_wrong_order) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/")));
    struct exchange *exchange = rig->gateway.open;
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE("early"), false), ERR_ORDER);
    CHECK_INT(fake_send_head(&rig->gateway, exchange, &rig->gateway.head), 0);
    CHECK_INT(fake_send_head(&rig->gateway, exchange, &rig->gateway.head), ERR_ORDER);
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE(""), true), 0);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\n\r\n");
}

/* --- bodies held to their heads --- */

/* Starts a response of which the gateway says `length`, or nothing. */
static struct exchange *start(struct rig *rig, struct slice request, int64_t length) {
    rig->gateway.when = FAKE_NEVER;
    rig->gateway.head.content_length = length;
    rig_open(rig);
    rig_send(rig, request);
    CHECK_INT(fake_send_head(&rig->gateway, rig->gateway.open, &rig->gateway.head), 0);
    rig_settle(rig);
    rig_output(rig);
    return rig->gateway.open;
}

RIG_TEST(what_exceeds_the_length_is_dropped) {
    struct exchange *exchange = start(rig, SLICE(GET("/")), 5);
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE("abc"), false), 0);
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE("defgh"), false), ERR_RESPONSE_LONG);
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE("i"), false), ERR_RESPONSE_LONG);
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE(""), true), 0);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "abcde");
    CHECK_INT(rig->peer.end, FAKE_OPEN);
    CHECK_INT(rig->server.counters.bytes_written, 5);
    rig_send(rig, SLICE(GET("/b")));
    CHECK_INT(rig->gateway.starts, 2);
}

RIG_TEST(a_body_that_is_too_long_in_its_last_piece) {
    struct exchange *exchange = start(rig, SLICE(GET("/")), 2);
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE("abc"), true), ERR_RESPONSE_LONG);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "ab");
    CHECK_INT(rig->gateway.answers, 1);
}

RIG_TEST(a_body_that_is_too_short_is_cut) {
    struct exchange *exchange = start(rig, SLICE(GET("/") GET("/b")), 5);
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE("abc"), true), ERR_RESPONSE_SHORT);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "abc");
    CHECK_INT(rig->peer.end, FAKE_FIN); /* its length shows what is missing */
    CHECK_INT(rig->gateway.starts, 1);
    rig_pass(rig, HTTP1_LINGER_MS + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_CUT);
    CHECK_INT(rig->gateway.aborts, 0);
}

RIG_TEST(a_body_that_nobody_gets_need_not_be_made) {
    struct exchange *exchange = start(rig, SLICE("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"), -1);
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE("abc"), false), EXCHANGE_ENOUGH);
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE(""), true), 0);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "");
    CHECK_INT(rig->server.counters.bytes_written, 0);
}

RIG_TEST(a_body_says_when_it_has_its_length) {
    struct exchange *exchange = start(rig, SLICE(GET("/")), 3);
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE("on"), false), 0);
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE("e"), false), EXCHANGE_WHOLE);
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE(""), false), EXCHANGE_WHOLE);
    CHECK_INT(fake_send_body(&rig->gateway, exchange, SLICE(""), true), 0);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "one");
}

RIG_TEST(pieces_become_chunks) {
    struct exchange *exchange = start(rig, SLICE(GET("/")), -1);
    fake_send_body(&rig->gateway, exchange, SLICE("one"), false);
    fake_send_body(&rig->gateway, exchange, SLICE(""), false);
    fake_send_body(&rig->gateway, exchange, SLICE("0123456789abcdef0"), false);
    fake_send_body(&rig->gateway, exchange, SLICE("end"), true);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "3\r\none\r\n11\r\n0123456789abcdef0\r\n3\r\nend\r\n0\r\n\r\n");
    CHECK_INT(rig->peer.end, FAKE_OPEN);
}

RIG_TEST(a_file_in_a_body) {
    struct exchange *exchange = start(rig, SLICE(GET("/")), 7);
    int fd = memfd_create("test", MFD_CLOEXEC);
    CHECK_INT(write(fd, "0123456789", 10), 10);
    struct chain chain;
    chain_init(&chain);
    chain_append(&chain, piece_file(&rig->loop.pieces, fd, 2, 8, NULL, NULL));
    CHECK_INT(exchange_send_body(exchange, &chain, false), ERR_RESPONSE_LONG);
    fake_send_body(&rig->gateway, exchange, SLICE(""), true);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "2345678");
    close(fd);
}

/* --- cuts: a response never looks complete when it is not --- */

struct cut_row {
    const char *request;
    int64_t length;
    enum fake_end end; /* what the peer must see at once */
};

TEST(a_reset_inside_a_response) {
    static const struct cut_row rows[] = {
        {GET("/"), 10, FAKE_FIN},                 /* the length shows it */
        {GET("/"), -1, FAKE_FIN},                 /* the last chunk is missing */
        {"GET / HTTP/1.0\r\n\r\n", -1, FAKE_RST}, /* nothing but a reset can */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct rig rig;
        struct response response;
        rig_init(&rig);
        rig.gateway.when = FAKE_NEVER;
        rig.gateway.head.content_length = rows[i].length;
        rig_open(&rig);
        rig_send(&rig, text_slice(rows[i].request));
        fake_send_head(&rig.gateway, rig.gateway.open, &rig.gateway.head);
        fake_send_body(&rig.gateway, rig.gateway.open, SLICE("abc"), false);
        rig_settle(&rig);
        fake_reset(&rig.gateway, rig.gateway.open);
        rig_settle(&rig);
        CHECK_INT(rig.peer.end, rows[i].end);
        CHECK_INT(response_read(rig_output(&rig), false, rig.peer.end == FAKE_FIN, &response), 0);
        rig_pass(&rig, HTTP1_LINGER_MS + WHEEL_TICK);
        CHECK_INT(rig.peer.why, CLOSE_CUT);
        CHECK_INT(rig.gateway.aborts, 0);
        rig_end(&rig);
    }
}

/* What was answered before still arrives. */
RIG_TEST(a_reset_before_the_head) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig->peer.window = 0;
    rig_send(rig, SLICE(GET("/a") GET("/b")));
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_INT(rig->gateway.starts, 2);
    fake_reset(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    fake_peer_open_window(&rig->peer, 1000);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\n\r\n");
    CHECK(rig->peer.end != FAKE_OPEN);
    CHECK_INT(rig->gateway.aborts, 0);
}

RIG_TEST(a_reset_inside_of_start) {
    rig->gateway.reset_at_start = true;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a") GET("/b")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /a\n");
    CHECK_TEXT(rig_output(rig), "");
    CHECK(rig->peer.end != FAKE_OPEN);
}

/* --- back pressure --- */

RIG_TEST(drained_comes_when_the_output_has_left) {
    static uint8_t bytes[100000];
    struct exchange *exchange = start(rig, SLICE(GET("/")), sizeof(bytes));
    rig->peer.window = 1000;
    fake_send_body(&rig->gateway, exchange, slice_of(bytes, sizeof(bytes)), false);
    fake_want_drained(&rig->gateway, exchange);
    rig_settle(rig);
    CHECK_INT(rig->gateway.drains, 0);
    fake_peer_open_window(&rig->peer, sizeof(bytes) - 1000 - STREAM_LOW_WATER);
    rig_settle(rig);
    CHECK_INT(rig->gateway.drains, 0);
    fake_peer_open_window(&rig->peer, 1);
    rig_settle(rig);
    CHECK_INT(rig->gateway.drains, 1);
    fake_send_body(&rig->gateway, exchange, SLICE(""), true);
}

/* A wish of one exchange is never told to the next. */
RIG_TEST(drained_comes_to_the_exchange_that_asked) {
    static uint8_t bytes[100000];
    struct exchange *exchange = start(rig, SLICE(GET("/a")), sizeof(bytes));
    rig->peer.window = 0;
    fake_want_drained(&rig->gateway, exchange);
    fake_send_body(&rig->gateway, exchange, slice_of(bytes, sizeof(bytes)), true);
    rig_settle(rig);
    rig_send(rig, SLICE(GET("/b")));
    CHECK_INT(rig->gateway.starts, 2);
    fake_peer_open_window(&rig->peer, SIZE_MAX - 1);
    rig_settle(rig);
    CHECK_INT(rig->gateway.drains, 0); /* the gateway watches it too */
}

RIG_TEST(pipelined_requests_wait_for_a_peer_that_does_not_read) {
    static uint8_t bytes[HTTP1_HIGH_WATER / 2];
    rig->gateway.head.content_length = sizeof(bytes);
    rig->gateway.body = slice_of(bytes, sizeof(bytes));
    rig_open(rig);
    rig->peer.window = 0;
    for (int i = 0; i < 8; i++) {
        fake_peer_send(&rig->peer, SLICE(GET("/")));
    }
    rig_settle(rig);
    unsigned starts = rig->gateway.starts;
    CHECK(starts >= 2 && starts <= 4);
    fake_peer_open_window(&rig->peer, SIZE_MAX - 1);
    rig_settle(rig);
    CHECK_INT(rig->gateway.starts, 8);
    CHECK_INT(rig->gateway.answers, 8);
    CHECK_INT(count_of(rig_output(rig), SLICE("HTTP/1.1 200 OK")), 8);
}

RIG_TEST(output_in_small_windows) {
    struct exchange *exchange = start(rig, SLICE(GET("/")), -1);
    rig->peer.window = 0;
    fake_send_body(&rig->gateway, exchange, SLICE("hello"), false);
    fake_send_body(&rig->gateway, exchange, SLICE("world"), true);
    for (int i = 0; i < 30; i++) {
        fake_peer_open_window(&rig->peer, 1);
        rig_settle(rig);
    }
    CHECK_TEXT(rig_output(rig), "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n");
}
