/* Tests of connections behind proxies: the PROXY protocol before the first request, the fields of
 * trusted peers, and the server's health. The socket's peer is 192.0.2.1:4711. */
#include "http/rig_test.h"
#include "must.h"

#include "base/banned.h"

#define OK_EMPTY   "HTTP/1.1 200 OK\r\n" OWN_LINES "Content-Length: 0\r\n\r\n"
#define GET(lines) "GET /a HTTP/1.1\r\nHost: h\r\n" lines "\r\n"
#define V1         "PROXY TCP4 198.51.100.7 192.0.2.99 5000 443\r\n"
#define V2_LOCAL   "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"

static struct trust trusted;
static struct origin_rules rules;

/* A server that trusts `word` about what a connection begins with, and about fields. */
static void open_with(struct rig *rig, const char *word, bool prefaced) {
    trust_init(&trusted);
    rules = (struct origin_rules){.kind = ORIGIN_AUTO};
    MUST(trust_add(&trusted, slice_of(word, strlen(word))) == 0);
    MUST(trust_add(&rules.trusted, slice_of(word, strlen(word))) == 0);
    rig->prefaced = prefaced;
    rig->config.prefaced = prefaced ? &trusted : NULL;
    rig->config.origin = &rules;
    rig_open(rig);
}

static void forget(void) {
    trust_release(&trusted);
    trust_release(&rules.trusted);
}

static bool client_is(const struct rig *rig, const char *expected) {
    char ip[PEER_TEXT];
    char text[PEER_TEXT + 8];
    peer_ip_text(&rig->gateway.origin.client, ip);
    snprintf(text, sizeof(text), "%s:%u", ip, rig->gateway.origin.client.port);
    return strcmp(text, expected) == 0;
}

static void check_log(struct rig *rig, const char *text, enum log_level level) {
    const struct log_line *line = log_next(&rig->server.log);
    if (CHECK(line != NULL)) {
        CHECK_SLICE(slice_of(line->text, line->len), slice_of(text, strlen(text)));
        CHECK_INT(line->level, level);
    }
}

RIG_TEST(a_proxy_header_names_the_client_of_each_request) {
    open_with(rig, "192.0.2.1", true);
    rig_send(rig, SLICE(V1 GET("")));
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    CHECK(client_is(rig, "198.51.100.7:5000"));
    rig_send(rig, SLICE(GET("")));
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    CHECK(client_is(rig, "198.51.100.7:5000"));
    forget();
}

RIG_TEST(a_check_of_the_proxy_is_its_own) {
    open_with(rig, "192.0.2.1", true);
    rig_send(rig, SLICE(V2_LOCAL GET("")));
    CHECK_TEXT(rig_output(rig), OK_EMPTY);
    CHECK(client_is(rig, "192.0.2.1:4711"));
    forget();
}

/* Whose fields count is decided by whom the PROXY header names. */
RIG_TEST(fields_of_a_client_whom_a_proxy_header_names) {
    open_with(rig, "192.0.2.1", true);
    rig_send(rig, SLICE(V1 GET("X-Forwarded-For: 6.6.6.6\r\n")));
    CHECK(client_is(rig, "198.51.100.7:5000"));
    forget();
}

RIG_TEST(a_connection_without_a_proxy_header_is_closed) {
    open_with(rig, "192.0.2.1", true);
    rig_send(rig, SLICE(GET("")));
    CHECK_TEXT(rig_output(rig), "");
    CHECK_INT(rig->peer.why, CLOSE_PREFACE);
    CHECK_INT(rig->server.counters.closed[CLOSE_PREFACE], 1);
    CHECK_TEXT(fake_journal(&rig->gateway), "");
    check_log(rig,
              "closed the connection of 192.0.2.1:4711: no header of the PROXY protocol: "
              "it begins with something else",
              LOG_LEVEL_WARNING);
    forget();
}

