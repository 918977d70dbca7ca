/* Tests of what ends a connection early: broken rules, limits, the peer's end and resets, in
 * every state. Wants the path of tests/corpus in the environment as CORPUS_DIR. */
#include <dirent.h>
#include <stdlib.h>

#include "http/response.h"
#include "http/rig_test.h"
#include "must.h"

#include "base/banned.h"

#define OK_EMPTY  "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\n\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST5     "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
#define CHUNKED   "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

/* All of the output is whole responses; gives the status of the last. */
static int last_status(struct rig *rig) {
    struct slice output = rig_output(rig);
    struct response response = {0};
    while (output.len > 0) {
        ssize_t used = response_read(output, false, rig->peer.end == FAKE_FIN, &response);
        if (!CHECK(used > 0)) {
            return 0;
        }
        output.at += used;
        output.len -= (size_t)used;
    }
    return response.status;
}

RIG_TEST(a_refusal_is_one_whole_answer_and_the_end) {
    rig_open(rig);
    rig_send(rig, SLICE("GET /a HTTP/1.1\r\n\r\n" GET("/b")));
    CHECK_TEXT(rig_output(rig), "HTTP/1.1 400 Bad Request\r\n" OWN_LINES
                                "Content-Type: text/plain; charset=utf-8\r\n"
                                "Content-Length: 33\r\nConnection: close\r\n\r\n"
                                "an HTTP/1.1 request without Host\n");
    CHECK_TEXT(fake_journal(&rig->gateway), "");
    CHECK_INT(rig->server.counters.refused, 1);
    CHECK_INT(rig->peer.end, FAKE_FIN);
    rig_send(rig, SLICE(GET("/c")));
    CHECK_TEXT(fake_journal(&rig->gateway), "");
    rig_pass(rig, HTTP1_LINGER_MS + WHEEL_TICK);
    CHECK_INT(rig->peer.why, CLOSE_REFUSED);
}

TEST(the_log_line_of_a_refusal_is_escaped) {
    static struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_send(&rig, SLICE("GET /\x1B[31m\" HTTP/1.1\r\nHost: h\r\n\r\n"));
    const struct log_line *line = log_next(&rig.server.log);
    if (CHECK(line != NULL)) {
        CHECK_TEXT(slice_of(line->text, line->len),
                   "refused 192.0.2.1:4711 with 400: the request target is not printable ASCII of "
                   "a known form: "
                   "\"GET /\\x1b[31m\\x22 HTTP/1.1\\x0d\\x0aHost: h\\x0d\\x0a\\x0d\\x0a\"");
        CHECK_INT(line->level, LOG_LEVEL_WARNING);
    }
    CHECK_INT(rig.wakes, 1);
    rig_end(&rig);
}

