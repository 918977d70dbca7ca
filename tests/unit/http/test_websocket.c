/* Tests of http/websocket.c: the accept, the closing handshake, and the laws of http/websocket.h.
 * Its pings are in test_websocket_ping.c. */
#include "http/fakes.h"
#include "http/websocket_impl.h"
#include "http/ws_rig_test.h"

#include "base/banned.h"

#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n"

static struct slice fields_of(const struct ws_rig *rig) {
    return slice_of(rig->carrier.fields, rig->carrier.fields_len);
}

static void frame(struct ws_rig *rig, uint8_t first, const char *payload) {
    ws_rig_frame(rig, first, slice_of(payload, strlen(payload)));
}

/* --- the accept --- */

WS_TEST(accept) {
    ws_rig_open(rig);
    CHECK_INT(rig->accepted, 0);
    CHECK_SLICE(fields_of(rig), SLICE(ACCEPT));
    CHECK(rig->carrier.reading);
}

WS_TEST(accept_with_deflate) {
    struct ws_deflate_offer offer = {.client_bits = 15};
    ws_rig_offer_deflate(rig, &offer);
    ws_rig_open(rig);
    CHECK_SLICE(fields_of(rig),
                SLICE(ACCEPT "Sec-WebSocket-Extensions: permessage-deflate; "
                             "server_max_window_bits=12; client_max_window_bits=12\n"));
}

WS_TEST(accept_without_deflate_where_it_is_off) {
    struct ws_deflate_offer offer = {.client_bits = 15};
    rig->config.deflate = false;
    ws_rig_offer_deflate(rig, &offer);
    ws_rig_open(rig);
    CHECK_SLICE(fields_of(rig), SLICE(ACCEPT));
}

TEST(accept_with_many_fields) {
    static struct ws_rig rig;
    static const struct websocket_events none;
    static const size_t counts[] = {0, 1, 14, 15, 40};
    struct response_field fields[40];
    for (size_t i = 0; i < 40; i++) {
        fields[i] = (struct response_field){SLICE("X"), SLICE("y")};
    }
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        ws_rig_init(&rig);
        rig.carrier.refusal = ERR_GONE;
        ws_rig_open(&rig);
        rig.carrier.refusal = 0;
        CHECK_INT(websocket_accept(rig.pool, &rig.carrier.exchange, &rig.offer, fields, counts[i],
                                   &none, NULL, &rig.ws),
                  0);
        CHECK_INT(rig.carrier.fields_len, sizeof(ACCEPT) - 1 + counts[i] * 5);
        ws_rig_end(&rig);
    }
}

/* The exchange lives, and nothing is left of the WebSocket. */
TEST(an_accept_that_is_refused) {
    static const int errors[] = {ERR_GONE, ERR_ORDER, ERR_RESPONSE_NAME, ERR_NOMEM};
    static struct ws_rig rig;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct ws_deflate_offer offer = {0};
        ws_rig_init(&rig);
        ws_rig_offer_deflate(&rig, &offer);
        rig.carrier.refusal = errors[i];
        ws_rig_open(&rig);
        CHECK_INT(rig.accepted, errors[i]);
        CHECK(rig.ws == NULL);
        CHECK_INT(websocket_pool_live(rig.pool), 0);
        ws_rig_end(&rig);
    }
}

/* Ten thousand idle ones are cheap: beside this struct nothing is held. */
WS_TEST(an_idle_websocket_is_small) {
    rig->config.ping_interval = 20000;
    ws_rig_open_eager(rig);
    frame(rig, F_TEXT, "hello");
    frame(rig, F_PING, "");
    ws_rig_settle(rig);
    ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("hello"));
    ws_rig_settle(rig);
    CHECK(sizeof(struct websocket) <= 256);
    CHECK_INT(buf_pool_live(&rig->loop.bufs), 0);
    CHECK_INT(piece_pool_live(&rig->loop.pieces), 0);
    CHECK(rig->ws->input == NULL);
    CHECK(rig->ws->deflate == NULL && rig->ws->reason == NULL);
}

