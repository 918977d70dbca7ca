/* Tests of wire/forwarded.h; every text stands at the end of a page. */
#include "wire/forwarded.h"

#include "base/err.h"
#include "unit/test.h"
#include "unit/wire/guard.h"

#include "base/banned.h"

static struct guard guard;

static struct slice put(struct slice text) {
    return slice_of(guard_put(&guard, text.at, text.len), text.len);
}

/* "4 192.0.2.1 80", "6 …", "- 0" (hidden), as the tests write a node. */
static void write_node(const struct node *node, char *text, size_t size) {
    if (node->kind == NODE_IPV4) {
        snprintf(text, size, "%u.%u.%u.%u:%u", node->ip[0], node->ip[1], node->ip[2], node->ip[3],
                 node->port);
    } else if (node->kind == NODE_IPV6) {
        snprintf(text, size, "[%02x%02x::%x]:%u", node->ip[0], node->ip[1], node->ip[15],
                 node->port);
    } else {
        snprintf(text, size, "-:%u", node->port);
    }
}

/* --- X-Forwarded-For --- */

/* All of the list, from the right, parted by spaces; "!" where it is malformed. */
static void check_for(struct slice value, const char *expected) {
    char text[512] = "";
    struct slice rest = put(value);
    struct node node;
    int err;
    while (forwarded_for_last(&rest, &node, &err)) {
        char one[64];
        write_node(&node, one, sizeof one);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", text[0] ? " " : "", one);
    }
    if (err) {
        CHECK_INT(err, ERR_FORWARDED_FOR);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s!", text[0] ? " " : "");
    }
    if (!CHECK(strcmp(text, expected) == 0)) {
        test_print_slice(value);
        fprintf(stderr, " gave \"%s\", not \"%s\"\n", text, expected);
    }
}

TEST(x_forwarded_for) {
    guard = guard_new();
    check_for(SLICE(""), "");
    check_for(SLICE(" , ,"), "");
    check_for(SLICE("192.0.2.1"), "192.0.2.1:0");
    check_for(SLICE("1.2.3.4, 5.6.7.8,\t9.9.9.9 "), "9.9.9.9:0 5.6.7.8:0 1.2.3.4:0");
    check_for(SLICE(",1.2.3.4,,5.6.7.8,"), "5.6.7.8:0 1.2.3.4:0");
    check_for(SLICE("1.2.3.4:80"), "1.2.3.4:80");
    check_for(SLICE("2001:db8::1"), "[2001::1]:0");
    check_for(SLICE("[2001:db8::1]"), "[2001::1]:0");
    check_for(SLICE("[2001:db8::1]:65535"), "[2001::1]:65535");
    check_for(SLICE("unknown, UNKNOWN, _gate-1.a, _x:_y, unknown:80"), "-:80 -:0 -:0 -:0 -:0");
    /* what is left of a good element is never looked at before it is asked for */
    check_for(SLICE("<script>, 1.2.3.4"), "1.2.3.4:0 !");
    guard_free(&guard);
}

TEST(x_forwarded_for_that_is_malformed) {
    static const char *const bad[] = {
        "a",          "1.2.3",          "1.2.3.4:",     "1.2.3.4:65536", "1.2.3.4:+1",
        "1.2.3.4:x",  "01.2.3.4",       "1.2.3.4 5",    "\"1.2.3.4\"",   "[1.2.3.4]",
        "[::1",       "[::1]80",        "::1%eth0",     "[::1%1]",       "fe80::1]:80",
        "_",          "_a b",           "-x",           "unknown:",      "localhost",
        "1.2.3.4;80", "1.2.3.4:000080", "1.2.3.4:_",    "[]:80",         "for=1.2.3.4",
        ":::",        "1.2.3.4/32",     "1.2.3.4:8080a"};
    guard = guard_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check_for(slice_of(bad[i], strlen(bad[i])), "!");
    }
    guard_free(&guard);
}

/* --- Forwarded --- */

static void check_hops(struct slice value, const char *expected) {
    static const char *const schemes[] = {"", " http", " https"};
    char text[512] = "";
    struct slice rest = put(value);
    struct hop hop;
    int err;
    while (forwarded_next(&rest, &hop, &err)) {
        char one[64];
        write_node(&hop.node, one, sizeof one);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s%s%.*s",
                 text[0] ? ", " : "", one, schemes[hop.scheme], hop.host.len > 0 ? " " : "",
                 (int)hop.host.len, (const char *)hop.host.at);
    }
    if (err) {
        CHECK_INT(err, ERR_FORWARDED);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s!", text[0] ? ", " : "");
    }
    if (!CHECK(strcmp(text, expected) == 0)) {
        test_print_slice(value);
        fprintf(stderr, " gave \"%s\", not \"%s\"\n", text, expected);
    }
}

