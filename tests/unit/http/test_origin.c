/* Tests of http/origin.h: heads as they come, parsed by the product's parser. The peer is
 * 10.0.0.9, and 10.0.0.0/8 with ::1 is trusted. */
#include "http/origin.h"

#include "base/err.h"
#include "must.h"
#include "test.h"
#include "wire/http_rules.h"

#include "base/banned.h"

enum { FIELDS = 200 };

struct asked {
    struct origin_rules rules;
    struct peer peer;
    bool secure;
    uint8_t bytes[16384];
    struct origin origin;
};

static struct asked asked;

static void begin(void) {
    static const uint8_t ip[4] = {10, 0, 0, 9};
    asked.rules = (struct origin_rules){.kind = ORIGIN_AUTO};
    trust_init(&asked.rules.trusted);
    MUST(trust_add(&asked.rules.trusted, SLICE("10.0.0.0/8")) == 0);
    MUST(trust_add(&asked.rules.trusted, SLICE("::1")) == 0);
    peer_from_ip(&asked.peer, PEER_IPV4, ip, 4711);
    asked.secure = false;
}

static void end(void) {
    trust_release(&asked.rules.trusted);
}

/* Finds who asks with those fields behind a Host of `host`. */
static int ask_host(const char *host, const char *fields) {
    static struct field room[FIELDS];
    struct head head;
    struct request_rules rules;
    struct head_limits limits = {.line = 8192, .head = sizeof asked.bytes, .fields = FIELDS};
    int len = snprintf((char *)asked.bytes, sizeof asked.bytes,
                       "GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n", host, fields);
    MUST(len > 0 && (size_t)len < sizeof asked.bytes);
    head_init(&head, room);
    MUST(head_parser_best()->parse(&head, asked.bytes, (size_t)len, &limits) == len);
    MUST(http_rules_request(&head, asked.bytes, &rules) == 0);
    asked.origin = origin_direct(&asked.peer, asked.secure);
    return origin_find(&asked.rules, &head, asked.bytes, rules.authority, &asked.origin);
}

static int ask(const char *fields) {
    return ask_host("h.example", fields);
}

/* The client, as "ip:port". */
static bool client_is(const char *expected) {
    char ip[PEER_TEXT];
    char text[PEER_TEXT + 8];
    peer_ip_text(&asked.origin.client, ip);
    snprintf(text, sizeof text, "%s:%u", ip, asked.origin.client.port);
    bool same = strcmp(text, expected) == 0;
    if (!same) {
        fprintf(stderr, "  the client is %s, not %s\n", text, expected);
    }
    return same;
}

#define CHECK_CLIENT(fields, expected)                                                             \
    do {                                                                                           \
        CHECK_INT(ask(fields), 0);                                                                 \
        CHECK(client_is(expected));                                                                \
    } while (0)

TEST(nothing_is_said) {
    begin();
    CHECK_CLIENT("", "10.0.0.9:4711");
    CHECK(!asked.origin.secure && !asked.origin.renamed);
    asked.secure = true;
    CHECK_CLIENT("X-Real-IP: 1.2.3.4\r\n", "10.0.0.9:4711");
    CHECK(asked.origin.secure);
    end();
}

TEST(the_word_of_a_peer_who_is_not_trusted_is_nothing) {
    static const uint8_t ip[4] = {192, 0, 2, 1};
    begin();
    asked.rules.host = true;
    peer_from_ip(&asked.peer, PEER_IPV4, ip, 1);
    CHECK_CLIENT("X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: x\r\n",
                 "192.0.2.1:1");
    CHECK(!asked.origin.secure && !asked.origin.renamed);
    CHECK_CLIENT("Forwarded: for=1.2.3.4;proto=https;host=x\r\n", "192.0.2.1:1");
    CHECK(!asked.origin.secure && !asked.origin.renamed);
    /* … and cannot break a rule */
    CHECK_INT(ask("X-Forwarded-For: !\r\nX-Forwarded-Proto: !\r\nForwarded: \"\r\n"), 0);
    end();
}

