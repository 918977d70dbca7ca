/* Tests of http/ws_deflate.c: against a peer's zlib, in pieces of any size. */
#include "http/ws_deflate.h"

#include <stdlib.h>

#include "base/err.h"
#include "faults.h"
#include "http/deflated.h"
#include "test.h"

#include "base/banned.h"

enum { ROOM = 300 * 1024 };

static uint8_t packed[ROOM];
static uint8_t unpacked[ROOM];

static const struct ws_deflate_params narrow = {.on = true, .server_bits = 12, .client_bits = 12};
static const struct ws_deflate_params alone = {.on = true,
                                               .server_bits = 9,
                                               .client_bits = 15,
                                               .server_no_takeover = true,
                                               .client_no_takeover = true};

/* A message of a kind: text that repeats itself, or noise. */
static struct slice make_message(size_t len, bool noise) {
    static uint8_t bytes[200 * 1024];
    uint32_t state = 12345;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = noise ? (uint8_t)(state >> 24)
                         : (uint8_t)((uint8_t) "{\"key\": 17, "[i % 12] + i / 5000);
    }
    return slice_of(bytes, len);
}

/* Compresses a message, by `step` bytes of room. */
static struct slice pack(struct ws_deflate *self, struct slice message, size_t step) {
    size_t len = 0;
    size_t made;
    do {
        CHECK(len + step <= ROOM);
        CHECK_INT(ws_deflate(self, &message, packed + len, step, &made), 0);
        len += made;
    } while (message.len > 0 || made == step);
    ws_deflate_end(self);
    CHECK(len >= WS_DEFLATE_TAIL.len);
    len -= WS_DEFLATE_TAIL.len;
    CHECK_SLICE(slice_of(packed + len, WS_DEFLATE_TAIL.len), WS_DEFLATE_TAIL);
    return slice_of(packed, len);
}

/* Inflates a payload, by `step` bytes of room. */
static struct slice unpack(struct ws_deflate *self, struct slice payload, size_t step) {
    struct slice parts[] = {payload, WS_DEFLATE_TAIL};
    size_t len = 0;
    for (size_t i = 0; i < 2; i++) {
        size_t made;
        do {
            CHECK(len + step <= ROOM);
            if (!CHECK_INT(ws_inflate(self, &parts[i], unpacked + len, step, &made), 0)) {
                return slice_of(unpacked, len);
            }
            len += made;
        } while (parts[i].len > 0 || made == step);
    }
    ws_inflate_end(self);
    return slice_of(unpacked, len);
}

static const size_t lengths[] = {1, 64, 100, 5000, 70000, 200000};
static const size_t steps[] = {WS_DEFLATE_ROOM, 100, 4096, 80000};

static void check_both_ways(const struct ws_deflate_params *params, size_t step, bool noise) {
    struct ws_deflate *self = ws_deflate_new(params);
    struct deflated peer;
    static uint8_t bytes[ROOM];
    deflated_init(&peer, params->client_bits, params->server_bits);
    for (size_t i = 0; i < 2 * sizeof(lengths) / sizeof(lengths[0]); i++) {
        bool broken;
        struct slice message = make_message(lengths[i / 2], noise);
        struct slice payload = pack(self, message, step);
        CHECK(noise || message.len < 1000 || payload.len < message.len / 4);
        CHECK_SLICE(deflated_unpack(&peer, payload, bytes, ROOM, &broken), message);
        CHECK(!broken);
        CHECK_SLICE(unpack(self, deflated_pack(&peer, message, bytes, ROOM), step), message);
        if (params->client_no_takeover) {
            deflateReset(&peer.out);
        }
    }
    deflated_release(&peer);
    ws_deflate_free(self);
}

TEST(both_ways) {
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        check_both_ways(&narrow, steps[i], false);
        check_both_ways(&narrow, steps[i], true);
        check_both_ways(&alone, steps[i], false);
        check_both_ways(&alone, steps[i], true);
    }
}

