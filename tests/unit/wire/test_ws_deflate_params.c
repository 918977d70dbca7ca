/* Tests of wire/ws_deflate_params.h: each list of offers at the end of a page, and every
 * beginning of it. */
#include "wire/ws_deflate_params.h"

#include "unit/test.h"
#include "unit/wire/guard.h"

#include "base/banned.h"

enum { OFFERS = 8 };

static const struct ws_deflate_wishes no_wishes = {.server_bits = 15, .client_bits = 15};

struct reading {
    size_t count; /* of the offers that were understood */
    size_t rest;  /* bytes that are no extension, and what is behind them */
    struct ws_deflate_offer offers[OFFERS];
};

static void read_all(struct slice list, struct reading *reading) {
    struct ws_deflate_offer offer;
    int read;
    reading->count = 0;
    while ((read = ws_deflate_offer_next(&list, &offer)) >= 0) {
        if (read > 0 && CHECK(reading->count < OFFERS)) {
            reading->offers[reading->count++] = offer;
        }
    }
    reading->rest = list.len;
}

static struct reading read_text(const char *text) {
    struct guard guard = guard_new();
    struct reading reading;
    size_t len = strlen(text);
    for (size_t given = 0; given <= len; given++) {
        read_all(slice_of(guard_put(&guard, text, given), given), &reading);
    }
    guard_free(&guard);
    return reading;
}

static void check_rest(const char *text, uint8_t server_bits, uint8_t client_bits,
                       bool server_alone, bool client_alone, size_t rest) {
    struct reading reading = read_text(text);
    if (!CHECK_INT(reading.count, 1)) {
        fprintf(stderr, "  in %s\n", text);
        return;
    }
    CHECK_INT(reading.rest, rest);
    CHECK_INT(reading.offers[0].server_bits, server_bits);
    CHECK_INT(reading.offers[0].client_bits, client_bits);
    CHECK_INT(reading.offers[0].server_no_takeover, server_alone);
    CHECK_INT(reading.offers[0].client_no_takeover, client_alone);
}

static void check_offer(const char *text, uint8_t server_bits, uint8_t client_bits,
                        bool server_alone, bool client_alone) {
    check_rest(text, server_bits, client_bits, server_alone, client_alone, 0);
}

TEST(offers_that_are_understood) {
    check_offer("permessage-deflate", 0, 0, false, false);
    check_offer(" ,, Permessage-Deflate ,", 0, 0, false, false);
    check_offer("permessage-deflate; client_max_window_bits", 0, 15, false, false);
    check_offer("permessage-deflate;client_max_window_bits=8", 0, 8, false, false);
    check_offer("permessage-deflate ; server_max_window_bits = 10", 10, 0, false, false);
    check_offer("permessage-deflate; server_max_window_bits=\"15\"", 15, 0, false, false);
    check_offer("permessage-deflate; server_no_context_takeover", 0, 0, true, false);
    check_offer("permessage-deflate;\tCLIENT_NO_CONTEXT_TAKEOVER", 0, 0, false, true);
    check_offer("permessage-deflate; client_max_window_bits; server_max_window_bits=9; "
                "server_no_context_takeover; client_no_context_takeover",
                9, 15, true, true);
}

TEST(every_window) {
    for (unsigned bits = 0; bits <= 20; bits++) {
        char text[80];
        snprintf(text, sizeof text, "permessage-deflate; server_max_window_bits=%u", bits);
        struct reading reading = read_text(text);
        bool good = bits >= 8 && bits <= 15;
        CHECK_INT(reading.count, good);
        CHECK(!good || reading.offers[0].server_bits == bits);
        snprintf(text, sizeof text, "permessage-deflate; client_max_window_bits=\"%u\"", bits);
        reading = read_text(text);
        CHECK_INT(reading.count, good);
        CHECK(!good || reading.offers[0].client_bits == bits);
    }
}

/* RFC 7692 section 7.1: each is declined, and the next element is read. */
TEST(offers_that_are_declined) {
    static const char *const offers[] = {
        "x-webkit-deflate-frame",
        "x; y=\"permessage-deflate\"",
        "x; y=\"\\z\\%\"; q=1",
        "permessage-deflate; unknown",
        "permessage-deflate; unknown=\"permessage-deflate\"",
        "permessage-deflate; server_max_window_bits=\"08\"",
        "permessage-deflate; client_no_context_takeover=\"1\"",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=\"1\\0\"",
        "permessage-deflate; server_max_window_bits=ten",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=100",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
    };
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "%s, permessage-deflate; client_max_window_bits=12", offers[i]);
        check_offer(text, 0, 12, false, false);
    }
}

