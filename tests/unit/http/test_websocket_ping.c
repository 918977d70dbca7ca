/* Tests of the keep-alive of http/websocket.c: who is pinged, and who has vanished. */
#include "http/ws_rig_test.h"

#include "base/banned.h"

enum { INTERVAL = 20000, TIMEOUT = 10000 };

static void frame(struct ws_rig *rig, uint8_t first, const char *payload) {
    ws_rig_frame(rig, first, slice_of(payload, strlen(payload)));
}

static void open_pinging(struct ws_rig *rig) {
    rig->config.ping_interval = INTERVAL;
    rig->config.ping_timeout = TIMEOUT;
    ws_rig_open_eager(rig);
}

/* Passes the time in ticks, as the loop does. */
static void pass(struct ws_rig *rig, uint64_t ms) {
    for (; ms > 0; ms -= WHEEL_TICK) {
        ws_rig_pass(rig, WHEEL_TICK);
    }
}

#define PING                                                                                       \
    "\x89\x08"                                                                                     \
    "freastal"

WS_TEST(pings_that_are_answered) {
    open_pinging(rig);
    for (int i = 0; i < 3; i++) {
        pass(rig, INTERVAL - WHEEL_TICK);
        CHECK_TEXT(ws_rig_output(rig), "");
        pass(rig, 2 * WHEEL_TICK);
        CHECK_TEXT(ws_rig_output(rig), PING);
        pass(rig, TIMEOUT / 2);
        frame(rig, F_PONG, "freastal");
        ws_rig_settle(rig);
    }
    CHECK_TEXT(ws_rig_journal(rig), "");
}

WS_TEST(a_ping_without_pong) {
    open_pinging(rig);
    pass(rig, INTERVAL + WHEEL_TICK);
    CHECK_TEXT(ws_rig_output(rig), PING);
    pass(rig, TIMEOUT - 2 * WHEEL_TICK);
    CHECK_INT(rig->carrier.why, CLOSE_NONE);
    pass(rig, 3 * WHEEL_TICK);
    CHECK_INT(rig->carrier.why, CLOSE_PING_TIMEOUT);
    CHECK_TEXT(ws_rig_journal(rig), "closed 1006 no pong within --ws-ping-timeout\n");
    CHECK_INT(ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("late")), ERR_GONE);
    CHECK(rig->carrier.closed);
}

/* A long message comes slowly: its peer can pong only behind it. Then it falls silent. */
WS_TEST(bytes_are_life_while_they_come) {
    open_pinging(rig);
    ws_rig_frame_head(rig, F_BINARY, 100000);
    pass(rig, INTERVAL + WHEEL_TICK);
    for (int i = 0; i < 20; i++) {
        ws_rig_bytes(rig, SLICE("x"));
        pass(rig, TIMEOUT - WHEEL_TICK);
        CHECK_INT(rig->carrier.why, CLOSE_NONE);
    }
    pass(rig, 2 * TIMEOUT);
    CHECK_INT(rig->carrier.why, CLOSE_PING_TIMEOUT);
}

/* A peer that is not read because its user is slow has not vanished. */
WS_TEST(no_pong_is_missed_while_nothing_is_read) {
    open_pinging(rig);
    rig->eager = false;
    for (int i = 0; i < 6; i++) {
        frame(rig, F_TEXT, "x");
    }
    ws_rig_settle(rig);
    pass(rig, INTERVAL + 10 * TIMEOUT);
    CHECK_TEXT(ws_rig_output(rig), PING);
    CHECK_INT(rig->carrier.why, CLOSE_NONE);
    frame(rig, F_PONG, "freastal");
    rig->eager = true;
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_INT(rig->messages, 6);
    pass(rig, INTERVAL + WHEEL_TICK);
    CHECK_TEXT(ws_rig_output(rig), PING);
    pass(rig, TIMEOUT + 2 * WHEEL_TICK);
    CHECK_INT(rig->carrier.why, CLOSE_PING_TIMEOUT);
}

/* Nor has one to whom the ping cannot have gone yet; its silence is timed once it can. */
WS_TEST(a_ping_behind_much_output) {
    static const char large[5000];
    open_pinging(rig);
    rig->carrier.window = 0;
    ws_rig_send(rig, WEBSOCKET_BINARY, slice_of(large, sizeof(large)));
    pass(rig, INTERVAL + 5 * TIMEOUT);
    CHECK_INT(rig->carrier.why, CLOSE_NONE);
    fake_carrier_open_window(&rig->carrier, SIZE_MAX);
    ws_rig_settle(rig);
    CHECK_INT(ws_rig_output(rig).len, 4 + sizeof(large) + sizeof(PING) - 1);
    pass(rig, 2 * TIMEOUT);
    CHECK_INT(rig->carrier.why, CLOSE_PING_TIMEOUT);
}

WS_TEST(no_pings_where_they_are_off) {
    rig->config.ping_timeout = TIMEOUT;
    ws_rig_open_eager(rig);
    pass(rig, 4 * INTERVAL);
    CHECK_TEXT(ws_rig_output(rig), "");
    CHECK_INT(rig->loop.wheel.count, 0);
}

WS_TEST(pings_that_need_no_answer) {
    rig->config.ping_interval = INTERVAL;
    ws_rig_open_eager(rig);
    pass(rig, 3 * (INTERVAL + WHEEL_TICK));
    CHECK_TEXT(ws_rig_output(rig), PING PING PING);
    CHECK_INT(rig->carrier.why, CLOSE_NONE);
}

WS_TEST(no_pings_behind_a_close) {
    open_pinging(rig);
    ws_rig_close(rig, 1000, SLICE(""));
    pass(rig, WEBSOCKET_CLOSE_MS - WHEEL_TICK);
    CHECK_TEXT(ws_rig_output(rig), "\x88\x02\x03\xe8");
}
