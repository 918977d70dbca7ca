/* Tests of http/request_id.h: which ids are made, and which are taken. */
#include "http/request_id.h"

#include <string.h>

#include "http/rig_test.h"

#include "base/banned.h"

/* The id that a request with these fields gets. */
static struct slice id_of(enum request_id_mode mode, bool trusted, const char *fields) {
    static char room[REQUEST_ID_MAX];
    static struct request_id_store store;
    char text[1024];
    struct field slots[16];
    struct head head;
    struct trust trust;
    struct peer peer = {.family = PEER_IPV4, .ip = {192, 0, 2, 1}};
    struct head_limits limits = {.line = 8192, .head = 65536, .fields = 16};
    int len = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", fields);
    trust_init(&trust);
    CHECK_INT(trust_add(&trust, trusted ? SLICE("192.0.2.0/24") : SLICE("198.51.100.1")), 0);
    head_init(&head, slots);
    CHECK_INT(head_parser_best()->parse(&head, (const uint8_t *)text, (size_t)len, &limits), len);
    struct request_id_rules rules = {.mode = mode, .trusted = &trust};
    size_t size = request_id_find(&rules, &store, &peer, &head, (const uint8_t *)text, room);
    trust_release(&trust);
    return slice_of(room, size);
}

static bool is_made(struct slice id) {
    bool hex = id.len == REQUEST_ID_MADE;
    for (size_t i = 0; i < id.len; i++) {
        hex &= memchr("0123456789abcdef", id.at[i], 16) != NULL;
    }
    return hex;
}

TEST(made_ones_differ) {
    char seen[100][REQUEST_ID_MADE];
    for (int i = 0; i < 100; i++) {
        struct slice id = id_of(REQUEST_ID_MAKE, true, "X-Request-ID: mine\r\n");
        CHECK(is_made(id));
        memcpy(seen[i], id.at, REQUEST_ID_MADE);
        for (int j = 0; j < i; j++) {
            CHECK(memcmp(seen[i], seen[j], REQUEST_ID_MADE) != 0);
        }
    }
}

TEST(taken_from_who_is_trusted) {
    CHECK_TEXT(id_of(REQUEST_ID_TAKE, true, "x-request-id: a-B_9.~:+/=@z\r\n"), "a-B_9.~:+/=@z");
    CHECK(is_made(id_of(REQUEST_ID_TAKE, false, "X-Request-ID: a\r\n")));
    CHECK(is_made(id_of(REQUEST_ID_TAKE, true, "")));
}

TEST(what_could_harm_a_log_is_not_taken) {
    static const char *const fields[] = {
        "X-Request-ID: \r\n",    "X-Request-ID: a b\r\n",
        "X-Request-ID: a\"\r\n", "X-Request-ID: a\x80\r\n",
        "X-Request-ID: a,b\r\n", "X-Request-ID: a\r\nX-Request-ID: b\r\n",
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        CHECK(is_made(id_of(REQUEST_ID_TAKE, true, fields[i])));
    }
}

TEST(long_ones) {
    char field[256];
    for (int len = REQUEST_ID_MAX; len <= REQUEST_ID_MAX + 1; len++) {
        snprintf(field, sizeof(field), "X-Request-ID: %0*d\r\n", len, 0);
        struct slice id = id_of(REQUEST_ID_TAKE, true, field);
        CHECK_INT(id.len, len == REQUEST_ID_MAX ? REQUEST_ID_MAX : REQUEST_ID_MADE);
    }
}