/* Context take-over pays: the same message again is a few bytes. Without it, it is not. */
TEST(context_takeover) {
    struct ws_deflate *keeps = ws_deflate_new(&narrow);
    struct ws_deflate *forgets = ws_deflate_new(&alone);
    struct slice message = make_message(400, true);
    size_t first = pack(keeps, message, 4096).len;
    CHECK(pack(keeps, message, 4096).len < first / 10);
    first = pack(forgets, message, 4096).len;
    CHECK_INT(pack(forgets, message, 4096).len, first);
    ws_deflate_free(keeps);
    ws_deflate_free(forgets);
}

/* Without context take-over there is nothing before a message that it could refer to. */
TEST(references_to_a_message_before) {
    struct ws_deflate *forgets = ws_deflate_new(&alone);
    struct slice second = SLICE("\xf2\x00\x11\x00\x00");
    size_t made;
    CHECK_TEXT(unpack(forgets, SLICE("\xf2\x48\xcd\xc9\xc9\x07\x00"), 100), "Hello");
    CHECK_INT(ws_inflate(forgets, &second, unpacked, ROOM, &made), ERR_WS_DEFLATE);
    ws_deflate_free(forgets);
}

/* RFC 7692 section 7.2.3: all its examples say "Hello". */
TEST(examples_of_the_rfc) {
    static const struct {
        const char *payload;
        size_t len;
    } rows[] = {
        {"\xf2\x48\xcd\xc9\xc9\x07\x00", 7},                          /* 7.2.3.1 */
        {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11},         /* 7.2.3.3 */
        {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8},                      /* 7.2.3.4 */
        {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13}, /* 7.2.3.5 */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ws_deflate *self = ws_deflate_new(&narrow);
        CHECK_TEXT(unpack(self, slice_of(rows[i].payload, rows[i].len), 100), "Hello");
        ws_deflate_free(self);
    }
    /* 7.2.3.2: the second message refers to the first */
    struct ws_deflate *self = ws_deflate_new(&narrow);
    CHECK_TEXT(unpack(self, SLICE("\xf2\x48\xcd\xc9\xc9\x07\x00"), 100), "Hello");
    CHECK_TEXT(unpack(self, SLICE("\xf2\x00\x11\x00\x00"), 100), "Hello");
    ws_deflate_free(self);
}

