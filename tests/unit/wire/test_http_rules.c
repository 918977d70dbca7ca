/* Tests of wire/http_rules.h: what the fields of a request mean, and what a response may say. */
#include "wire/http_rules.h"

#include "base/err.h"
#include "unit/test.h"

#include "base/banned.h"

#define FIELDS_MAX 16

/* A head and what was said of it. */
struct judged {
    char text[1024];
    struct field fields[FIELDS_MAX];
    struct head head;
    struct request_rules rules;
    int err;
};

static struct judged judged;

/* Judges the head whose request line and fields these are. [borrows the result until the next] */
static const struct judged *judge(const char *line, const char *fields) {
    static const struct head_limits limits = {.line = 8192, .head = 65536, .fields = FIELDS_MAX};
    int len = snprintf(judged.text, sizeof judged.text, "%s\r\n%s\r\n", line, fields);
    const uint8_t *bytes = (const uint8_t *)judged.text;
    head_init(&judged.head, judged.fields);
    ssize_t used = head_parser_best()->parse(&judged.head, bytes, (size_t)len, &limits);
    if (!CHECK_INT(used, len)) {
        fprintf(stderr, "  in %s", judged.text);
        judged.err = (int)used;
        return &judged;
    }
    judged.err = http_rules_request(&judged.head, bytes, &judged.rules);
    return &judged;
}

static void check_judgement(const char *line, const char *fields, int err) {
    if (!CHECK_INT(judge(line, fields)->err, err)) {
        fprintf(stderr, "  %s, not %s, in %s", err_name(judged.err), err_name(err), judged.text);
    }
}

/* An HTTP/1.1 request with a Host and these fields. */
static void check_fields(const char *fields, int err) {
    char all[512];
    snprintf(all, sizeof all, "Host: a\r\n%s", fields);
    check_judgement("POST / HTTP/1.1", all, err);
}

TEST(a_plain_request) {
    const struct judged *j = judge("GET /a%20b/c?d=e?f HTTP/1.1", "Accept: */*\r\nHost: h:80\r\n");
    CHECK_INT(j->err, 0);
    CHECK_INT(j->rules.body, BODY_NONE);
    CHECK(!j->rules.has_content_length);
    CHECK(j->rules.persistent);
    CHECK(!j->rules.expect_continue);
    CHECK(!j->rules.upgrade);
    CHECK(!j->rules.is_head);
    CHECK_INT(j->rules.form, TARGET_ORIGIN);
    CHECK_INT(j->rules.host_field, 1);
    CHECK_TEXT(j->rules.authority, "h:80");
    CHECK_TEXT(j->rules.path, "/a%20b/c");
    CHECK_TEXT(j->rules.query, "d=e?f");
    CHECK(judge("HEAD / HTTP/1.1", "Host: a\r\n")->rules.is_head);
    CHECK(!judge("head / HTTP/1.1", "Host: a\r\n")->rules.is_head);
}

