/* Tests of permessage-deflate (RFC 7692) in a whole WebSocket: http/websocket_in.c and
 * http/websocket_out.c. The compression itself is tested in test_ws_deflate.c. */
#include "http/deflated.h"
#include "http/websocket_impl.h"
#include "http/ws_rig_test.h"

#include "base/banned.h"

enum { ROOM = 600 * 1024 };

static const struct ws_deflate_offer usual = {.client_bits = 15};
static const struct ws_deflate_offer alone = {
    .client_bits = 15, .server_no_takeover = true, .client_no_takeover = true};

static uint8_t filler[ROOM];
static uint8_t packed[ROOM];
static uint8_t unpacked[ROOM];

static struct deflated peer;

/* A WebSocket that compresses, and a peer that can. */
static void begin(struct ws_rig *rig, const struct ws_deflate_offer *offer) {
    ws_rig_offer_deflate(rig, offer);
    ws_rig_open_eager(rig);
    deflated_init(&peer, 12, 12);
}

static struct slice pack(struct slice message) {
    return deflated_pack(&peer, message, packed, sizeof(packed));
}

/* Noise, which compression makes longer. */
static struct slice noise(size_t len) {
    uint32_t state = (uint32_t)len * 69069;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        filler[i] = (uint8_t)(state >> 24);
    }
    return slice_of(filler, len);
}

/* The one frame of the output, which must be compressed: its message. */
static struct slice take_message(struct ws_rig *rig, uint8_t first) {
    struct slice output = ws_rig_output(rig);
    size_t head = output.len < 2 ? 0 : output.at[1] < 126 ? 2 : output.at[1] == 126 ? 4 : 10;
    bool broken;
    if (!CHECK(head > 0 && output.len > head) || !CHECK_INT(output.at[0], first | F_COMPRESSED)) {
        return SLICE("");
    }
    struct slice message = deflated_unpack(&peer, slice_of(output.at + head, output.len - head),
                                           unpacked, sizeof(unpacked), &broken);
    CHECK(!broken);
    return message;
}

/* --- in --- */

WS_TEST(compressed_messages) {
    begin(rig, &usual);
    ws_rig_frame(rig, F_TEXT | F_COMPRESSED, pack(SLICE("hello hello hello")));
    ws_rig_frame(rig, F_TEXT, SLICE("plain"));
    ws_rig_frame(rig, F_BINARY | F_COMPRESSED, pack(SLICE("hello hello \xff")));
    ws_rig_frame(rig, F_TEXT | F_COMPRESSED, SLICE("\x00"));
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig),
               "text hello hello hello\ntext plain\nbinary hello hello \xff\ntext \n");
    deflated_release(&peer);
}

/* RFC 7692 section 6.1: RSV1 stands in the first fragment only; the cut may be anywhere. */
WS_TEST(compressed_fragments) {
    begin(rig, &usual);
    struct slice payload = pack(SLICE("some text, some text, some text"));
    for (size_t cut = 0; cut <= payload.len; cut++) {
        uint8_t copy[100];
        memcpy(copy, payload.at, payload.len);
        ws_rig_frame(rig, F_TEXT_FIRST | F_COMPRESSED, slice_of(copy, cut));
        ws_rig_frame(rig, F_PING, SLICE(""));
        ws_rig_frame(rig, F_MORE, SLICE(""));
        ws_rig_frame(rig, F_LAST, slice_of(copy + cut, payload.len - cut));
        ws_rig_settle(rig);
        CHECK_TEXT(ws_rig_journal(rig), "text some text, some text, some text\n");
        CHECK_TEXT(ws_rig_output(rig), "\x8a\x00");
        payload = pack(SLICE("some text, some text, some text"));
    }
    deflated_release(&peer);
}

WS_TEST(without_context_takeover) {
    begin(rig, &alone);
    for (int i = 0; i < 3; i++) {
        deflateReset(&peer.out);
        ws_rig_frame(rig, F_TEXT | F_COMPRESSED, pack(SLICE("hello hello hello")));
        ws_rig_settle(rig);
        CHECK_TEXT(ws_rig_journal(rig), "text hello hello hello\n");
    }
    deflated_release(&peer);
}