TEST(forwarded) {
    guard = guard_new();
    check_hops(SLICE(""), "");
    check_hops(SLICE(" , ,\t"), "");
    check_hops(SLICE("for=192.0.2.60;proto=http;by=203.0.113.43"), "192.0.2.60:0 http");
    check_hops(SLICE("For=\"[2001:db8:cafe::17]:4711\""), "[2001::17]:4711");
    check_hops(SLICE("for=192.0.2.43, for=198.51.100.17"), "192.0.2.43:0, 198.51.100.17:0");
    check_hops(SLICE("for=192.0.2.43,for=\"[2001:db8:cafe::17]\";host=\"a.example:8443\""),
               "192.0.2.43:0, [2001::17]:0 a.example:8443");
    check_hops(SLICE("for=\"_mdn\", for=_SEVKISEK, for=unknown, FOR=\"unknown:_p\""),
               "-:0, -:0, -:0, -:0");
    check_hops(SLICE("proto=https"), "-:0 https");
    check_hops(SLICE("proto=HTTPS ; host=a ;for=1.2.3.4 , proto=ws"),
               "1.2.3.4:0 https a, -:0 http");
    check_hops(SLICE("for=1.2.3.4;"), "1.2.3.4:0");
    check_hops(SLICE(";;for=1.2.3.4"), "1.2.3.4:0");
    /* what is not known may hold anything that its quotes keep in */
    check_hops(SLICE("by=\"a,b;for=6.6.6.6\\\"\";secret=x;for=1.2.3.4"), "1.2.3.4:0");
    guard_free(&guard);
}

TEST(forwarded_that_is_malformed) {
    static const char *const bad[] = {
        "for",
        "for=",
        "=1.2.3.4",
        "for =1.2.3.4",
        "for= 1.2.3.4",
        "for=1.2.3.4:80",    /* a colon needs quotes */
        "for=[::1]",         /* so do brackets */
        "for=\"::1\"",       /* and an address of IPv6 needs brackets */
        "for=\"1.2.3.4",     /* what follows an open quote is nobody's */
        "for=\"1.2.3.4\\\"", /* … */
        "for=\"\\",
        "for=\"1.2.3\\.4\"", /* stands for other bytes than it shows */
        "for=\"\"",
        "for=a",
        "for=1.2.3.4 proto=http",
        "for=1.2.3.4;for=1.2.3.4",
        "proto=http;proto=https",
        "host=a;host=b",
        "proto=ftp",
        "proto=\"https,http\"",
        "host=\"a/b\"",
        "host=\"a@b\"",
        "host=\"\"",
        "host=\"a,b\"",
        "for=1.2.3.4;\x80",
    };
    guard = guard_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check_hops(slice_of(bad[i], strlen(bad[i])), "!");
    }
    check_hops(SLICE("for=\", for=1.2.3.4"), "!"); /* the client's quote, the proxy's element */
    check_hops(SLICE("for=1.2.3.4, x"), "1.2.3.4:0, !");
    guard_free(&guard);
}

/* --- one value --- */

TEST(scheme) {
    enum forwarded_scheme scheme = SCHEME_UNSAID;
    CHECK_INT(forwarded_proto(SLICE("https"), &scheme), 0);
    CHECK_INT(scheme, SCHEME_HTTPS);
    CHECK_INT(forwarded_proto(SLICE("Http"), &scheme), 0);
    CHECK_INT(scheme, SCHEME_HTTP);
    CHECK_INT(forwarded_proto(SLICE("wss"), &scheme), 0);
    CHECK_INT(scheme, SCHEME_HTTPS);
    CHECK_INT(forwarded_proto(SLICE("ws"), &scheme), 0);
    CHECK_INT(scheme, SCHEME_HTTP);
    CHECK_INT(forwarded_proto(SLICE("https,http"), &scheme), ERR_FORWARDED_PROTO);
    CHECK_INT(forwarded_proto(SLICE("https://"), &scheme), ERR_FORWARDED_PROTO);
    CHECK_INT(forwarded_proto(SLICE(""), &scheme), ERR_FORWARDED_PROTO);
}

TEST(port) {
    uint16_t port;
    CHECK_INT(forwarded_port(SLICE("443"), &port), 0);
    CHECK_INT(port, 443);
    CHECK_INT(forwarded_port(SLICE("65535"), &port), 0);
    CHECK_INT(forwarded_port(SLICE("65536"), &port), ERR_FORWARDED_PORT);
    CHECK_INT(forwarded_port(SLICE("0"), &port), ERR_FORWARDED_PORT);
    CHECK_INT(forwarded_port(SLICE(""), &port), ERR_FORWARDED_PORT);
    CHECK_INT(forwarded_port(SLICE("443, 80"), &port), ERR_FORWARDED_PORT);
    CHECK_INT(forwarded_port(SLICE("-1"), &port), ERR_FORWARDED_PORT);
    CHECK_INT(forwarded_port(SLICE("000443"), &port), ERR_FORWARDED_PORT);
}

static void check_split(const char *authority, const char *name, unsigned port) {
    struct slice found;
    uint16_t number;
    forwarded_split(slice_of(authority, strlen(authority)), &found, &number);
    CHECK_SLICE(found, slice_of(name, strlen(name)));
    CHECK_INT(number, port);
}

TEST(split) {
    check_split("a.example", "a.example", 0);
    check_split("a.example:8443", "a.example", 8443);
    check_split("a.example:", "a.example", 0);
    check_split("[::1]", "[::1]", 0);
    check_split("[::1]:80", "[::1]", 80);
    check_split("", "", 0);
}
