/* Tests of http/websocket_out.c without compression: messages to frames. */
#include "http/ws_rig_test.h"

#include "base/banned.h"

static uint8_t filler[200 * 1024];

/* Takes one unmasked frame off `output`: gives its payload, and its first byte. */
static struct slice take_frame(struct slice *output, uint8_t *first) {
    struct slice none = {0};
    if (!CHECK(output->len >= 2)) {
        return none;
    }
    size_t small = output->at[1];
    size_t count = small < 126 ? 0 : small == 126 ? 2 : 8;
    uint64_t len = count == 0 ? small : 0;
    if (!CHECK(output->len >= 2 + count)) {
        return none;
    }
    for (size_t i = 0; i < count; i++) {
        len = len << 8 | output->at[2 + i];
    }
    *first = output->at[0];
    if (!CHECK(output->len - 2 - count >= len)) {
        return none;
    }
    struct slice payload = slice_of(output->at + 2 + count, (size_t)len);
    *output = slice_of(output->at + 2 + count + payload.len, output->len - 2 - count - payload.len);
    return payload;
}

WS_TEST(text_and_binary) {
    ws_rig_open(rig);
    CHECK_INT(ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("hello")), 0);
    CHECK_INT(ws_rig_send(rig, WEBSOCKET_BINARY, SLICE("\xff")), 0);
    CHECK_INT(ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("")), 0);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_output(rig), "\x81\x05hello\x82\x01\xff\x81\x00");
}

/* Every form of a length, as the two ways of sending have it. */
TEST(lengths) {
    static const size_t lengths[] = {0, 1, 125, 126, 127, 896, 897, 65535, 65536, 200000};
    static struct ws_rig rig;
    for (size_t i = 0; i < sizeof(filler); i++) {
        filler[i] = (uint8_t)(i * 13);
    }
    ws_rig_init(&rig);
    ws_rig_open(&rig);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct slice message = slice_of(filler, lengths[i]);
        CHECK_INT(ws_rig_send(&rig, WEBSOCKET_TEXT, message), 0);
        CHECK_INT(ws_rig_send_piece(&rig, WEBSOCKET_BINARY, message), 0);
        ws_rig_settle(&rig);
        struct slice output = ws_rig_output(&rig);
        uint8_t first;
        CHECK_SLICE(take_frame(&output, &first), message);
        CHECK_INT(first, F_TEXT);
        CHECK_SLICE(take_frame(&output, &first), message);
        CHECK_INT(first, F_BINARY);
        CHECK_INT(output.len, 0);
    }
    loop_sweep(&rig.loop);
    CHECK_INT(rig.sweeps, sizeof(lengths) / sizeof(lengths[0]));
    ws_rig_end(&rig);
}

/* The owner is told when the peer has taken the last byte, not before. */
WS_TEST(a_piece_goes_by_reference) {
    ws_rig_open(rig);
    rig->carrier.window = 6;
    CHECK_INT(ws_rig_send_piece(rig, WEBSOCKET_TEXT, SLICE("hello")), 0);
    ws_rig_settle(rig);
    loop_sweep(&rig->loop);
    CHECK_INT(rig->sweeps, 0);
    fake_carrier_open_window(&rig->carrier, 1);
    ws_rig_settle(rig);
    loop_sweep(&rig->loop);
    CHECK_INT(rig->sweeps, 1);
    CHECK_TEXT(ws_rig_output(rig), "\x81\x05hello");
}

WS_TEST(which_way_is_better) {
    ws_rig_open(rig);
    CHECK(!websocket_takes_piece(rig->ws, 64));
    CHECK(websocket_takes_piece(rig->ws, 65536));
}

/* Law 5; the owner of a piece that cannot be sent is told as well. */
WS_TEST(nothing_behind_a_close) {
    ws_rig_open(rig);
    ws_rig_close(rig, 1000, SLICE(""));
    CHECK_INT(ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("late")), ERR_GONE);
    CHECK_INT(ws_rig_send_piece(rig, WEBSOCKET_TEXT, SLICE("late")), ERR_GONE);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_output(rig), "\x88\x02\x03\xe8");
    loop_sweep(&rig->loop);
    CHECK_INT(rig->sweeps, 1);
}

/* What was sent before the close arrives before it. */
WS_TEST(a_close_behind_messages) {
    ws_rig_open(rig);
    rig->carrier.window = 3;
    ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("one"));
    ws_rig_send_piece(rig, WEBSOCKET_TEXT, SLICE("two"));
    ws_rig_release(rig);
    ws_rig_frame(rig, F_CLOSE, SLICE("\x03\xe8"));
    ws_rig_settle(rig);
    CHECK(!rig->carrier.closed);
    fake_carrier_open_window(&rig->carrier, SIZE_MAX);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_output(rig), "\x81\x03one\x81\x03two\x88\x02\x03\xe8");
    CHECK(rig->carrier.closed);
}

WS_TEST(pieces_end_with_the_connection) {
    ws_rig_open(rig);
    rig->carrier.window = 0;
    ws_rig_send_piece(rig, WEBSOCKET_TEXT, SLICE("never"));
    rig->carrier.resets = true;
    ws_rig_settle(rig);
    loop_sweep(&rig->loop);
    CHECK_INT(rig->sweeps, 1);
}