/* RFC 7692 section 7.2.3.4: a final block ends neither a message nor the window. */
TEST(the_window_outlasts_a_final_block) {
    struct ws_deflate *self = ws_deflate_new(&narrow);
    for (size_t room = 1; room <= 12; room++) {
        CHECK_TEXT(unpack(self, SLICE("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), room), "Hello");
        CHECK_TEXT(unpack(self, SLICE("\xf2\x00\x11\x00\x00"), room), "Hello");
        CHECK_TEXT(unpack(self,
                          SLICE("\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x00\x11\x00"
                                "\xf2\x00\x11\x00\x00"),
                          room),
                   "HelloHelloHello");
    }
    ws_deflate_free(self);
}

/* Compresses a message into blocks of which the last is final, and keeps the window. */
static struct slice pack_final(struct deflated *peer, struct slice message, int bits, uint8_t *to) {
    peer->out.next_in = (Bytef *)(uintptr_t)message.at;
    peer->out.avail_in = (uInt)message.len;
    peer->out.next_out = to;
    peer->out.avail_out = ROOM - 1;
    MUST(deflate(&peer->out, Z_FINISH) == Z_STREAM_END);
    size_t len = ROOM - 1 - peer->out.avail_out;
    to[len] = 0; /* the empty block whose tail is cut off */
    size_t window = (size_t)1 << bits;
    size_t kept = message.len < window ? message.len : window;
    MUST(deflateReset(&peer->out) == Z_OK);
    MUST(deflateSetDictionary(&peer->out, message.at + message.len - kept, (uInt)kept) == Z_OK);
    return slice_of(to, len + 1);
}

/* Whatever the room, and wherever in the window a message ends. */
TEST(final_blocks_of_a_peer_that_keeps_its_window) {
    static uint8_t bytes[ROOM];
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct ws_deflate *self = ws_deflate_new(&narrow);
        struct deflated peer;
        deflated_init(&peer, narrow.client_bits, narrow.server_bits);
        for (size_t len = 3000; len < 20000; len += 1700) {
            struct slice message = make_message(len, true);
            struct slice again = slice_of(message.at + len - 3000, 3000);
            struct slice payload = pack_final(&peer, message, narrow.client_bits, bytes);
            CHECK_SLICE(unpack(self, payload, steps[i]), message);
            payload = pack_final(&peer, again, narrow.client_bits, bytes);
            CHECK(payload.len < 100);
            CHECK_SLICE(unpack(self, payload, steps[i]), again);
        }
        deflated_release(&peer);
        ws_deflate_free(self);
    }
}

/* An empty message: as RFC 7692 section 7.2.3.6 has it, as a final block, and as no bytes. */
TEST(empty_messages) {
    struct ws_deflate *self = ws_deflate_new(&narrow);
    CHECK_TEXT(unpack(self, SLICE("\x00"), 100), "");
    CHECK_TEXT(unpack(self, SLICE("\x03\x00\x00"), 100), "");
    CHECK_TEXT(unpack(self, SLICE("\x03\x00\x03\x00\xf2\x48\xcd\xc9\xc9\x07\x00"), 100), "Hello");
    CHECK_TEXT(unpack(self, SLICE(""), 100), "");
    ws_deflate_free(self);
}

TEST(broken_data) {
    static const struct {
        const char *payload;
        size_t len;
    } rows[] = {
        {"\xff\xff", 2},                 /* a block of the kind that is reserved */
        {"\x00\x05\x00\xff\xff", 5},     /* a length that does not agree with itself */
        {"\xf2\x00\x11\x00\x00", 5},     /* a reference to before the beginning */
        {"\x05\xc0\x81\x08\x00\x00", 6}, /* a dynamic block whose codes are incomplete */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ws_deflate *self = ws_deflate_new(&narrow);
        struct slice parts[] = {slice_of(rows[i].payload, rows[i].len), WS_DEFLATE_TAIL};
        int err = 0;
        for (size_t k = 0; k < 2 && !err; k++) {
            size_t made;
            err = ws_inflate(self, &parts[k], unpacked, ROOM, &made);
        }
        CHECK_INT(err, ERR_WS_DEFLATE);
        ws_deflate_free(self);
    }
}

/* A window larger than agreed upon may be used by a peer that errs; it must not do harm. */
TEST(references_beyond_the_window) {
    struct ws_deflate *self = ws_deflate_new(&narrow);
    struct deflated peer;
    static uint8_t bytes[ROOM];
    deflated_init(&peer, 15, 15);
    struct slice message = make_message(20000, true);
    memcpy(unpacked, message.at, message.len);
    memcpy(unpacked + message.len, message.at, message.len);
    struct slice twice = slice_of(unpacked, 2 * message.len);
    struct slice payload = deflated_pack(&peer, twice, bytes, ROOM);
    CHECK(payload.len < 30000);
    int err = 0;
    size_t sum = 0;
    size_t made = 1;
    while (!err && payload.len > 0) {
        err = ws_inflate(self, &payload, packed, 1000, &made);
        sum += made;
    }
    CHECK_INT(err, ERR_WS_DEFLATE);
    CHECK(sum <= 2 * message.len);
    deflated_release(&peer);
    ws_deflate_free(self);
}

/* Every allocation of ours fails in turn (zlib's own are not reached from here). */
TEST(memory_is_short) {
    for (uint64_t failing = 1; failing <= 3; failing++) {
        faults_clear();
        faults[FAULT_ALLOC] = (struct fault){.from = failing, .to = failing};
        struct ws_deflate *self = ws_deflate_new(&alone);
        CHECK((self == NULL) == (failing == 1));
        if (self) {
            struct slice message = SLICE("some message");
            struct slice payload = SLICE("\x00");
            size_t made;
            CHECK_INT(ws_deflate(self, &message, packed, ROOM, &made),
                      failing == 2 ? ERR_NOMEM : 0);
            CHECK_INT(ws_inflate(self, &payload, packed, ROOM, &made),
                      failing == 3 ? ERR_NOMEM : 0);
            ws_deflate_end(self);
            ws_inflate_end(self);
        }
        faults_clear();
        ws_deflate_free(self);
    }
}