/* --- the peer closes --- */

/* RFC 6455 section 5.5.1: the code is echoed. */
WS_TEST(a_close_of_the_peer) {
    ws_rig_open_eager(rig);
    frame(rig, F_CLOSE, "\x0f\xa0over");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "closed 4000 over\n");
    CHECK_TEXT(ws_rig_output(rig), "\x88\x02\x0f\xa0");
    CHECK(rig->carrier.closed);
    CHECK_INT(ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("late")), ERR_GONE);
    CHECK_TEXT(ws_rig_log(rig), "");
}

WS_TEST(a_close_without_a_code) {
    ws_rig_open_eager(rig);
    frame(rig, F_CLOSE, "");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "closed 1005 \n");
    CHECK_TEXT(ws_rig_output(rig), "\x88\x00");
}

TEST(closes_that_break_a_rule) {
    static const struct {
        const char *payload;
        size_t len;
        uint16_t code;
    } rows[] = {{"\x03", 1, 1002},        {"\x00\x00", 2, 1002}, {"\x03\xe7", 2, 1002},
                {"\x03\xec", 2, 1002},    {"\x03\xed", 2, 1002}, {"\x03\xee", 2, 1002},
                {"\x03\xf7", 2, 1002},    {"\x0b\xb7", 2, 1002}, {"\x13\x88", 2, 1002},
                {"\x03\xe8\xff", 3, 1007}};
    static struct ws_rig rig;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ws_rig_init(&rig);
        ws_rig_open_eager(&rig);
        ws_rig_frame(&rig, F_CLOSE, slice_of(rows[i].payload, rows[i].len));
        ws_rig_settle(&rig);
        CHECK_INT(rig.code, rows[i].code);
        struct slice output = ws_rig_output(&rig);
        CHECK(output.len > 4 && output.at[0] == F_CLOSE &&
              (output.at[2] << 8 | output.at[3]) == rows[i].code);
        CHECK(ws_rig_log(&rig).len > 0);
        ws_rig_end(&rig);
    }
}

/* Law 2: what came before the close is delivered before `closed`. RFC 6455 section 1.4: nothing
 * behind it is looked at. */
WS_TEST(messages_before_a_close_and_bytes_behind_it) {
    ws_rig_open(rig);
    frame(rig, F_TEXT, "a");
    frame(rig, F_TEXT, "b");
    frame(rig, F_CLOSE, "\x03\xe8");
    ws_rig_bytes(rig, SLICE("\xff\xff rubbish"));
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "");
    CHECK_TEXT(ws_rig_output(rig), "");
    rig->eager = true;
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text a\ntext b\nclosed 1000 \n");
    CHECK_TEXT(ws_rig_output(rig), "\x88\x02\x03\xe8");
    CHECK_TEXT(ws_rig_log(rig), "");
}

/* Law 5: a user that answers what came before the Close may do so, until it has taken all … */
WS_TEST(answers_before_the_answer_to_a_close) {
    ws_rig_open(rig);
    frame(rig, F_TEXT, "question");
    frame(rig, F_CLOSE, "\x03\xe8");
    ws_rig_settle(rig);
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text question\n");
    CHECK_INT(ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("answer")), 0);
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "closed 1000 \n");
    CHECK_TEXT(ws_rig_output(rig), "\x81\x06"
                                   "answer\x88\x02\x03\xe8");
    CHECK(rig->carrier.closed);
}

/* … or its time is up. */
WS_TEST(a_close_is_answered_while_the_user_sleeps) {
    ws_rig_open(rig);
    frame(rig, F_TEXT, "question");
    frame(rig, F_CLOSE, "\x03\xe8");
    ws_rig_settle(rig);
    ws_rig_pass(rig, WEBSOCKET_ANSWER_MS - 1);
    CHECK_TEXT(ws_rig_output(rig), "");
    ws_rig_pass(rig, 1 + WHEEL_TICK);
    CHECK_TEXT(ws_rig_output(rig), "\x88\x02\x03\xe8");
    CHECK_INT(ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("late")), ERR_GONE);
    rig->eager = true;
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text question\nclosed 1000 \n");
}

