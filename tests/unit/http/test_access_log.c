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
    rig.config.access_log_fd = fd;
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
               "192.0.2.1 - - " STAMP " \"HEAD / HTTP/1.0\" 200 0 \"-\" \"-\" 0\n");
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
    rig.config.access_log_fd = fd;
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
    rig.config.access_log_fd = fd;
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
    rig.config.access_log_fd = fd;
    rig_open(&rig);
    rig_send(&rig, SLICE("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    CHECK_INT(rig.server.access_log.lost, 1);
    CHECK_INT(rig.gateway.answers, 1);
    rig_end(&rig);
    close(fd);
}