/* From what breaks the grammar on nothing is read; what came before stands. */
TEST(lists_that_are_none) {
    static const char *const rests[] = {
        "(",
        "permessage-deflate x",
        "permessage-deflate;",
        "permessage-deflate; ;",
        "permessage-deflate; =1",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; client_max_window_bits=\"10",
        "permessage-deflate; client_max_window_bits=\"10\\",
        "permessage-deflate; client_max_window_bits=10 11",
        "permessage-deflate=1",
        "x; y=\"z\"z",
        /* what is quoted is no token, of extensions that are not known either */
        "x; y=\"\"",
        "x; y=\"a b\"",
        "x; y=\"a,b\"",
        "x; y=\"a;b\"",
        "x; y=\"\\\"\"",
        "x; y=\"a\\\\\"",
        "x; y=\"a\\ \"",
        "x; y=\"\xe9\"",
        "permessage-bzip2; a=\"b, permessage-deflate, c\"",
        "permessage-deflate; unknown=\"permessage-deflate,\"",
        "permessage-deflate; server_max_window_bits=\" 8\"",
        "permessage-deflate; client_no_context_takeover=\"\"",
        "\"permessage-deflate\"",
    };
    for (size_t i = 0; i < sizeof rests / sizeof rests[0]; i++) {
        static const char next[] = ", permessage-deflate";
        char text[200];
        snprintf(text, sizeof text, "permessage-deflate; server_max_window_bits=11, %s%s", rests[i],
                 next);
        check_rest(text, 11, 0, false, false, strlen(rests[i]) + strlen(next));
    }
}

struct agreement {
    const char *offer;
    struct ws_deflate_wishes wishes;
    const char *answer;
};

TEST(agreements) {
    static const struct agreement rows[] = {
        {"permessage-deflate", {15, 15, false, false}, "permessage-deflate"},
        /* asked for, the server's window is answered, be it the greatest (section 7.1.2.1) */
        {"permessage-deflate; server_max_window_bits=15",
         {15, 15, false, false},
         "permessage-deflate; server_max_window_bits=15"},
        {"permessage-deflate; server_max_window_bits=10",
         {12, 15, false, false},
         "permessage-deflate; server_max_window_bits=10"},
        {"permessage-deflate; server_max_window_bits=13",
         {12, 15, false, false},
         "permessage-deflate; server_max_window_bits=12"},
        {"permessage-deflate",
         {9, 15, false, false},
         "permessage-deflate; server_max_window_bits=9"},
        /* not offered, the client's is not (section 7.1.2.2) */
        {"permessage-deflate", {15, 9, false, false}, "permessage-deflate"},
        {"permessage-deflate; client_max_window_bits",
         {15, 12, false, false},
         "permessage-deflate; client_max_window_bits=12"},
        {"permessage-deflate; client_max_window_bits=8",
         {15, 12, false, false},
         "permessage-deflate; client_max_window_bits=8"},
        {"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
         {15, 15, false, false},
         "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
        {"permessage-deflate",
         {15, 15, true, true},
         "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
        {"permessage-deflate; client_max_window_bits",
         {10, 11, true, true},
         "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
         "server_max_window_bits=10; client_max_window_bits=11"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reading reading = read_text(rows[i].offer);
        struct ws_deflate_params params;
        char answer[WS_DEFLATE_ANSWER_MAX];
        if (!CHECK_INT(reading.count, 1) ||
            !CHECK(ws_deflate_agree(&reading.offers[0], &rows[i].wishes, &params))) {
            continue;
        }
        CHECK(params.on);
        size_t len = ws_deflate_render(&params, answer);
        CHECK_SLICE(slice_of(answer, len), slice_of(rows[i].answer, strlen(rows[i].answer)));
        /* What is answered is what is done. */
        struct reading said;
        read_all(slice_of(answer, len), &said);
        CHECK_INT(said.count, 1);
        CHECK_INT(said.offers[0].server_bits ? said.offers[0].server_bits : 15, params.server_bits);
        CHECK_INT(said.offers[0].client_bits ? said.offers[0].client_bits : 15, params.client_bits);
        CHECK_INT(said.offers[0].server_no_takeover, params.server_no_takeover);
        CHECK_INT(said.offers[0].client_no_takeover, params.client_no_takeover);
        CHECK(!reading.offers[0].server_bits || said.offers[0].server_bits);
        CHECK(reading.offers[0].client_bits || !said.offers[0].client_bits);
    }
}

TEST(a_window_of_8_bits_cannot_be_served) {
    struct ws_deflate_params params;
    struct ws_deflate_offer offer = {.server_bits = 8};
    CHECK(!ws_deflate_agree(&offer, &no_wishes, &params));
    offer = (struct ws_deflate_offer){.client_bits = 8};
    CHECK(ws_deflate_agree(&offer, &no_wishes, &params));
    CHECK_INT(params.client_bits, 8);
}
