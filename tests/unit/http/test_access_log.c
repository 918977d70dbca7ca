/* Tests of http/access_log.h: whole lines as they stand in the file, and what is not written. */
#include "http/access_log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "http/rig_test.h"

#include "base/banned.h"

#define STAMP "[01/Jan/1970:00:00:00 +0000]"

/* Sends one request to a server with an access log; gives the log. */
static struct slice log_of(struct slice request) {
    static struct rig rig;
    static char text[65536];
    int fd = memfd_create("log", MFD_CLOEXEC);
    rig_init(&rig);
    rig.config.access_log.fd = fd;
    rig.gateway.body = SLICE("hello");
    rig.gateway.head.content_length = 5;
    rig_open(&rig);
    rig_send(&rig, request);
    rig_end(&rig);
    ssize_t len = pread(fd, text, sizeof(text), 0);
    close(fd);
    return slice_of(text, len > 0 ? (size_t)len : 0);
}

TEST(a_line) {
    CHECK_TEXT(log_of(SLICE("GET /a?b=c HTTP/1.1\r\nHost: h\r\nUser-Agent: test/1.0 (x)\r\n"
                            "Referer: http://other/\r\n\r\n")),
               "192.0.2.1 - - " STAMP " \"GET /a?b=c HTTP/1.1\" 200 5 \"http://other/\" "
               "\"test/1.0 (x)\" 0\n");
}

TEST(fields_that_are_missing) {
    CHECK_TEXT(log_of(SLICE("HEAD / HTTP/1.0\r\n\r\n")),
               "192.0.2.1 - - " STAMP " \"HEAD / HTTP/1.0\" 200 - \"-\" \"-\" 0\n");
}

/* CVE-2020-7694: what a peer sends cannot write a line of its own, nor to a terminal. */
TEST(escaping) {
    CHECK_TEXT(log_of(SLICE("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: \"\\\t\xE9 \r\n\r\n")),
               "192.0.2.1 - - " STAMP
               " \"GET / HTTP/1.1\" 200 5 \"-\" \"\\x22\\x5c\\x09\\xe9\" 0\n");
}

TEST(one_line_a_response_in_order) {
    struct slice log = log_of(SLICE("GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\n"
                                    "Host: h\r\n\r\nBAD\r\n\r\n"));
    CHECK_TEXT(log, "192.0.2.1 - - " STAMP " \"GET /a HTTP/1.1\" 200 5 \"-\" \"-\" 0\n"
                    "192.0.2.1 - - " STAMP " \"GET /b HTTP/1.1\" 200 5 \"-\" \"-\" 0\n");
}

TEST(long_parts_are_cut) {
    static char request[20000] = "GET /";
    size_t len = strlen(request);
    memset(request + len, 'a', 6000);
    len += 6000;
    len += (size_t)snprintf(request + len, sizeof(request) - len,
                            " HTTP/1.1\r\nHost: h\r\nUser-Agent: ");
    memset(request + len, '\xE9', 8000);
    len += 8000;
    memcpy(request + len, "\r\n\r\n", 4);
    struct slice log = log_of(slice_of(request, len + 4));
    CHECK(log.len > 2000 && log.len < 5000);
    CHECK_INT(count_of(log, SLICE("\n")), 1);
    CHECK(begins(log, SLICE("192.0.2.1 - - " STAMP " \"GET /aaa")));
    CHECK_INT(count_of(log, SLICE(" HTTP/1.1\" 200 5 \"-\" \"\\xe9")), 1);
    CHECK_INT(count_of(log, SLICE("\\xe9\" 0\n")), 1);
}