TEST(the_right_most_that_is_not_trusted) {
    begin();
    CHECK_CLIENT("X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4:0");
    CHECK_CLIENT("X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n", "1.2.3.4:0");
    CHECK_CLIENT("X-Forwarded-For: 6.6.6.6, 1.2.3.4:99, 10.1.1.1, ::1\r\n", "1.2.3.4:99");
    CHECK_CLIENT("X-Forwarded-For: garbage, 1.2.3.4\r\n", "1.2.3.4:0");
    CHECK_CLIENT("X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1:0");
    CHECK_CLIENT("X-Forwarded-For: 1.2.3.4, ::ffff:10.0.0.1\r\n", "1.2.3.4:0");
    /* all are trusted: the left-most */
    CHECK_CLIENT("X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n", "10.0.0.1:0");
    /* several fields are one list; a proxy adds its own behind the others */
    CHECK_CLIENT("X-Forwarded-For: 6.6.6.6\r\nA: b\r\nX-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4:0");
    CHECK_CLIENT("X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\nX-Forwarded-For: 10.0.0.1\r\n", "1.2.3.4:0");
    CHECK_CLIENT("X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For:\r\n", "1.2.3.4:0");
    end();
}

/* The last who is known; never one further to the left. */
TEST(who_hides_ends_the_walk) {
    begin();
    CHECK_CLIENT("X-Forwarded-For: 1.2.3.4, unknown\r\n", "10.0.0.9:4711");
    CHECK_CLIENT("X-Forwarded-For: 1.2.3.4, _secret, 10.0.0.2\r\n", "10.0.0.2:0");
    CHECK_CLIENT("Forwarded: for=1.2.3.4, for=unknown\r\n", "10.0.0.9:4711");
    CHECK_CLIENT("Forwarded: for=1.2.3.4, proto=https\r\n", "10.0.0.9:4711");
    CHECK(asked.origin.secure);
    end();
}

TEST(forwarded_is_walked_likewise) {
    begin();
    CHECK_CLIENT("Forwarded: for=1.2.3.4\r\n", "1.2.3.4:0");
    CHECK_CLIENT("Forwarded: for=6.6.6.6, for=\"1.2.3.4:99\", for=10.0.0.1\r\n", "1.2.3.4:99");
    CHECK_CLIENT("Forwarded: for=6.6.6.6\r\nForwarded: for=\"[2001:db8::1]:5\"\r\n",
                 "2001:db8::1:5");
    CHECK_CLIENT("Forwarded: for=10.0.0.1, for=10.0.0.2\r\n", "10.0.0.1:0");
    end();
}

TEST(the_scheme) {
    begin();
    CHECK_INT(ask("X-Forwarded-Proto: https\r\n"), 0);
    CHECK(asked.origin.secure);
    CHECK(client_is("10.0.0.9:4711"));
    CHECK_INT(ask("X-Forwarded-Proto: WSS\r\n"), 0);
    CHECK(asked.origin.secure);
    CHECK_INT(ask("X-Forwarded-Proto:\r\n"), 0);
    CHECK(!asked.origin.secure);
    asked.secure = true;
    CHECK_INT(ask("X-Forwarded-Proto: http\r\n"), 0);
    CHECK(!asked.origin.secure);
    CHECK_INT(ask("X-Forwarded-For: 1.2.3.4\r\n"), 0);
    CHECK(asked.origin.secure);
    end();
}

/* Of the hop where the walk ends, or the next to the right that says it. */
TEST(scheme_and_host_of_forwarded) {
    begin();
    asked.rules.host = true;
    CHECK_CLIENT("Forwarded: for=6.6.6.6;proto=http;host=evil, "
                 "for=1.2.3.4;proto=https;host=a, for=10.0.0.1;proto=http;host=b\r\n",
                 "1.2.3.4:0");
    CHECK(asked.origin.secure);
    CHECK_TEXT(asked.origin.host, "a");
    CHECK_CLIENT("Forwarded: for=6.6.6.6;proto=http;host=evil, "
                 "for=1.2.3.4, for=10.0.0.1;proto=https;host=b\r\n",
                 "1.2.3.4:0");
    CHECK(asked.origin.secure);
    CHECK_TEXT(asked.origin.host, "b");
    end();
}