/* --- we close --- */

WS_TEST(a_close_of_ours) {
    ws_rig_open_eager(rig);
    ws_rig_close(rig, 4001, SLICE("enough"));
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_output(rig), "\x88\x08\x0f\xa1"
                                   "enough");
    CHECK_INT(ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("late")), ERR_GONE);
    CHECK(!rig->carrier.finished);
    frame(rig, F_TEXT, "on its way");
    frame(rig, F_PING, "unanswered");
    frame(rig, F_CLOSE, "\x0f\xa1");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text on its way\nclosed 4001 \n");
    CHECK_TEXT(ws_rig_output(rig), "");
    CHECK(rig->carrier.closed);
    CHECK_INT(rig->carrier.why, CLOSE_WEBSOCKET);
    CHECK_INT(rig->loop.wheel.count, 0);
}

WS_TEST(a_close_of_ours_without_a_code) {
    ws_rig_open_eager(rig);
    ws_rig_close(rig, WS_CODE_NONE, SLICE(""));
    ws_rig_close(rig, WS_CODE_NORMAL, SLICE("the second says nothing"));
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_output(rig), "\x88\x00");
}

WS_TEST(the_longest_reason) {
    char reason[WS_REASON_MAX];
    memset(reason, 'r', sizeof(reason));
    ws_rig_open_eager(rig);
    ws_rig_close(rig, 1000, slice_of(reason, sizeof(reason)));
    ws_rig_settle(rig);
    struct slice output = ws_rig_output(rig);
    CHECK_INT(output.len, 2 + 2 + WS_REASON_MAX);
    CHECK_INT(output.at[1], WS_CONTROL_MAX);
}

/* Law 7: the peer's own code, though ours was first. */
WS_TEST(closes_that_cross) {
    ws_rig_open_eager(rig);
    ws_rig_close(rig, 1000, SLICE(""));
    frame(rig, F_CLOSE,
          "\x03\xe9"
          "going");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "closed 1001 going\n");
    CHECK_TEXT(ws_rig_output(rig), "\x88\x02\x03\xe8");
}

WS_TEST(a_peer_that_does_not_answer_a_close) {
    ws_rig_open_eager(rig);
    ws_rig_close(rig, 1000, SLICE("bye"));
    ws_rig_pass(rig, WEBSOCKET_CLOSE_MS - 1);
    CHECK_TEXT(ws_rig_journal(rig), "");
    CHECK_INT(rig->carrier.why, CLOSE_NONE);
    ws_rig_pass(rig, 1 + WHEEL_TICK);
    CHECK_TEXT(ws_rig_journal(rig), "closed 1000 \n");
    CHECK_INT(rig->carrier.why, CLOSE_WEBSOCKET);
}

/* A broken rule behind our Close: no second Close frame. */
WS_TEST(a_rule_broken_behind_our_close) {
    ws_rig_open_eager(rig);
    ws_rig_close(rig, 4001, SLICE(""));
    ws_rig_bytes(rig, SLICE("\xff\xff"));
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_output(rig), "\x88\x02\x0f\xa1");
    CHECK_INT(rig->code, 4001);
    CHECK(ws_rig_log(rig).len > 0);
    CHECK(rig->carrier.closed);
}

/* --- the peer goes --- */

WS_TEST(an_end_without_close) {
    ws_rig_open(rig);
    frame(rig, F_TEXT, "last words");
    frame(rig, F_TEXT_FIRST, "cut");
    rig->carrier.half_closes = true;
    ws_rig_settle(rig);
    CHECK_INT(ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("late")), ERR_GONE);
    rig->eager = true;
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text last words\nclosed 1006 \n");
    CHECK_TEXT(ws_rig_output(rig), "");
    CHECK(rig->carrier.closed);
}