TEST(the_time_taken_in_microseconds) {
    static struct rig rig;
    char text[512];
    int fd = memfd_create("log", MFD_CLOEXEC);
    rig_init(&rig);
    rig.config.access_log.fd = fd;
    rig.gateway.when = FAKE_NEVER;
    rig_open(&rig);
    rig_send(&rig, SLICE("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    fake_clock.hr_ns += 1234567;
    fake_answer(&rig.gateway, rig.gateway.open);
    rig_settle(&rig);
    rig_end(&rig);
    ssize_t len = pread(fd, text, sizeof(text), 0);
    CHECK(len > 0);
    CHECK_INT(count_of(slice_of(text, (size_t)len), SLICE(" 1234\n")), 1);
    close(fd);
}

/* Many lines in one turn: more than a batch holds. */
TEST(a_batch_that_is_full_is_written) {
    static struct rig rig;
    static char text[FAKE_OUT];
    enum { COUNT = 600 };
    int fd = memfd_create("log", MFD_CLOEXEC);
    rig_init(&rig);
    rig.config.access_log.fd = fd;
    rig_open(&rig);
    for (int i = 0; i < COUNT; i++) {
        fake_peer_send(&rig.peer, SLICE("GET /0123456789012345678901234567890123456789012345678901"
                                        "23456789012345678901234567890123456789 HTTP/1.1\r\n"
                                        "Host: h\r\n\r\n"));
    }
    rig_settle(&rig);
    rig_end(&rig);
    ssize_t len = pread(fd, text, sizeof(text), 0);
    CHECK(len > 64 * 1024);
    CHECK_INT(count_of(slice_of(text, (size_t)len), SLICE("\n")), COUNT);
    close(fd);
}

TEST(lines_that_cannot_be_written_are_counted) {
    static struct rig rig;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    rig_init(&rig);
    rig.config.access_log.fd = fd;
    rig_open(&rig);
    rig_send(&rig, SLICE("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    CHECK_INT(rig.gateway.answers, 1);
    CHECK_INT(rig.server.counters.log_lines_dropped, 0); /* the disk may have room again */
    rig_end(&rig);
    CHECK_INT(rig.server.counters.log_lines_dropped, 1);
    close(fd);
}

/* Sends one request to a server whose log has that format, and answers with two fields. */
static struct slice line_of(const char *format, struct slice request) {
    static struct rig rig;
    static char text[ACCESS_LINE];
    static const struct response_field fields[] = {{SLICE("X-One"), SLICE("a\"b")},
                                                   {SLICE("Content-Type"), SLICE("text/plain")}};
    int fd = memfd_create("log", MFD_CLOEXEC);
    rig_init(&rig);
    rig.config.access_log.fd = fd;
    rig.config.access_log.format = slice_of(format, strlen(format));
    rig.config.request_id.mode = REQUEST_ID_MAKE;
    rig.gateway.body = SLICE("hello");
    rig.gateway.head.content_length = 5;
    rig.gateway.head.fields = fields;
    rig.gateway.head.field_count = 2;
    rig_open(&rig);
    rig_send(&rig, request);
    rig_end(&rig);
    ssize_t len = pread(fd, text, sizeof(text), 0);
    close(fd);
    return slice_of(text, len > 0 ? (size_t)len : 0);
}

TEST(atoms) {
    struct slice request =
        SLICE("GET /a%20b?c=\"d HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\n"
              "Cookie: k=v\r\nX-Mine: \xC3\xA9\r\n\r\n");
    static const char *const rows[][2] = {
        {"%(h)s", "192.0.2.1"},
        {"%(l)s", "-"},
        {"%(u)s", "ann"},
        {"%(t)s", STAMP},
        {"%(time)s", "1970-01-01T00:00:00Z"},
        {"%(r)s", "GET /a%20b?c=\\x22d HTTP/1.1"},
        {"%(m)s", "GET"},
        {"%(U)s", "/a%20b"},
        {"%(q)s", "c=\\x22d"},
        {"%(H)s", "HTTP/1.1"},
        {"%(s)s", "200"},
        {"%(B)s %(b)s", "5 5"},
        {"%(f)s|%(a)s", "-|-"},
        {"%(T)s %(M)s %(D)s %(L)s", "0 0 0 0.000000"},
        {"%({cookie}i)s %({X-mine}i)s %({x-none}i)s", "k=v \\xc3\\xa9 -"},
        {"%({x-one}o)s %({Content-Type}o)s %({none}o)s", "a\\x22b text/plain -"},
        {"%({FREASTAL_TEST_NO}e)s %({HTTP_}e)s", "- -"},
        {"%({REQUEST_METHOD}e)s %({PATH_INFO}e)s", "GET /a%20b"},
        {"%({QUERY_STRING}e)s %({SERVER_PROTOCOL}e)s", "c=\\x22d HTTP/1.1"},
        {"%({HTTP_COOKIE}e)s %({HTTP_X_MINE}e)s", "k=v \\xc3\\xa9"},
        {"100 %%, plain", "100 %, plain"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[128];
        int len = snprintf(expected, sizeof(expected), "%s\n", rows[i][1]);
        CHECK_SLICE(line_of(rows[i][0], request), slice_of(expected, (size_t)len));
    }
    char pid[32];
    int len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    CHECK_SLICE(line_of("%(p)s", request), slice_of(pid, (size_t)len));
    CHECK_INT(line_of("%(I)s", request).len, REQUEST_ID_MADE + 1);
}

TEST(json_of_a_hostile_request) {
    struct slice line = line_of("json", SLICE("GET /\" HTTP/1.1\r\nHost: h\r\nUser-Agent: "
                                              "\\\xFF\"\t\r\n\r\n"));
    CHECK_INT(count_of(line, SLICE("\"path\":\"/\\u0022\",\"query\":\"\",")), 1);
    CHECK_INT(count_of(line, SLICE("\"user_agent\":\"\\u005c\\u00ff\\u0022\",")), 1);
    CHECK_INT(count_of(line, SLICE("\"status\":200,\"bytes\":5,\"duration_us\":0,")), 1);
    CHECK_INT(count_of(line, SLICE("\n")), 1);
}