/* RFC 9112 section 3.2. */
TEST(targets) {
    static const struct {
        const char *line;
        int err;
        enum target_form form;
        const char *authority;
        const char *path;
        const char *query;
    } rows[] = {
        {"GET / HTTP/1.1", 0, TARGET_ORIGIN, "a", "/", ""},
        {"GET /? HTTP/1.1", 0, TARGET_ORIGIN, "a", "/", ""},
        {"GET //b/c HTTP/1.1", 0, TARGET_ORIGIN, "a", "//b/c", ""},
        {"GET /http://b/ HTTP/1.1", 0, TARGET_ORIGIN, "a", "/http://b/", ""},
        {"GET http://b HTTP/1.1", 0, TARGET_ABSOLUTE, "b", "/", ""},
        {"GET http://b:8080/c?d HTTP/1.1", 0, TARGET_ABSOLUTE, "b:8080", "/c", "d"},
        {"GET HTTPS://[::1]:1?d/e HTTP/1.1", 0, TARGET_ABSOLUTE, "[::1]:1", "/", "d/e"},
        {"OPTIONS * HTTP/1.1", 0, TARGET_ASTERISK, "a", "*", ""},
        {"OPTIONS / HTTP/1.1", 0, TARGET_ORIGIN, "a", "/", ""},
        {"GET * HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"OPTIONS *a HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET a HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET @b/ HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET ?a HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET a:80 HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET ftp://b/ HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET http:/b HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET http:///b HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET http://:80/ HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET http://u@b/ HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET http://b,c/ HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET http://b\\c/ HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET /b#c HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET /?b#c HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"GET http://b#c HTTP/1.1", ERR_TARGET, 0, "", "", ""},
        {"CONNECT b:80 HTTP/1.1", ERR_CONNECT, 0, "", "", ""},
        {"CONNECT / HTTP/1.0", ERR_CONNECT, 0, "", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_judgement(rows[i].line, "Host: a\r\n", rows[i].err);
        if (rows[i].err == 0 && judged.err == 0) {
            CHECK_INT(judged.rules.form, rows[i].form);
            CHECK_SLICE(judged.rules.authority,
                        slice_of(rows[i].authority, strlen(rows[i].authority)));
            CHECK_SLICE(judged.rules.path, slice_of(rows[i].path, strlen(rows[i].path)));
            CHECK_SLICE(judged.rules.query, slice_of(rows[i].query, strlen(rows[i].query)));
        }
    }
}

TEST(hosts_that_are_valid) {
    static const char *const hosts[] = {
        "",
        "a",
        "a:",
        "a:0",
        "a:65535",
        "example.org.",
        "xn--bcher-kva.example",
        "with_underscore",
        "127.0.0.1:8000",
        "999.999.999.999",
        "a%c3%a9",
        "-._~!$&'()*+;=",
        "[::]",
        "[::1]:80",
        "[1:2:3:4:5:6:7:8]",
        "[1:2:3:4:5:6:7::]",
        "[::2:3:4:5:6:7:8]",
        "[2001:DB8::ffff]",
        "[::ffff:192.0.2.1]",
        "[1:2:3:4:5:6:192.0.2.1]:",
    };
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        char fields[256];
        snprintf(fields, sizeof fields, "Host: %s\r\n", hosts[i]);
        check_judgement("GET / HTTP/1.1", fields, 0);
        check_judgement("GET / HTTP/1.0", fields, 0);
        CHECK_SLICE(judged.rules.authority, slice_of(hosts[i], strlen(hosts[i])));
    }
}

static const char *const bad_hosts[] = {
    "a,b",
    "a, b",
    "a b",
    "u@a",
    "a/",
    "/",
    "http://a",
    "a?b",
    "a#b",
    "a\\b",
    "a\"b",
    "<a>",
    "a^b",
    "a`b",
    "a|b",
    "{a}",
    "a:b",
    "a:80:80",
    "a:-1",
    "a:+80",
    "a:65536",
    "a:99999999999999999999",
    "a:80a",
    ":80",
    ":",
    "a%",
    "a%4",
    "a%4g",
    "%",
    "\xc3\xa9",
    "a\tb",
    "[",
    "[]",
    "[:]",
    "[:::]",
    "[1]",
    "[::1",
    "::1",
    "[::1]a",
    "[::1]80",
    "[::1]]",
    "[1:2:3:4:5:6:7]",
    "[1:2:3:4:5:6:7:8:9]",
    "[1:2:3:4:5:6:7:8::]",
    "[1::2::3]",
    "[::12345]",
    "[::g]",
    "[:1:2:3:4:5:6:7]",
    "[1:2:3:4:5:6:7:]",
    "[::1.2.3]",
    "[::1.2.3.4.5]",
    "[::256.0.0.1]",
    "[::01.2.3.4]",
    "[::1.2.3.4:5]",
    "[1:2:3:4:5:6:7:1.2.3.4]",
    "[1.2.3.4]",
    "[::1.2.3.]",
    "[fe80::1%25eth0]",
    "[v1.a]",
    "[ ::1]",
    "[::a.2.3.4]",
};

TEST(hosts_that_are_not) {
    for (size_t i = 0; i < sizeof bad_hosts / sizeof bad_hosts[0]; i++) {
        char fields[256];
        snprintf(fields, sizeof fields, "Host: %s\r\n", bad_hosts[i]);
        check_judgement("GET / HTTP/1.1", fields, ERR_HOST_VALUE);
        check_judgement("GET / HTTP/1.0", fields, ERR_HOST_VALUE);
    }
}

/* RFC 9112 sections 3.2 and 3.2.2. */
TEST(host_is_there_once) {
    check_judgement("GET / HTTP/1.1", "", ERR_HOST_MISSING);
    check_judgement("GET http://a/ HTTP/1.1", "", ERR_HOST_MISSING);
    check_judgement("GET / HTTP/1.1", "Host: a\r\nHost: a\r\n", ERR_HOST_REPEATED);
    check_judgement("GET / HTTP/1.0", "Host: a\r\nhost: b\r\n", ERR_HOST_REPEATED);
    check_judgement("GET / HTTP/1.1", "Host:\r\nHost: b\r\n", ERR_HOST_REPEATED);
    check_judgement("GET http://a/ HTTP/1.1", "Host: b/c\r\n", ERR_HOST_VALUE);
    check_judgement("GET / HTTP/1.0", "", 0);
    CHECK_INT(judged.rules.authority.len, 0);
    CHECK(judged.rules.host_field == UINT32_MAX);
    check_judgement("GET http://a/ HTTP/1.1", "Host: b\r\n", 0);
    CHECK_TEXT(judged.rules.authority, "a");
    CHECK_INT(judged.rules.host_field, 0);
}

TEST(content_length) {
    static const struct {
        const char *text;
        int64_t length; /* -1: ERR_CONTENT_LENGTH */
    } rows[] = {
        {"0", 0},
        {"5", 5},
        {"0000000000000000005", 5},
        {"9223372036854775807", INT64_MAX},
        {"", -1},
        {"9223372036854775808", -1},
        {"9999999999999999999", -1},
        {"18446744073709551616", -1},
        {"00000000000000000005", -1},
        {"+5", -1},
        {"-5", -1},
        {"5 5", -1},
        {"5,5", -1},
        {"5, 5", -1},
        {"0x5", -1},
        {"5_0", -1},
        {"5.0", -1},
        {"5e1", -1},
        {"a", -1},
        {"\xb2", -1},
        {"\xd9\xa5", -1},
        {"5\xa0", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t length = 77;
        int err = http_rules_content_length(slice_of(rows[i].text, strlen(rows[i].text)), &length);
        CHECK_INT(err, rows[i].length < 0 ? ERR_CONTENT_LENGTH : 0);
        CHECK_INT(length, rows[i].length < 0 ? 77 : rows[i].length);
        char fields[256];
        snprintf(fields, sizeof fields, "Content-Length: %s\r\n", rows[i].text);
        check_fields(fields, err);
        if (err == 0) {
            CHECK_INT(judged.rules.body, rows[i].length > 0 ? BODY_LENGTH : BODY_NONE);
            CHECK_INT(judged.rules.content_length, rows[i].length);
            CHECK(judged.rules.has_content_length);
        }
    }
    check_fields("Content-Length: 5\r\nContent-Length: 5\r\n", ERR_CONTENT_LENGTH_REPEATED);
    check_fields("Content-Length: 5\r\nContent-Length: 6\r\n", ERR_CONTENT_LENGTH_REPEATED);
    check_fields("Content-Length: 0\r\nContent-Length: 0\r\n", ERR_CONTENT_LENGTH_REPEATED);
}

/* RFC 9112 sections 6.1 and 6.3. */
TEST(transfer_encoding) {
    static const struct {
        const char *value;
        int err;
    } rows[] = {
        {"chunked", 0},
        {"CHUNKED", 0},
        {"Chunked \t", 0},
        {"", ERR_TRANSFER_CODING},
        {"identity", ERR_TRANSFER_CODING},
        {"gzip", ERR_TRANSFER_CODING},
        {"chunked, identity", ERR_TRANSFER_CODING},
        {"chunked, chunked", ERR_TRANSFER_CODING},
        {"chunked, gzip", ERR_TRANSFER_CODING},
        {"chunked,", ERR_TRANSFER_CODING},
        {", chunked", ERR_TRANSFER_CODING},
        {"xchunked", ERR_TRANSFER_CODING},
        {"chunkedx", ERR_TRANSFER_CODING},
        {"chunke", ERR_TRANSFER_CODING},
        {"\"chunked\"", ERR_TRANSFER_CODING},
        {"chunked;q=1", ERR_TRANSFER_CODING},
        {"chunked chunked", ERR_TRANSFER_CODING},
        {"chun\xebked", ERR_TRANSFER_CODING},
        {"gzip chunked", ERR_TRANSFER_CODING},
        {"gzip, chunked", ERR_CODING_UNKNOWN},
        {"identity, chunked", ERR_CODING_UNKNOWN},
        {"x,y , chunked", ERR_CODING_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char fields[256];
        snprintf(fields, sizeof fields, "Host: a\r\nTransfer-Encoding: %s\r\n", rows[i].value);
        check_judgement("POST / HTTP/1.1", fields, rows[i].err);
        if (rows[i].err == 0) {
            CHECK_INT(judged.rules.body, BODY_CHUNKED);
        }
        check_judgement("POST / HTTP/1.0", fields, ERR_CODING_HTTP10);
    }
    check_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                 ERR_TRANSFER_CODING);
    check_fields("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", ERR_TRANSFER_CODING);
    check_fields("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", ERR_LENGTH_AND_CODING);
    check_fields("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", ERR_LENGTH_AND_CODING);
    check_fields("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", ERR_LENGTH_AND_CODING);
}

TEST(content_type_is_there_once) {
    check_fields("Content-Type: a/b\r\n", 0);
    check_fields("Content-Type: a/b\r\nContent-Type: a/b\r\n", ERR_CONTENT_TYPE_REPEATED);
}

/* RFC 9112 section 9.3. */
TEST(persistence) {
    static const struct {
        const char *fields;
        bool http10;
        bool http11;
    } rows[] = {
        {"", false, true},
        {"Connection: close\r\n", false, false},
        {"Connection: Close\r\n", false, false},
        {"Connection: keep-alive\r\n", true, true},
        {"Connection: Keep-Alive\r\n", true, true},
        {"Connection: close, keep-alive\r\n", false, false},
        {"Connection: keep-alive, close\r\n", false, false},
        {"Connection: keep-alive\r\nConnection: close\r\n", false, false},
        {"Connection: foo,\tclose\r\n", false, false},
        {"Connection: foo\r\n", false, true},
        {"Connection:\r\n", false, true},
        {"Connection: , ,keep-alive,\r\n", true, true},
        {"Connection: closed\r\n", false, true},
        {"Connection: keep-alive2\r\n", false, true},
        {"Connection: close;a\r\n", false, false}, /* no token: closed to be safe */
        {"Connection: keep-alive, a b\r\n", false, false},
        {"Proxy-Connection: keep-alive\r\n", false, true},
        {"Keep-Alive: 300\r\n", false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char fields[256];
        snprintf(fields, sizeof fields, "Host: a\r\n%s", rows[i].fields);
        check_judgement("GET / HTTP/1.0", fields, 0);
        CHECK_INT(judged.rules.persistent, rows[i].http10);
        check_judgement("GET / HTTP/1.1", fields, 0);
        if (!CHECK_INT(judged.rules.persistent, rows[i].http11)) {
            fprintf(stderr, "  in %s", judged.text);
        }
    }
}

/* RFC 9110 section 10.1.1. */
TEST(expect) {
    check_fields("Expect: 100-continue\r\nContent-Length: 5\r\n", 0);
    CHECK(judged.rules.expect_continue);
    check_fields("Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", 0);
    CHECK(judged.rules.expect_continue);
    check_fields("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n", 0);
    CHECK(judged.rules.expect_continue);
    check_fields("Expect: 100-continue\r\n", 0); /* no body to wait for */
    CHECK(!judged.rules.expect_continue);
    check_fields("Expect: 100-continue\r\nContent-Length: 0\r\n", 0);
    CHECK(!judged.rules.expect_continue);
    check_fields("Expect: 100\r\nContent-Length: 5\r\n", ERR_EXPECT);
    check_fields("Expect:\r\nContent-Length: 5\r\n", ERR_EXPECT);
    check_fields("Expect: 100-continue, x\r\nContent-Length: 5\r\n", ERR_EXPECT);
    check_fields("Expect: 100-continue\r\nExpect: x\r\n", ERR_EXPECT);
    check_judgement("POST / HTTP/1.0", "Expect: x\r\nContent-Length: 5\r\n", 0);
    CHECK(!judged.rules.expect_continue);
    check_judgement("POST / HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 5\r\n", 0);
    CHECK(!judged.rules.expect_continue);
}

/* RFC 9110 section 7.8. */
TEST(upgrade) {
    check_fields("Connection: Upgrade\r\nUpgrade: websocket\r\n", 0);
    CHECK(judged.rules.upgrade);
    CHECK(judged.rules.persistent);
    check_fields("Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\n", 0);
    CHECK(judged.rules.upgrade);
    check_fields("Upgrade: websocket\r\n", 0);
    CHECK(!judged.rules.upgrade);
    check_fields("Connection: upgrade\r\n", 0);
    CHECK(!judged.rules.upgrade);
    check_judgement("GET / HTTP/1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n", 0);
    CHECK(!judged.rules.upgrade);
}

TEST(the_first_broken_rule_is_named) {
    check_judgement("GET * HTTP/1.1", "Content-Length: x\r\n", ERR_TARGET);
    check_judgement("GET / HTTP/1.1", "Content-Length: x\r\nExpect: y\r\n", ERR_CONTENT_LENGTH);
    check_judgement("GET / HTTP/1.1", "Expect: y\r\nContent-Length: x\r\n", ERR_EXPECT);
    check_judgement("GET / HTTP/1.1", "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
                    ERR_LENGTH_AND_CODING); /* and no Host */
}

static int response_field(const char *name, const char *value) {
    enum header_id id;
    return http_rules_response_field(slice_of(name, strlen(name)), slice_of(value, strlen(value)),
                                     &id);
}

/* PEP 3333 and RFC 9110 section 5. */
TEST(response_fields) {
    enum header_id id;
    CHECK_INT(http_rules_response_field(SLICE("content-TYPE"), SLICE("text/plain"), &id), 0);
    CHECK_INT(id, HEADER_CONTENT_TYPE);
    CHECK_INT(http_rules_response_field(SLICE("X-Mine"), SLICE(""), &id), 0);
    CHECK_INT(id, HEADER_OTHER);
    CHECK_INT(response_field("Set-Cookie", "a=\xe9; b\tc"), 0);
    CHECK_INT(response_field("Proxy", "a"), 0);
    CHECK_INT(response_field("", "a"), ERR_RESPONSE_NAME);
    CHECK_INT(response_field("A B", "a"), ERR_RESPONSE_NAME);
    CHECK_INT(response_field("A:", "a"), ERR_RESPONSE_NAME);
    CHECK_INT(response_field("A\r\nB", "a"), ERR_RESPONSE_NAME);
    CHECK_INT(response_field("\xc3\xa9", "a"), ERR_RESPONSE_NAME);
    CHECK_INT(response_field("A", "a\r\nB: c"), ERR_RESPONSE_VALUE);
    CHECK_INT(response_field("A", "a\n"), ERR_RESPONSE_VALUE);
    CHECK_INT(response_field("A", "\ra"), ERR_RESPONSE_VALUE);
    CHECK_INT(http_rules_response_field(SLICE("A"), SLICE("a\0b"), &id), ERR_RESPONSE_VALUE);
    static const char *const hops[] = {
        "Connection", "transfer-encoding", "KEEP-ALIVE",         "Upgrade",       "TE",
        "Trailer",    "Proxy-Connection",  "Proxy-Authenticate", "proxy-anything"};
    for (size_t i = 0; i < sizeof hops / sizeof hops[0]; i++) {
        CHECK_INT(response_field(hops[i], "a"), ERR_RESPONSE_HOP);
    }
}

TEST(reasons) {
    CHECK_INT(http_rules_reason(SLICE("")), 0);
    CHECK_INT(http_rules_reason(SLICE("Not\tF\xf6und ~")), 0);
    CHECK_INT(http_rules_reason(SLICE("a\rb")), ERR_RESPONSE_REASON);
    CHECK_INT(http_rules_reason(SLICE("a\n")), ERR_RESPONSE_REASON);
    CHECK_INT(http_rules_reason(SLICE("\0")), ERR_RESPONSE_REASON);
    CHECK_INT(http_rules_reason(SLICE("\x7f")), ERR_RESPONSE_REASON);
}

TEST(statuses_without_a_body) {
    for (int status = 100; status < 600; status++) {
        CHECK_INT(http_rules_status_bodyless(status),
                  status < 200 || status == 204 || status == 304);
    }
}