RIG_TEST(a_proxy_header_that_is_malformed) {
    open_with(rig, "192.0.2.1", true);
    rig_send(rig, SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 0 99999\r\n" GET("")));
    CHECK_INT(rig->peer.why, CLOSE_PREFACE);
    CHECK_TEXT(fake_journal(&rig->gateway), "");
    forget();
}

/* Only first: it is no part of HTTP. */
RIG_TEST(a_second_proxy_header_is_refused) {
    open_with(rig, "192.0.2.1", true);
    rig_send(rig, SLICE(V1 V1));
    CHECK(begins(rig_output(rig), SLICE("HTTP/1.1 400 ")));
    CHECK_TEXT(fake_journal(&rig->gateway), "");
    forget();
}

RIG_TEST(a_proxy_header_where_none_is_spoken_is_refused) {
    open_with(rig, "192.0.2.1", false);
    rig_send(rig, SLICE(V1 GET("")));
    CHECK(begins(rig_output(rig), SLICE("HTTP/1.1 400 ")));
    CHECK_TEXT(fake_journal(&rig->gateway), "");
    forget();
}

RIG_TEST(a_proxy_header_that_does_not_come) {
    rig->config.timeout_headers = 3000;
    open_with(rig, "192.0.2.1", true);
    rig_send(rig, SLICE("PROXY TCP4"));
    rig_pass(rig, 3000 + WHEEL_TICK);
    CHECK_TEXT(rig_output(rig), ""); /* it speaks no HTTP yet */
    CHECK_INT(rig->peer.why, CLOSE_PREFACE_TIMEOUT);
    check_log(rig,
              "closed the connection of 192.0.2.1:4711: no header of the PROXY protocol within "
              "--timeout-headers",
              LOG_LEVEL_WARNING);
    forget();
}

RIG_TEST(a_request_that_does_not_come_behind_a_proxy_header) {
    rig->config.timeout_headers = 3000;
    open_with(rig, "192.0.2.1", true);
    rig_send(rig, SLICE(V1));
    rig_pass(rig, 3000 + WHEEL_TICK);
    CHECK(begins(rig_output(rig), SLICE("HTTP/1.1 408 ")));
    check_log(rig,
              "refused 198.51.100.7:5000 with 408: the head did not arrive within "
              "--timeout-headers: \"\"",
              LOG_LEVEL_WARNING);
    forget();
}

RIG_TEST(the_end_before_or_inside_a_proxy_header) {
    open_with(rig, "192.0.2.1", true);
    rig_send(rig, SLICE("PROX"));
    rig->peer.half_closes = true;
    rig_settle(rig);
    CHECK_INT(rig->peer.why, CLOSE_PEER_EOF);
    forget();
}

RIG_TEST(a_peer_who_may_not_say_it_is_turned_away) {
    open_with(rig, "192.0.2.2", true);
    CHECK(rig->peer.stream == NULL); /* it was never opened */
    CHECK_INT(rig->server.counters.accepted, 1);
    CHECK_INT(rig->server.counters.closed[CLOSE_PREFACE_PEER], 1);
    CHECK_INT(rig->server.connections, 0);
    check_log(rig,
              "closed the connection of 192.0.2.1:4711: a peer that --proxy-allow-from does not "
              "name",
              LOG_LEVEL_WARNING);
    forget();
}

RIG_TEST(fields_of_a_trusted_peer) {
    open_with(rig, "192.0.2.0/24", false);
    rig_send(rig, SLICE(GET("X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n")));
    CHECK(client_is(rig, "1.2.3.4:0"));
    CHECK(rig->gateway.origin.secure);
    /* each request has its own */
    rig_send(rig, SLICE(GET("")));
    CHECK(client_is(rig, "192.0.2.1:4711"));
    CHECK(!rig->gateway.origin.secure);
    forget();
}

RIG_TEST(fields_that_cannot_be_read) {
    open_with(rig, "192.0.2.0/24", false);
    rig_send(rig, SLICE(GET("X-Forwarded-For: 1.2.3.4\r\nForwarded: for=6.6.6.6\r\n") GET("")));
    CHECK(begins(rig_output(rig), SLICE("HTTP/1.1 400 ")));
    CHECK_TEXT(fake_journal(&rig->gateway), "");
    CHECK_INT(rig->server.counters.refused, 1);
    forget();
}

/* The body's refusal names the client that the head has named. */
RIG_TEST(a_refusal_behind_the_head_names_the_client) {
    open_with(rig, "192.0.2.0/24", false);
    rig->gateway.when = FAKE_AFTER_BODY;
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                        "X-Forwarded-For: 1.2.3.4:5\r\n\r\nzz\r\n"));
    const struct log_line *line = log_next(&rig->server.log);
    CHECK(line && begins(slice_of(line->text, line->len), SLICE("refused 1.2.3.4:5 with 400: ")));
    forget();
}

/* --- health --- */

static struct fake_gateway health;

RIG_TEST(the_health_path_has_a_gateway_of_its_own) {
    fake_gateway_init(&health);
    rig->health = &health.gateway;
    rig->config.health_path = SLICE("/healthz");
    rig_open(rig);
    rig_send(rig, SLICE("GET /healthz?a=b HTTP/1.1\r\nHost: h\r\n\r\n"
                        "GET /healthz/ HTTP/1.1\r\nHost: h\r\n\r\n"
                        "GET http://h/healthz HTTP/1.1\r\nHost: h\r\n\r\n"
                        "GET /%68ealthz HTTP/1.1\r\nHost: h\r\n\r\n"));
    CHECK_TEXT(fake_journal(&health), "start GET /healthz?a=b\nstart GET http://h/healthz\n");
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /healthz/\nstart GET /%68ealthz\n");
    CHECK_INT(count_of(rig_output(rig), SLICE("HTTP/1.1 200 OK\r\n")), 4);
}

RIG_TEST(without_a_health_path_all_is_the_gateways) {
    fake_gateway_init(&health);
    rig->health = &health.gateway;
    rig_open(rig);
    rig_send(rig, SLICE("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"));
    rig_send(rig, SLICE("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"));
    CHECK_TEXT(fake_journal(&health), "");
    CHECK_TEXT(fake_journal(&rig->gateway), "start GET /healthz\nstart OPTIONS *\n");
}