WS_TEST(an_end_behind_our_close) {
    ws_rig_open_eager(rig);
    ws_rig_close(rig, 4002, SLICE(""));
    rig->carrier.half_closes = true;
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "closed 4002 \n");
    CHECK(rig->carrier.closed);
}

WS_TEST(a_reset) {
    ws_rig_open(rig);
    frame(rig, F_TEXT, "read");
    ws_rig_settle(rig);
    frame(rig, F_TEXT, "not read");
    rig->carrier.resets = true;
    ws_rig_settle(rig);
    rig->eager = true;
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text read\nclosed 1006 \n");
    CHECK_INT(ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("late")), ERR_GONE);
    CHECK(!websocket_congested(rig->ws));
    ws_rig_close(rig, 1000, SLICE("")); /* says nothing to nobody */
}

WS_TEST(a_reset_with_a_full_queue) {
    ws_rig_open(rig);
    for (int i = 0; i < 6; i++) {
        frame(rig, F_TEXT, "x");
    }
    ws_rig_settle(rig);
    rig->carrier.resets = true;
    ws_rig_settle(rig);
    CHECK(rig->ws->input->held == NULL);
    rig->eager = true;
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text x\ntext x\ntext x\ntext x\nclosed 1006 \n");
}

/* --- the server stops --- */

WS_TEST(the_server_stops) {
    ws_rig_open(rig);
    frame(rig, F_TEXT, "before");
    ws_rig_settle(rig);
    fake_carrier_stop(&rig->carrier);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_output(rig), "\x88\x18\x03\xf4the server is stopping");
    frame(rig, F_TEXT, "on its way");
    ws_rig_settle(rig);
    rig->eager = true;
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text before\ntext on its way\n");
    frame(rig, F_CLOSE, "\x03\xf4");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "closed 1012 \n");
    CHECK(rig->carrier.closed);
}

WS_TEST(the_server_stops_and_the_peer_does_not_answer) {
    ws_rig_open_eager(rig);
    fake_carrier_stop(&rig->carrier);
    ws_rig_pass(rig, WEBSOCKET_CLOSE_MS + WHEEL_TICK);
    CHECK_TEXT(ws_rig_journal(rig), "closed 1012 \n");
    CHECK(rig->carrier.closed);
}

WS_TEST(the_server_stops_behind_a_close) {
    ws_rig_open(rig);
    frame(rig, F_CLOSE, "\x03\xe8");
    ws_rig_settle(rig);
    fake_carrier_stop(&rig->carrier);
    ws_rig_settle(rig);
    CHECK(rig->carrier.closed);
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "closed 1000 \n");
}

/* --- laws 1, 4 and 6 --- */

/* Law 1 is watched by the rig in all tests; here where the answer is known at once. */
WS_TEST(no_operation_calls_back) {
    ws_rig_open(rig);
    frame(rig, F_TEXT, "a");
    ws_rig_settle(rig);
    ws_rig_want(rig);
    CHECK_TEXT(ws_rig_journal(rig), "");
    ws_rig_settle(rig);
    rig->carrier.resets = true;
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text a\n");
    ws_rig_want(rig);
    ws_rig_want_drained(rig);
    CHECK_TEXT(ws_rig_journal(rig), "");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "closed 1006 \ndrained\n");
    ws_rig_want(rig); /* asked again, told again */
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "closed 1006 \n");
}

/* Law 4. */
WS_TEST(drained_comes_once_for_each_wish) {
    static const char large[100000];
    ws_rig_open(rig);
    rig->carrier.window = 1000;
    ws_rig_want_drained(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "drained\n");
    ws_rig_send(rig, WEBSOCKET_BINARY, slice_of(large, sizeof(large)));
    CHECK(websocket_congested(rig->ws));
    ws_rig_want_drained(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "");
    fake_carrier_open_window(&rig->carrier, 50000);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "drained\n");
    CHECK(!websocket_congested(rig->ws));
    fake_carrier_open_window(&rig->carrier, SIZE_MAX);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "");
}