RIG_TEST(earlier_answers_come_before_the_refusal) {
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a") "BAD\r\n\r\n" GET("/b")));
    struct slice output = rig_output(rig);
    CHECK(begins(output, SLICE(OK_EMPTY "HTTP/1.1 400 ")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /a\n");
}

RIG_TEST(a_body_that_breaks_a_rule_before_the_answer) {
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_open(rig);
    rig_send(rig, SLICE(CHUNKED "3\r\nabc\r\nzz\r\n" GET("/b")));
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nabcabort\n");
    CHECK_INT(last_status(rig), 400);
    CHECK_INT(rig_conn(rig)->rx, RX_LINGER);
    CHECK_INT(rig_conn(rig)->tx, TX_CLOSED);
}

/* The head of the answer is out: only a cut can tell. */
RIG_TEST(a_body_that_breaks_a_rule_behind_the_head_of_the_answer) {
    rig->gateway.when = FAKE_NEVER;
    rig->gateway.pulls = true;
    rig_open(rig);
    rig_send(rig, SLICE(CHUNKED));
    fake_send_head(&rig->gateway, rig->gateway.open, &rig->gateway.head);
    fake_want_body(&rig->gateway, rig->gateway.open);
    rig_send(rig, SLICE("zz\r\n"));
    CHECK_INT(rig->peer.end, FAKE_RST);
    CHECK_INT(rig->peer.why, CLOSE_CUT);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nabort\n");
}

RIG_TEST(no_body_in_the_refusal_of_head) {
    rig->config.body = 2;
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_open(rig);
    rig_send(rig, SLICE("HEAD /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3\r\nabc\r\n"));
    struct slice output = rig_output(rig);
    struct response response;
    CHECK(begins(output, SLICE("HTTP/1.1 413 ")));
    CHECK_INT(response_read(output, true, false, &response), output.len);
}

RIG_TEST(no_body_in_the_refusal_of_a_head_that_breaks_a_rule) {
    rig_open(rig);
    rig_send(rig, SLICE("HEAD /a HTTP/1.1\r\n\r\n"));
    struct slice output = rig_output(rig);
    struct response response;
    CHECK(begins(output, SLICE("HTTP/1.1 400 ")));
    CHECK_INT(response_read(output, true, false, &response), output.len);
}

/* --- limits --- */

RIG_TEST(limits_of_the_head) {
    static uint8_t long_text[300];
    memset(long_text, 'a', sizeof(long_text));
    rig->config.head = (struct head_limits){.line = 64, .head = 256, .fields = 3};
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    CHECK_INT(last_status(rig), 200);
    rig_send(rig, SLICE("GET /a HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"));
    CHECK_INT(last_status(rig), 431);
}

RIG_TEST(limit_of_the_line) {
    static uint8_t long_text[300];
    memset(long_text, 'a', sizeof(long_text));
    rig->config.head = (struct head_limits){.line = 64, .head = 256, .fields = 3};
    rig_open(rig);
    fake_peer_send(&rig->peer, SLICE("GET /"));
    rig_send(rig, slice_of(long_text, 100));
    CHECK_INT(last_status(rig), 414);
}

RIG_TEST(limit_of_the_whole_head) {
    static uint8_t long_text[300];
    memset(long_text, 'a', sizeof(long_text));
    rig->config.head = (struct head_limits){.line = 64, .head = 256, .fields = 3};
    rig_open(rig);
    fake_peer_send(&rig->peer, SLICE("GET / HTTP/1.1\r\nHost: h\r\nA: "));
    rig_send(rig, slice_of(long_text, sizeof(long_text)));
    CHECK_INT(last_status(rig), 431);
}

RIG_TEST(limit_of_the_body_by_length) {
    rig->config.body = 4;
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_open(rig);
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd"));
    CHECK_INT(last_status(rig), 200);
    rig_send(rig, SLICE(POST5));
    CHECK_INT(last_status(rig), 413);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nabcd|last\n");
}

RIG_TEST(limit_of_the_body_while_it_streams) {
    rig->config.body = 4;
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_open(rig);
    rig_send(rig, SLICE(CHUNKED "4\r\nabcd\r\n0\r\n\r\n"));
    CHECK_INT(last_status(rig), 200);
    rig_send(rig, SLICE(CHUNKED "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"));
    CHECK_INT(last_status(rig), 413);
    CHECK_INT(rig->gateway.aborts, 1);
}

/* --- the corpus --- */

struct corpus_file {
    char name[256];
    uint8_t bytes[FAKE_IN];
    size_t len;
};

static void corpus_read(struct corpus_file *file, const char *directory, const char *name) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    snprintf(file->name, sizeof(file->name), "%s", name);
    FILE *stream = fopen(path, "rb");
    MUST(stream != NULL);
    file->len = fread(file->bytes, 1, sizeof(file->bytes), stream);
    fclose(stream);
}

/* "0101-what.ERR_NAME.http" to the status that the error is answered with. */
static int corpus_status(const char *name) {
    for (int err = -1; err >= -(int)ERR_COUNT; err--) {
        char part[128];
        snprintf(part, sizeof(part), ".%s.", err_name(err));
        if (strstr(name, part)) {
            return err_status(err);
        }
    }
    return 0;
}

static void check_file(const struct corpus_file *file, bool valid, size_t step) {
    static struct rig rig;
    unsigned failed = test_run.failed_checks;
    rig_init(&rig);
    rig.peer.step = step;
    rig.gateway.when = FAKE_AFTER_BODY;
    rig.gateway.head.status = 204;
    rig_open(&rig);
    rig_send(&rig, slice_of(file->bytes, file->len));
    rig.peer.half_closes = true;
    rig_settle(&rig);
    unsigned starts = rig.gateway.starts;
    if (valid) {
        CHECK(starts > 0);
        CHECK_INT(rig.gateway.answers, starts);
        CHECK_INT(rig.server.counters.refused, 0);
        CHECK_INT(last_status(&rig), 204);
    } else {
        int status = corpus_status(file->name);
        CHECK(status > 0);
        CHECK_INT(rig.server.counters.refused, 1);
        CHECK_INT(last_status(&rig), status);
        /* nothing behind the error is served */
        fake_peer_send(&rig.peer, SLICE(GET("/behind")));
        rig_settle(&rig);
        CHECK_INT(rig.gateway.starts, starts);
    }
    if (test_run.failed_checks > failed) {
        fprintf(stderr, "  (%s in steps of %zu)\n", file->name, step);
    }
    rig_end(&rig);
}

static void check_corpus(const char *kind, bool valid) {
    static struct corpus_file file;
    const size_t steps[] = {SIZE_MAX, 1, 7};
    char directory[2048];
    const char *root = getenv("CORPUS_DIR");
    MUST(root != NULL);
    snprintf(directory, sizeof(directory), "%s/%s", root, kind);
    DIR *dir = opendir(directory);
    MUST(dir != NULL);
    unsigned files = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        files++;
        corpus_read(&file, directory, entry->d_name);
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            check_file(&file, valid, steps[i]);
        }
    }
    closedir(dir);
    CHECK(files > 0);
}