static void check_host(const char *host, const char *fields, const char *name, unsigned port) {
    CHECK_INT(ask_host(host, fields), 0);
    CHECK(asked.origin.renamed);
    CHECK_SLICE(asked.origin.host, slice_of(name, strlen(name)));
    CHECK_INT(asked.origin.port, port);
}

TEST(host_and_port) {
    begin();
    CHECK_INT(ask("X-Forwarded-Host: a.example\r\nX-Forwarded-Port: 99\r\n"), 0);
    CHECK(!asked.origin.renamed); /* not asked for */
    asked.rules.host = true;
    check_host("h", "X-Forwarded-Host: a.example\r\n", "a.example", 0);
    check_host("h:1", "X-Forwarded-Host: a.example\r\n", "a.example", 0);
    check_host("h", "X-Forwarded-Host: a.example:8443\r\n", "a.example", 8443);
    check_host("h", "X-Forwarded-Host: a.example:80\r\n", "a.example", 0);
    check_host("h", "X-Forwarded-Host: a:80\r\nX-Forwarded-Proto: https\r\n", "a", 80);
    check_host("h", "X-Forwarded-Host: a:443\r\nX-Forwarded-Proto: https\r\n", "a", 0);
    check_host("h", "X-Forwarded-Host: a:1\r\nX-Forwarded-Port: 8443\r\n", "a", 8443);
    check_host("h:8000", "X-Forwarded-Port: 8443\r\n", "h", 8443);
    check_host("h:8000", "X-Forwarded-Port: 80\r\n", "h", 0);
    check_host("[::1]:8000", "X-Forwarded-Port: 81\r\n", "[::1]", 81);
    check_host("h", "Forwarded: for=1.2.3.4;host=\"a.example:8443\"\r\n", "a.example", 8443);
    CHECK_INT(ask_host("", "X-Forwarded-Port: 81\r\n"), 0);
    CHECK(!asked.origin.renamed); /* there is no name to put it behind */
    end();
}

TEST(both_kinds) {
    begin();
    CHECK_INT(ask("Forwarded: for=1.2.3.4\r\nX-Forwarded-For: 6.6.6.6\r\n"), ERR_FORWARDED_BOTH);
    CHECK_INT(ask("X-Forwarded-Proto: https\r\nForwarded: for=1.2.3.4\r\n"), ERR_FORWARDED_BOTH);
    CHECK_INT(ask("X-Forwarded-For:\r\nForwarded:\r\n"), ERR_FORWARDED_BOTH);
    CHECK_INT(ask("X-Forwarded-Host: a\r\nForwarded: for=1.2.3.4\r\n"), 0);
    asked.rules.host = true;
    CHECK_INT(ask("X-Forwarded-Host: a\r\nForwarded: for=1.2.3.4\r\n"), ERR_FORWARDED_BOTH);
    end();
}

/* Then the other one is the client's, and as good as not there. */
TEST(one_kind_is_chosen) {
    begin();
    asked.rules.kind = ORIGIN_X_FORWARDED;
    CHECK_CLIENT("Forwarded: for=\"\r\nX-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4:0");
    CHECK_CLIENT("Forwarded: for=1.2.3.4\r\n", "10.0.0.9:4711");
    asked.rules.kind = ORIGIN_FORWARDED;
    CHECK_CLIENT("Forwarded: for=1.2.3.4\r\nX-Forwarded-For: !\r\n", "1.2.3.4:0");
    CHECK_CLIENT("X-Forwarded-For: 1.2.3.4\r\n", "10.0.0.9:4711");
    end();
}

