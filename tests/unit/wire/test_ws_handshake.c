/* Tests of wire/ws_handshake.h: requests that ask for a WebSocket, parsed and judged as http/
 * does it. */
#include "wire/ws_handshake.h"

#include "base/err.h"
#include "unit/test.h"
#include "unit/wire/guard.h"

#include "base/banned.h"

#define REQUEST "GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static struct ws_offer offer;

static int check(const char *text) {
    static const struct head_limits limits = {.line = 8192, .head = 65536, .fields = 100};
    struct guard guard = guard_new();
    struct field fields[100];
    struct head head;
    struct request_rules rules;
    size_t len = strlen(text);
    const uint8_t *bytes = guard_put(&guard, text, len);
    memset(&offer, 0xAA, sizeof offer);
    head_init(&head, fields);
    ssize_t used = head_parser_best()->parse(&head, bytes, len, &limits);
    int result = INT32_MIN;
    if (CHECK_INT(used, len) && CHECK_INT(http_rules_request(&head, bytes, &rules), 0)) {
        result = ws_handshake_check(&head, bytes, &rules, &offer);
    }
    guard_free(&guard);
    return result;
}

TEST(the_example_of_the_rfc) {
    CHECK_INT(check("GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    "Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n"
                    "Sec-WebSocket-Version: 13\r\n\r\n"),
              1);
    CHECK_TEXT(slice_of(offer.accept, sizeof offer.accept), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK_INT(offer.count, 0);
}

TEST(other_ways_to_say_the_same) {
    static const char *const heads[] = {
        REQUEST "upgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n" KEY VERSION "\r\n",
        REQUEST "Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n",
        REQUEST "Upgrade: a/1 , ,b/2.0,\tWEBSOCKET\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n",
        REQUEST "Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: foo\r\n"
                "Connection: Upgrade\r\n" KEY VERSION "\r\n",
        REQUEST UPGRADE KEY VERSION "Content-Length: 0\r\n\r\n",
        "GET http://a.example/ HTTP/1.1\r\nHost: b\r\n" VERSION KEY UPGRADE "\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        if (!CHECK_INT(check(heads[i]), 1)) {
            fprintf(stderr, "  in %s\n", heads[i]);
        }
        CHECK_TEXT(slice_of(offer.accept, sizeof offer.accept), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}

/* RFC 9110 section 7.8: what is not asked for as it must be is not asked for. */
TEST(requests_that_ask_for_nothing) {
    static const char *const heads[] = {
        REQUEST "\r\n",
        REQUEST KEY VERSION "\r\n",
        REQUEST "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n",
        REQUEST "Upgrade: websocket/13\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n",
        REQUEST "Upgrade: websockets\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n",
        REQUEST "Upgrade: web socket\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n",
        REQUEST "Upgrade: websocket\r\nConnection: keep-alive\r\n" KEY VERSION "\r\n",
        REQUEST "Upgrade: websocket\r\n" KEY VERSION "\r\n",
        "GET / HTTP/1.0\r\n" UPGRADE KEY VERSION "\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        if (!CHECK_INT(check(heads[i]), 0)) {
            fprintf(stderr, "  in %s\n", heads[i]);
        }
    }
}

struct broken {
    int err;
    const char *head;
};

TEST(handshakes_that_are_broken) {
    static const struct broken rows[] = {
        {ERR_WS_METHOD, "POST / HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n"},
        {ERR_WS_METHOD, "get / HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n"},
        {ERR_WS_METHOD, "HEAD / HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n"},
        {ERR_WS_BODY, REQUEST UPGRADE KEY VERSION "Content-Length: 1\r\n\r\n"},
        {ERR_WS_BODY, REQUEST UPGRADE KEY VERSION "Transfer-Encoding: chunked\r\n\r\n"},
        {ERR_WS_VERSION, REQUEST UPGRADE KEY "\r\n"},
        {ERR_WS_VERSION, REQUEST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n"},
        {ERR_WS_VERSION, REQUEST UPGRADE KEY "Sec-WebSocket-Version: 013\r\n\r\n"},
        {ERR_WS_VERSION, REQUEST UPGRADE KEY "Sec-WebSocket-Version: 13, 8\r\n\r\n"},
        {ERR_WS_VERSION, REQUEST UPGRADE KEY VERSION VERSION "\r\n"},
        {ERR_WS_VERSION, REQUEST UPGRADE "\r\n"}, /* the version says how the rest is read */
        {ERR_WS_KEY, REQUEST UPGRADE VERSION "\r\n"},
        {ERR_WS_KEY, REQUEST UPGRADE VERSION KEY KEY "\r\n"},
        {ERR_WS_KEY, REQUEST UPGRADE VERSION "Sec-WebSocket-Key:\r\n\r\n"},
        {ERR_WS_KEY, REQUEST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n"},
        {ERR_WS_KEY,
         REQUEST UPGRADE VERSION "Sec-WebSocket-Key: dGhl\xC3\xA9NhbXBsZSBub25jZQ==\r\n\r\n"},
        {ERR_WS_EXTENSIONS, REQUEST UPGRADE KEY VERSION "Sec-WebSocket-Extensions: (\r\n\r\n"},
        {ERR_WS_EXTENSIONS, REQUEST UPGRADE KEY VERSION "Sec-WebSocket-Extensions: a b\r\n\r\n"},
        {ERR_WS_EXTENSIONS,
         REQUEST UPGRADE KEY VERSION "Sec-WebSocket-Extensions: permessage-deflate;\r\n"
                                     "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"},
        {ERR_WS_EXTENSIONS,
         REQUEST UPGRADE KEY VERSION "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                                     "Sec-WebSocket-Extensions: x; y=\"z\r\n\r\n"},
        {ERR_WS_EXTENSIONS,
         REQUEST UPGRADE KEY VERSION "Sec-WebSocket-Extensions: x; y=\"z z\"\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!CHECK_INT(check(rows[i].head), rows[i].err)) {
            fprintf(stderr, "  in %s\n", rows[i].head);
        }
    }
    CHECK_INT(err_status(ERR_WS_VERSION), 426);
    CHECK_INT(err_status(ERR_WS_KEY), 400);
}

TEST(offers_come_from_all_fields) {
    static const struct ws_deflate_wishes wishes = {.server_bits = 12, .client_bits = 12};
    struct ws_deflate_params params;
    CHECK_INT(
        check(REQUEST UPGRADE KEY VERSION
              "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8, foo\r\n"
              "Sec-WebSocket-Extensions:\r\n"
              "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10, "
              "permessage-deflate\r\n\r\n"),
        1);
    CHECK_INT(offer.count, 3);
    ws_offer_deflate(&offer, &wishes, &params);
    CHECK(params.on);
    CHECK_INT(params.server_bits, 10); /* the first could not be served */
    CHECK_INT(check(REQUEST UPGRADE KEY VERSION "Sec-WebSocket-Extensions: permessage-deflate; "
                                                "server_max_window_bits=8\r\n\r\n"),
              1);
    ws_offer_deflate(&offer, &wishes, &params);
    CHECK(!params.on);
    CHECK_INT(check(REQUEST UPGRADE KEY VERSION "\r\n"), 1);
    ws_offer_deflate(&offer, &wishes, &params);
    CHECK(!params.on);
}

TEST(more_offers_than_are_kept) {
    CHECK_INT(check(REQUEST UPGRADE KEY VERSION
                    "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate, "
                    "permessage-deflate, permessage-deflate, permessage-deflate, x\r\n\r\n"),
              1);
    CHECK_INT(offer.count, WS_OFFERS);
}

static void check_protocols(struct slice list, const char *joined, bool whole) {
    struct guard guard = guard_new();
    struct slice rest = slice_of(guard_put(&guard, list.at, list.len), list.len);
    struct slice token;
    char found[100];
    size_t len = 0;
    while (ws_protocol_next(&rest, &token) && CHECK(len + token.len + 1 < sizeof found)) {
        memcpy(found + len, token.at, token.len);
        len += token.len;
        found[len++] = '|';
    }
    CHECK_SLICE(slice_of(found, len), slice_of(joined, strlen(joined)));
    CHECK_INT(rest.len == 0, whole);
    guard_free(&guard);
}

TEST(subprotocols) {
    check_protocols(SLICE(""), "", true);
    check_protocols(SLICE("chat"), "chat|", true);
    check_protocols(SLICE(" chat ,\tsuperchat"), "chat|superchat|", true);
    check_protocols(SLICE(",, a,,b , ,"), "a|b|", true);
    check_protocols(SLICE("a b"), "", false);
    check_protocols(SLICE("a, b c, d"), "a|", false);
    check_protocols(SLICE("a, \"b\", c"), "a|", false);
    check_protocols(SLICE("a,\xC3\xA9"), "a|", false);
    check_protocols(SLICE("wamp.2.json,v1/x"), "wamp.2.json|", false);
}