static void check_closed(struct ws_rig *rig, uint16_t code) {
    ws_rig_settle(rig);
    CHECK_INT(rig->closes, 1);
    CHECK_INT(rig->code, code);
    CHECK(ws_rig_log(rig).len > 0);
    deflated_release(&peer);
}

WS_TEST(the_reserved_bit_in_a_continuation) {
    begin(rig, &usual);
    ws_rig_frame(rig, F_TEXT_FIRST | F_COMPRESSED, SLICE(""));
    ws_rig_frame(rig, F_LAST | F_COMPRESSED, SLICE("\x00"));
    check_closed(rig, 1002);
}

WS_TEST(the_reserved_bit_in_a_control_frame) {
    begin(rig, &usual);
    ws_rig_frame(rig, F_PING | F_COMPRESSED, SLICE(""));
    check_closed(rig, 1002);
}

WS_TEST(broken_data) {
    begin(rig, &usual);
    ws_rig_frame(rig, F_TEXT | F_COMPRESSED, SLICE("\xff\xff\xff"));
    check_closed(rig, 1007);
}

WS_TEST(compressed_text_that_is_not_utf8) {
    begin(rig, &usual);
    ws_rig_frame(rig, F_TEXT | F_COMPRESSED, pack(SLICE("abc\xff")));
    check_closed(rig, 1007);
}

WS_TEST(compressed_text_that_ends_inside_of_a_character) {
    begin(rig, &usual);
    ws_rig_frame(rig, F_TEXT | F_COMPRESSED, pack(SLICE("abc\xe2\x82")));
    check_closed(rig, 1007);
}

/* --- sizes: the limit holds for what is inflated --- */

WS_TEST(a_message_that_inflates_to_just_the_limit) {
    rig->config.max_size = 100000;
    rig->silent = true;
    begin(rig, &usual);
    memset(filler, 'x', 100000);
    for (int i = 0; i < 2; i++) {
        ws_rig_frame(rig, F_TEXT | F_COMPRESSED, pack(slice_of(filler, 100000)));
    }
    ws_rig_settle(rig);
    CHECK_INT(rig->messages, 2);
    CHECK_INT(rig->message_bytes, 200000);
    deflated_release(&peer);
}

WS_TEST(a_message_that_inflates_to_one_byte_more) {
    rig->config.max_size = 100000;
    rig->silent = true;
    begin(rig, &usual);
    memset(filler, 'x', 100001);
    ws_rig_frame(rig, F_TEXT | F_COMPRESSED, pack(slice_of(filler, 100001)));
    check_closed(rig, 1009);
    CHECK_INT(rig->messages, 0);
}

/* 500 kB of zeros are 500 bytes; no more than the limit of them is ever kept. */
WS_TEST(a_bomb) {
    rig->config.max_size = 5000;
    begin(rig, &usual);
    memset(filler, 0, 500000);
    struct slice payload = pack(slice_of(filler, 500000));
    CHECK(payload.len < 1000);
    ws_rig_frame(rig, F_BINARY_FIRST | F_COMPRESSED, payload);
    check_closed(rig, 1009);
    CHECK(rig->ws->input == NULL);
}

/* Fragments are counted together. */
WS_TEST(fragments_that_inflate_to_too_much) {
    rig->config.max_size = 1000;
    begin(rig, &usual);
    memset(filler, 'x', 1001);
    struct slice payload = pack(slice_of(filler, 1001));
    for (size_t i = 0; i < payload.len; i++) {
        ws_rig_frame(rig, i == 0 ? F_TEXT_FIRST | F_COMPRESSED : F_MORE,
                     slice_of(payload.at + i, 1));
    }
    ws_rig_frame(rig, F_LAST, SLICE(""));
    check_closed(rig, 1009);
}

/* Compression may make a message longer; the limit is for the message. */
WS_TEST(noise_of_just_the_limit) {
    static const size_t sizes[] = {1, 5, 100, 4096, 65536, 200000};
    rig->silent = true;
    rig->config.max_size = 1; /* raised below; the pool borrows the configuration */
    begin(rig, &usual);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        rig->config.max_size = sizes[i];
        struct slice payload = pack(noise(sizes[i]));
        CHECK(payload.len > sizes[i]);
        ws_rig_frame(rig, F_BINARY | F_COMPRESSED, payload);
        ws_rig_settle(rig);
        CHECK_INT(rig->messages, i + 1);
    }
    deflated_release(&peer);
}