TEST(what_a_trusted_peer_says_and_cannot_be_read) {
    begin();
    asked.rules.host = true;
    CHECK_INT(ask("X-Forwarded-For: 1.2.3.4, nobody\r\n"), ERR_FORWARDED_FOR);
    CHECK_INT(ask("X-Forwarded-For: !, 10.0.0.1\r\n"), ERR_FORWARDED_FOR);
    CHECK_INT(ask("X-Forwarded-Proto: https, http\r\n"), ERR_FORWARDED_PROTO);
    CHECK_INT(ask("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n"), ERR_FORWARDED_PROTO);
    CHECK_INT(ask("X-Forwarded-Proto: gopher\r\n"), ERR_FORWARDED_PROTO);
    CHECK_INT(ask("X-Forwarded-Host: a, b\r\n"), ERR_FORWARDED_HOST);
    CHECK_INT(ask("X-Forwarded-Host: a/b\r\n"), ERR_FORWARDED_HOST);
    CHECK_INT(ask("X-Forwarded-Host: a\r\nX-Forwarded-Host: b\r\n"), ERR_FORWARDED_HOST);
    CHECK_INT(ask("X-Forwarded-Port: 80, 80\r\n"), ERR_FORWARDED_PORT);
    CHECK_INT(ask("X-Forwarded-Port: 0\r\n"), ERR_FORWARDED_PORT);
    CHECK_INT(ask("X-Forwarded-Port: 80\r\nX-Forwarded-Port: 81\r\n"), ERR_FORWARDED_PORT);
    /* the client's open quote would hide what the proxy has put behind it */
    CHECK_INT(ask("Forwarded: for=\", for=1.2.3.4\r\n"), ERR_FORWARDED);
    CHECK_INT(ask("Forwarded: for=\"\r\nForwarded: for=1.2.3.4\r\n"), ERR_FORWARDED);
    end();
}

static void check_long(const char *name, const char *one, const char *client, int hops,
                       const char *first) {
    char fields[8192];
    int len = snprintf(fields, sizeof fields, "%s: %s", name, first);
    for (int i = 0; i < hops; i++) {
        len += snprintf(fields + len, sizeof fields - (size_t)len, ", %s", one);
    }
    snprintf(fields + len, sizeof fields - (size_t)len, "\r\n");
    int err = ask(fields);
    CHECK_INT(err, hops < ORIGIN_HOPS ? 0 : ERR_FORWARDED_LONG);
    CHECK(err || client_is(client));
}

TEST(trusted_hops_are_bounded) {
    begin();
    check_long("X-Forwarded-For", "10.0.0.1", "1.2.3.4:0", ORIGIN_HOPS - 1, "1.2.3.4");
    check_long("X-Forwarded-For", "10.0.0.1", "1.2.3.4:0", ORIGIN_HOPS, "1.2.3.4");
    check_long("Forwarded", "for=10.0.0.1", "1.2.3.4:0", ORIGIN_HOPS - 1, "for=1.2.3.4");
    check_long("Forwarded", "for=10.0.0.1", "1.2.3.4:0", ORIGIN_HOPS, "for=1.2.3.4");
    /* what the client puts before them is not */
    char fields[8192];
    int len = 0;
    for (int i = 0; i < 3 * ORIGIN_HOPS; i++) {
        len += snprintf(fields + len, sizeof fields - (size_t)len, "%s for=9.9.9.9",
                        i == 0 ? "Forwarded:" : ",");
    }
    snprintf(fields + len, sizeof fields - (size_t)len, ", for=1.2.3.4\r\n");
    CHECK_CLIENT(fields, "1.2.3.4:0");
    end();
}

TEST(everybody_is_trusted) {
    begin();
    MUST(trust_add(&asked.rules.trusted, SLICE("*")) == 0);
    asked.peer = (struct peer){.family = PEER_UNIX};
    CHECK_CLIENT("X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n", "6.6.6.6:0");
    end();
}