static void check_drained_by(struct ws_rig *rig, void (*how)(struct ws_rig *rig)) {
    static const char large[100000];
    ws_rig_open(rig);
    rig->carrier.window = 0;
    ws_rig_send(rig, WEBSOCKET_BINARY, slice_of(large, sizeof(large)));
    ws_rig_want_drained(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "");
    how(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "drained\n");
}

static void peer_resets(struct ws_rig *rig) {
    rig->carrier.resets = true;
}

static void peer_closes(struct ws_rig *rig) {
    frame(rig, F_CLOSE, "\x03\xe8");
}

static void user_closes(struct ws_rig *rig) {
    ws_rig_close(rig, 1000, SLICE(""));
}

static void server_stops(struct ws_rig *rig) {
    fake_carrier_stop(&rig->carrier);
}

WS_TEST(drained_when_the_peer_goes) {
    check_drained_by(rig, peer_resets);
}

WS_TEST(drained_when_the_peer_closes) {
    check_drained_by(rig, peer_closes);
}

WS_TEST(drained_when_the_user_closes) {
    check_drained_by(rig, user_closes);
}

WS_TEST(drained_when_the_server_stops) {
    check_drained_by(rig, server_stops);
}

/* Law 6: the memory goes when the release and the tunnel's end have come, in either order. */
WS_TEST(a_release_closes) {
    ws_rig_open(rig);
    ws_rig_release(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_output(rig), "\x88\x02\x03\xe8");
    CHECK_INT(websocket_pool_live(rig->pool), 1);
    frame(rig, F_CLOSE, "\x03\xe8");
    ws_rig_settle(rig);
    CHECK_INT(websocket_pool_live(rig->pool), 0);
    CHECK_TEXT(ws_rig_journal(rig), "");
}

WS_TEST(a_release_of_one_that_is_gone) {
    ws_rig_open(rig);
    rig->carrier.resets = true;
    ws_rig_settle(rig);
    CHECK_INT(websocket_pool_live(rig->pool), 1);
    ws_rig_want(rig);
    ws_rig_want_drained(rig);
    ws_rig_release(rig);
    ws_rig_settle(rig);
    CHECK_INT(websocket_pool_live(rig->pool), 0);
    CHECK_TEXT(ws_rig_journal(rig), "");
}

WS_TEST(a_release_behind_a_close_of_the_peer) {
    ws_rig_open(rig);
    frame(rig, F_CLOSE, "\x0f\xa0");
    ws_rig_settle(rig);
    ws_rig_release(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_output(rig), "\x88\x02\x03\xe8");
    CHECK_INT(websocket_pool_live(rig->pool), 0);
}

/* Inside of each event. */
WS_TEST(a_release_inside_of_message) {
    ws_rig_open(rig);
    rig->releases = true;
    for (int i = 0; i < 8; i++) {
        frame(rig, F_TEXT, "x");
    }
    ws_rig_want_drained(rig);
    ws_rig_want(rig);
    rig->carrier.window = 0;
    ws_rig_settle(rig);
    CHECK(rig->ws == NULL);
    CHECK_INT(rig->messages + rig->drains, 1);
}

WS_TEST(a_release_inside_of_closed) {
    ws_rig_open(rig);
    rig->releases = true;
    rig->carrier.resets = true;
    ws_rig_settle(rig);
    ws_rig_want_drained(rig);
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "closed 1006 \n");
    CHECK_INT(websocket_pool_live(rig->pool), 0);
}

WS_TEST(a_release_inside_of_drained) {
    ws_rig_open(rig);
    rig->releases = true;
    ws_rig_want_drained(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "drained\n");
    CHECK(rig->ws == NULL);
}