WS_TEST(a_compressed_frame_that_announces_too_much) {
    rig->config.max_size = 100000;
    begin(rig, &usual);
    ws_rig_frame_head(rig, F_BINARY | F_COMPRESSED, 120000);
    check_closed(rig, 1009);
}

/* --- out --- */

WS_TEST(messages_are_compressed) {
    begin(rig, &usual);
    memset(filler, 'y', ROOM);
    static const size_t lengths[] = {64, 100, 5000, 100000, 500000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct slice message = slice_of(filler, lengths[i]);
        CHECK_INT(ws_rig_send(rig, WEBSOCKET_TEXT, message), 0);
        ws_rig_settle(rig);
        CHECK(rig->carrier.out_len < lengths[i] / 2);
        CHECK_SLICE(take_message(rig, F_TEXT), message);
    }
    deflated_release(&peer);
}

/* With context take-over the same message again is shorter, without it is as long. */
static void check_again(struct ws_rig *rig, const struct ws_deflate_offer *offer, bool shorter) {
    begin(rig, offer);
    noise(1000);
    ws_rig_send(rig, WEBSOCKET_BINARY, slice_of(filler, 1000));
    ws_rig_settle(rig);
    size_t len = ws_rig_output(rig).len;
    ws_rig_send(rig, WEBSOCKET_BINARY, slice_of(filler, 1000));
    ws_rig_settle(rig);
    size_t again = ws_rig_output(rig).len;
    CHECK(shorter ? again < len / 10 : again == len);
    deflated_release(&peer);
}

WS_TEST(the_same_message_again) {
    check_again(rig, &usual, true);
}

WS_TEST(the_same_message_again_without_context_takeover) {
    check_again(rig, &alone, false);
}

/* In several pieces, and by every length around their bounds. */
TEST(noise_is_compressed) {
    static struct ws_rig rig;
    ws_rig_init(&rig);
    rig.carrier.step = SIZE_MAX;
    begin(&rig, &usual);
    noise(ROOM);
    for (size_t len = 16 * 1024 - 100; len < 16 * 1024 + 100; len++) {
        CHECK_INT(ws_rig_send(&rig, WEBSOCKET_BINARY, slice_of(filler + len, len)), 0);
        ws_rig_settle(&rig);
        CHECK_SLICE(take_message(&rig, F_BINARY), slice_of(filler + len, len));
    }
    CHECK_INT(ws_rig_send(&rig, WEBSOCKET_BINARY, slice_of(filler, ROOM)), 0);
    ws_rig_settle(&rig);
    CHECK_SLICE(take_message(&rig, F_BINARY), slice_of(filler, ROOM));
    deflated_release(&peer);
    ws_rig_end(&rig);
}

WS_TEST(short_messages_are_not_worth_it) {
    begin(rig, &usual);
    CHECK_INT(ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")), 0);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_output(rig), "\x81\x20"
                                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    CHECK(!websocket_takes_piece(rig->ws, 100000));
    deflated_release(&peer);
}

/* What waits for the peer holds no more memory than its compressed bytes ask for. */
WS_TEST(compressed_output_that_waits_is_small) {
    begin(rig, &usual);
    rig->carrier.window = 0;
    memset(filler, 'z', ROOM);
    ws_rig_send(rig, WEBSOCKET_BINARY, slice_of(filler, ROOM));
    CHECK(rig->carrier.chain.bytes < 2000);
    CHECK_INT(piece_pool_live(&rig->loop.pieces), 1);
    deflated_release(&peer);
}

/* A message by reference stands between compressed ones. */
WS_TEST(a_piece_is_not_compressed) {
    begin(rig, &usual);
    memset(filler, 'v', 1000);
    ws_rig_send(rig, WEBSOCKET_TEXT, slice_of(filler, 1000));
    ws_rig_settle(rig);
    take_message(rig, F_TEXT);
    ws_rig_send_piece(rig, WEBSOCKET_TEXT, SLICE("by reference"));
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_output(rig), "\x81\x0c"
                                   "by reference");
    ws_rig_send(rig, WEBSOCKET_TEXT, slice_of(filler, 1000));
    ws_rig_settle(rig);
    CHECK_SLICE(take_message(rig, F_TEXT), slice_of(filler, 1000));
    deflated_release(&peer);
}