TEST(the_valid_corpus) {
    check_corpus("valid", true);
}

TEST(the_invalid_corpus) {
    check_corpus("invalid", false);
}

/* --- the peer's end, in every state --- */

static void half_close(struct rig *rig) {
    rig->peer.half_closes = true;
    rig_settle(rig);
}

RIG_TEST(end_before_a_request) {
    rig_open(rig);
    half_close(rig);
    CHECK_INT(rig->peer.why, CLOSE_PEER_EOF);
    CHECK_TEXT(rig_output(rig), "");
}

RIG_TEST(end_inside_a_head) {
    rig_open(rig);
    rig_send(rig, SLICE("GET / HTTP/1.1\r\nHo"));
    CHECK_INT(rig_conn(rig)->rx, RX_HEAD);
    half_close(rig);
    CHECK_INT(rig->peer.why, CLOSE_PEER_EOF);
    CHECK_INT(rig->peer.end, FAKE_FIN);
    CHECK_TEXT(fake_journal(&rig->gateway), "");
}

RIG_TEST(end_behind_a_request_is_answered) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    half_close(rig);
    CHECK(!rig->peer.closed);
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    CHECK_INT(rig->peer.why, CLOSE_PEER_EOF);
}

RIG_TEST(end_inside_a_body_that_is_wanted) {
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_open(rig);
    rig_send(rig, SLICE(POST5 "hel"));
    half_close(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nhelabort\n");
    CHECK_INT(last_status(rig), 400);
    CHECK(rig->peer.closed); /* nothing more can come: no lingering */
    CHECK_INT(rig->peer.why, CLOSE_REFUSED);
}

/* The end of the connection is the end of this body: it must not come in an orderly way. */
RIG_TEST(end_inside_a_body_while_an_answer_is_sent) {
    rig->gateway.when = FAKE_NEVER;
    rig->gateway.pulls = true;
    rig_open(rig);
    rig_send(rig, SLICE("POST /a HTTP/1.0\r\nContent-Length: 5\r\n\r\nhel"));
    fake_send_head(&rig->gateway, rig->gateway.open, &rig->gateway.head);
    fake_send_body(&rig->gateway, rig->gateway.open, SLICE("half of an answer"), false);
    fake_want_body(&rig->gateway, rig->gateway.open);
    half_close(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nhelabort\n");
    CHECK_INT(rig->peer.end, FAKE_RST);
}

RIG_TEST(end_while_an_unread_body_is_drained) {
    rig_open(rig);
    rig_send(rig, SLICE(POST5 "hel"));
    CHECK_INT(rig_conn(rig)->rx, RX_DRAIN);
    half_close(rig);
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    CHECK_INT(rig->peer.why, CLOSE_PEER_EOF);
}

RIG_TEST(end_while_lingering) {
    rig_open(rig);
    rig_send(rig, SLICE("BAD\r\n\r\n"));
    CHECK_INT(rig_conn(rig)->rx, RX_LINGER);
    half_close(rig);
    CHECK_INT(rig->peer.why, CLOSE_REFUSED);
}

/* The answer is complete, its exchange not settled yet: it still arrives. */
TEST(end_between_the_answer_and_its_settling) {
    static struct rig rig;
    rig_init(&rig);
    rig.gateway.when = FAKE_NEVER;
    rig_open(&rig);
    rig_send(&rig, SLICE(POST5 "hel"));
    fake_want_body(&rig.gateway, rig.gateway.open);
    rig_settle(&rig);
    fake_want_body(&rig.gateway, rig.gateway.open);
    rig.peer.half_closes = true;
    fake_answer(&rig.gateway, rig.gateway.open);
    CHECK_INT(rig_conn(&rig)->tx, TX_DONE);
    fake_peer_turn(&rig.peer); /* the end comes before the run beat */
    CHECK(rig.peer.eof_told);
    rig_settle(&rig);
    CHECK_TEXT(rig_output(&rig), OK_EMPTY);
    CHECK_INT(rig.server.counters.requests, 1);
    CHECK_INT(rig.gateway.aborts, 0);
    rig_end(&rig);
}

/* --- resets, in every state: abort comes once, or never --- */

static void reset(struct rig *rig) {
    rig->peer.resets = true;
    rig_settle(rig);
    CHECK(rig->peer.closed);
    CHECK_INT(rig->server.counters.closed[CLOSE_PEER_RESET], 1);
}

RIG_TEST(reset_before_a_request) {
    rig_open(rig);
    reset(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "");
}

RIG_TEST(reset_inside_a_head) {
    rig_open(rig);
    rig_send(rig, SLICE("GET / HT"));
    reset(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "");
}

RIG_TEST(reset_while_the_gateway_works) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a") GET("/b")));
    reset(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /a\nabort\n");
}

RIG_TEST(reset_while_the_gateway_reads) {
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_open(rig);
    rig_send(rig, SLICE(POST5 "hel"));
    reset(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\nhelabort\n");
}

RIG_TEST(reset_while_the_gateway_writes) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    rig->peer.window = 10;
    fake_send_head(&rig->gateway, rig->gateway.open, &rig->gateway.head);
    fake_send_body(&rig->gateway, rig->gateway.open, SLICE("some"), false);
    fake_want_drained(&rig->gateway, rig->gateway.open);
    reset(rig);
    CHECK_INT(rig->gateway.aborts, 1);
}

RIG_TEST(reset_while_drained_and_while_lingering) {
    rig_open(rig);
    rig_send(rig, SLICE(POST5 "hel"));
    CHECK_INT(rig_conn(rig)->rx, RX_DRAIN);
    reset(rig);
    CHECK_TEXT(fake_journal(&rig->gateway), "start POST /a\n");
}

/* The head is complete, but the gateway has not been told: it never will be. */
TEST(reset_between_a_head_and_its_start) {
    static struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    fake_peer_send(&rig.peer, SLICE(GET("/a")));
    fake_peer_turn(&rig.peer);
    CHECK_INT(rig_conn(&rig)->tx, TX_WAIT);
    rig.peer.resets = true;
    fake_peer_turn(&rig.peer);
    fake_peer_turn(&rig.peer);
    CHECK(rig.peer.closed);
    rig_settle(&rig);
    CHECK_TEXT(fake_journal(&rig.gateway), "");
    rig_end(&rig);
}
