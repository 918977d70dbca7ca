/* Tests of http/websocket_in.c: frames to messages (RFC 6455 sections 5.2 to 5.6 and 8.1), the
 * queue and its bounds. */
#include <stdlib.h>

#include "http/websocket_impl.h"
#include "http/ws_rig_test.h"

#include "base/banned.h"

static uint8_t filler[300 * 1024];

static void frame(struct ws_rig *rig, uint8_t first, const char *payload) {
    ws_rig_frame(rig, first, slice_of(payload, strlen(payload)));
}

/* --- messages --- */

WS_TEST(text_and_binary) {
    ws_rig_open_eager(rig);
    frame(rig, F_TEXT, "hello");
    frame(rig, F_BINARY, "\xff\xfe");
    frame(rig, F_TEXT, "");
    frame(rig, F_BINARY, "");
    frame(rig, F_TEXT, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text hello\nbinary \xff\xfe\ntext \nbinary \n"
                                    "text \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n");
    CHECK_TEXT(ws_rig_output(rig), "");
}

/* Each form of a length, and lengths beyond a buffer. */
WS_TEST(lengths) {
    static const size_t lengths[] = {125, 126, 127, 128, 4096, 4097, 65535, 65536, 100000};
    rig->silent = true;
    ws_rig_open_eager(rig);
    size_t sum = 0;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        ws_rig_frame(rig, F_BINARY, slice_of(filler, lengths[i]));
        sum += lengths[i];
    }
    ws_rig_settle(rig);
    CHECK_INT(rig->messages, sizeof(lengths) / sizeof(lengths[0]));
    CHECK_INT(rig->message_bytes, sum);
}

/* What comes out is what went in, whatever the phase of the mask at the cuts is. */
WS_TEST(payload_is_unmasked) {
    uint8_t bytes[20000];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    }
    ws_rig_open_eager(rig);
    ws_rig_frame(rig, F_BINARY, slice_of(bytes, sizeof(bytes)));
    ws_rig_settle(rig);
    struct slice journal = ws_rig_journal(rig);
    if (CHECK_INT(journal.len, sizeof(bytes) + 8)) {
        CHECK_SLICE(slice_of(journal.at + 7, sizeof(bytes)), slice_of(bytes, sizeof(bytes)));
    }
}

WS_TEST(fragments) {
    ws_rig_open_eager(rig);
    frame(rig, F_TEXT_FIRST, "a");
    frame(rig, F_MORE, "");
    frame(rig, F_MORE, "bc");
    frame(rig, F_LAST, "d");
    frame(rig, F_BINARY_FIRST, "");
    frame(rig, F_LAST, "");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text abcd\nbinary \n");
}

/* RFC 6455 section 5.4: control frames come between fragments. */
WS_TEST(control_frames_between_fragments) {
    ws_rig_open_eager(rig);
    frame(rig, F_TEXT_FIRST, "a");
    frame(rig, F_PING, "1");
    frame(rig, F_MORE, "b");
    frame(rig, F_PONG, "nobody asked");
    frame(rig, F_PING, "2");
    frame(rig, F_LAST, "c");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text abc\n");
    CHECK_TEXT(ws_rig_output(rig), "\x8a\x01"
                                   "1\x8a\x01"
                                   "2");
}

WS_TEST(a_close_between_fragments_ends_the_message) {
    ws_rig_open_eager(rig);
    frame(rig, F_TEXT_FIRST, "a");
    frame(rig, F_CLOSE, "\x03\xe8");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "closed 1000 \n");
}

/* RFC 6455 section 5.5.3: the same application data. */
WS_TEST(pings_are_answered) {
    ws_rig_open(rig);
    frame(rig, F_PING, "");
    ws_rig_frame(rig, F_PING, slice_of(filler, 125));
    ws_rig_settle(rig);
    struct slice output = ws_rig_output(rig);
    if (CHECK_INT(output.len, 2 + 2 + 125)) {
        CHECK_TEXT(slice_of(output.at, 4), "\x8a\x00\x8a\x7d");
        CHECK_SLICE(slice_of(output.at + 4, 125), slice_of(filler, 125));
    }
}

/* --- rules --- */

/* The Close frame with which a rule is answered, and the only output. */
static void check_failed(struct ws_rig *rig, int err) {
    uint8_t expected[2 + WS_CONTROL_MAX];
    const char *text = err_text(err);
    size_t len = strlen(text);
    uint16_t code = ws_error_close_code(err);
    char closed[160];
    expected[0] = F_CLOSE;
    expected[1] = (uint8_t)(2 + len);
    expected[2] = (uint8_t)(code >> 8);
    expected[3] = (uint8_t)code;
    memcpy(expected + 4, text, len);
    CHECK_SLICE(ws_rig_output(rig), slice_of(expected, 4 + len));
    int closed_len = snprintf(closed, sizeof(closed), "closed %u %s\n", code, text);
    CHECK_SLICE(ws_rig_journal(rig), slice_of(closed, (size_t)closed_len));
    closed_len = snprintf(closed, sizeof(closed),
                          "closed a WebSocket of 192.0.2.1:4711 with %u: %s", code, text);
    CHECK_SLICE(ws_rig_log(rig), slice_of(closed, (size_t)closed_len));
    CHECK_TEXT(ws_rig_log(rig), "");
    CHECK(rig->carrier.finished || rig->carrier.closed);
    CHECK_INT(rig->carrier.in_used, rig->carrier.in_len);
}

/* A rule of frames, as the first bytes of the connection, and behind the beginning of a message. */
struct broken {
    const char *bytes;
    size_t len;
    int err;
};

#define BROKEN(literal, err)                                                                       \
    { literal, sizeof(literal) - 1, err }

static const struct broken broken_frames[] = {
    BROKEN("\xc1\x80\1\2\3\4", ERR_WS_RESERVED), /* RSV1 without permessage-deflate */
    BROKEN("\xa1\x80\1\2\3\4", ERR_WS_RESERVED),
    BROKEN("\x91\x80\1\2\3\4", ERR_WS_RESERVED),
    BROKEN("\xb9\x80\1\2\3\4", ERR_WS_RESERVED),
    BROKEN("\x83\x80\1\2\3\4", ERR_WS_OPCODE),
    BROKEN("\x87\x80\1\2\3\4", ERR_WS_OPCODE),
    BROKEN("\x8b\x80\1\2\3\4", ERR_WS_OPCODE),
    BROKEN("\x8f\x80\1\2\3\4", ERR_WS_OPCODE),
    BROKEN("\x81\x01x", ERR_WS_UNMASKED),
    BROKEN("\x89\x00", ERR_WS_UNMASKED),
    BROKEN("\x81\xfe\x00\x7d", ERR_WS_LENGTH),
    BROKEN("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", ERR_WS_LENGTH),
    BROKEN("\x81\xff\x80\x00\x00\x00\x00\x01\x00\x00", ERR_WS_LENGTH),
    BROKEN("\x09\x80\1\2\3\4", ERR_WS_CONTROL), /* a Ping in fragments */
    BROKEN("\x08\x80\1\2\3\4", ERR_WS_CONTROL),
    BROKEN("\x89\xfe\x00\x7e", ERR_WS_CONTROL),
    BROKEN("\x88\xff\x00", ERR_WS_CONTROL),
};

TEST(broken_frames) {
    static struct ws_rig rig;
    for (size_t i = 0; i < 2 * sizeof(broken_frames) / sizeof(broken_frames[0]); i++) {
        const struct broken *row = &broken_frames[i / 2];
        unsigned failed = test_run.failed_checks;
        ws_rig_init(&rig);
        rig.carrier.step = 1;
        ws_rig_open_eager(&rig);
        if (i & 1) {
            frame(&rig, F_TEXT_FIRST, "a");
        }
        ws_rig_bytes(&rig, slice_of(row->bytes, row->len));
        frame(&rig, F_TEXT, "never served"); /* HTTP-RULES 14 */
        ws_rig_settle(&rig);
        check_failed(&rig, row->err);
        ws_rig_end(&rig);
        if (test_run.failed_checks > failed) {
            fprintf(stderr, "  (row %zu)\n", i / 2);
        }
    }
}

WS_TEST(a_continuation_of_nothing) {
    ws_rig_open_eager(rig);
    frame(rig, F_LAST, "x");
    ws_rig_settle(rig);
    check_failed(rig, ERR_WS_CONTINUATION);
}

WS_TEST(a_continuation_behind_a_whole_message) {
    ws_rig_open_eager(rig);
    frame(rig, F_TEXT, "a");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text a\n");
    frame(rig, F_MORE, "x");
    ws_rig_settle(rig);
    check_failed(rig, ERR_WS_CONTINUATION);
}

WS_TEST(a_message_inside_a_message) {
    ws_rig_open_eager(rig);
    frame(rig, F_TEXT_FIRST, "a");
    frame(rig, F_TEXT, "b");
    ws_rig_settle(rig);
    check_failed(rig, ERR_WS_CONTINUATION);
}

/* --- UTF-8 --- */

WS_TEST(characters_across_fragments) {
    ws_rig_open_eager(rig);
    frame(rig, F_TEXT_FIRST, "\xf0");
    frame(rig, F_MORE, "\x9f\x98");
    frame(rig, F_PING, "");
    frame(rig, F_LAST, "\x80");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text \xf0\x9f\x98\x80\n");
}

TEST(texts_that_are_not_utf8) {
    static const char *const texts[] = {"\xff",
                                        "abc\xc0\x80",
                                        "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80",
                                        "0123456789abcdef0123456789abcdef\x80",
                                        "\xe2\x82",
                                        "\xe2\x61"};
    static struct ws_rig rig;
    for (size_t i = 0; i < 2 * sizeof(texts) / sizeof(texts[0]); i++) {
        ws_rig_init(&rig);
        ws_rig_open_eager(&rig);
        if (i & 1) {
            frame(&rig, F_TEXT_FIRST, texts[i / 2]);
            frame(&rig, F_LAST, "");
        } else {
            frame(&rig, F_TEXT, texts[i / 2]);
        }
        ws_rig_settle(&rig);
        check_failed(&rig, ERR_WS_UTF8);
        ws_rig_end(&rig);
    }
}

/* RFC 6455 section 8.1, and fail-fast: the rest of the message need not come. */
WS_TEST(a_text_fails_with_its_first_wrong_byte) {
    ws_rig_open_eager(rig);
    ws_rig_frame_head(rig, F_TEXT_FIRST, 1000);
    ws_rig_bytes(rig, SLICE("\x37\xfa\xa1")); /* NUL NUL 0x80 behind the mask */
    ws_rig_settle(rig);
    check_failed(rig, ERR_WS_UTF8);
}

WS_TEST(binary_is_not_checked) {
    ws_rig_open_eager(rig);
    frame(rig, F_BINARY_FIRST, "\xff");
    frame(rig, F_LAST, "\xc0");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "binary \xff\xc0\n");
}

/* --- sizes --- */

WS_TEST(a_message_of_just_the_largest_size) {
    rig->config.max_size = 5000;
    rig->silent = true;
    ws_rig_open_eager(rig);
    ws_rig_frame(rig, F_BINARY, slice_of(filler, 5000));
    ws_rig_frame(rig, F_BINARY_FIRST, slice_of(filler, 4999));
    ws_rig_frame(rig, F_MORE, slice_of(filler, 1));
    ws_rig_frame(rig, F_LAST, SLICE(""));
    ws_rig_settle(rig);
    CHECK_INT(rig->messages, 2);
    CHECK_INT(rig->message_bytes, 10000);
}

/* The head is enough: no byte of the payload is waited for. */
WS_TEST(a_frame_that_announces_too_much) {
    rig->config.max_size = 5000;
    ws_rig_open_eager(rig);
    ws_rig_frame_head(rig, F_BINARY, 5001);
    ws_rig_settle(rig);
    check_failed(rig, ERR_WS_TOO_BIG);
}

WS_TEST(a_frame_that_announces_the_most) {
    ws_rig_open_eager(rig);
    ws_rig_frame_head(rig, F_BINARY, INT64_MAX);
    ws_rig_settle(rig);
    check_failed(rig, ERR_WS_TOO_BIG);
}

WS_TEST(fragments_that_sum_to_too_much) {
    rig->config.max_size = 10;
    ws_rig_open_eager(rig);
    frame(rig, F_TEXT_FIRST, "012345");
    frame(rig, F_MORE, "6789");
    ws_rig_frame_head(rig, F_LAST, 1);
    ws_rig_settle(rig);
    check_failed(rig, ERR_WS_TOO_BIG);
}

/* Without a limit, memory is taken as bytes come, not as they are announced. */
WS_TEST(no_limit) {
    rig->config.max_size = 0;
    ws_rig_open_eager(rig);
    ws_rig_frame_head(rig, F_BINARY, INT64_MAX);
    ws_rig_bytes(rig, slice_of(filler, 1000));
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_output(rig), "");
    CHECK(rig->carrier.reading);
}

/* --- the queue --- */

/* Law 2: one message for each wish. */
WS_TEST(messages_are_pulled) {
    ws_rig_open(rig);
    frame(rig, F_TEXT, "a");
    frame(rig, F_TEXT, "b");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "");
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text a\n");
    ws_rig_want(rig);
    ws_rig_settle(rig);
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text b\n");
    frame(rig, F_TEXT, "c");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text c\n");
}

/* Law 3: a full queue stops reading, room starts it again; what had been read is not lost. */
WS_TEST(a_full_queue_stops_reading) {
    ws_rig_open(rig);
    for (int i = 0; i < 9; i++) {
        char text[2] = {(char)('a' + i), 0};
        frame(rig, F_TEXT, text);
    }
    ws_rig_settle(rig);
    CHECK(!rig->carrier.reading);
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text a\n");
    CHECK(!rig->carrier.reading); /* the fifth has taken the room */
    rig->eager = true;
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text b\ntext c\ntext d\ntext e\ntext f\ntext g\ntext h\n"
                                    "text i\n");
    CHECK(rig->carrier.reading);
}

TEST(the_queue_is_bounded_by_bytes) {
    static struct ws_rig rig;
    static const size_t sizes[] = {0, 1, 100, 60000, 300000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ws_rig_init(&rig);
        rig.config.max_queue = 65536;
        rig.silent = true;
        ws_rig_open(&rig);
        size_t sent = 0;
        while (rig.carrier.in_len + sizes[i] + 20 < CARRIER_IN) {
            ws_rig_frame(&rig, F_BINARY, slice_of(filler, sizes[i]));
            sent++;
        }
        ws_rig_settle(&rig);
        CHECK(!rig.carrier.reading || sizes[i] >= 300000);
        CHECK(rig.ws->input->count <
              2 + WEBSOCKET_QUEUE_BYTES / (sizeof(struct ws_message) + sizes[i]));
        rig.eager = true;
        ws_rig_want(&rig);
        ws_rig_settle(&rig);
        CHECK_INT(rig.messages, sent);
        CHECK_INT(rig.message_bytes, sent * sizes[i]);
        ws_rig_end(&rig);
    }
}

/* Pings behind a full queue wait; a Close behind it too, and ends it (law 2). */
WS_TEST(a_close_behind_a_full_queue) {
    ws_rig_open(rig);
    for (int i = 0; i < 5; i++) {
        frame(rig, F_TEXT, "x");
    }
    frame(rig, F_PING, "p");
    frame(rig, F_CLOSE,
          "\x03\xe9"
          "bye");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_output(rig), "");
    rig->eager = true;
    ws_rig_want(rig);
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "text x\ntext x\ntext x\ntext x\ntext x\nclosed 1001 bye\n");
    CHECK_TEXT(ws_rig_output(rig), "\x8a\x01p\x88\x02\x03\xe9");
}

/* A peer that pings and takes nothing costs bounded memory. */
WS_TEST(a_flood_of_pings) {
    rig->carrier.window = 0;
    ws_rig_open(rig);
    for (int i = 0; i < 3000; i++) {
        ws_rig_frame(rig, F_PING, slice_of(filler, 125));
    }
    ws_rig_frame(rig, F_TEXT, SLICE("behind"));
    for (int i = 0; i < 3000; i++) {
        ws_rig_settle(rig);
        if (rig->carrier.in_used == rig->carrier.in_len || rig->carrier.chain.bytes > 100000) {
            break;
        }
    }
    CHECK(rig->carrier.in_used < rig->carrier.in_len);
    CHECK(rig->carrier.chain.bytes < 80000);
    CHECK(!rig->carrier.reading);
    rig->eager = true;
    ws_rig_want(rig);
    CHECK_TEXT(ws_rig_journal(rig), "");
    fake_carrier_open_window(&rig->carrier, SIZE_MAX);
    ws_rig_settle(rig);
    CHECK_INT(ws_rig_output(rig).len, 3000 * 127);
    CHECK_TEXT(ws_rig_journal(rig), "text behind\n");
}

/* What a full queue held back is read once nobody asks for the queue any more. */
WS_TEST(a_release_with_a_full_queue) {
    ws_rig_open(rig);
    for (int i = 0; i < 9; i++) {
        frame(rig, F_TEXT, "x");
    }
    frame(rig, F_CLOSE, "\x03\xe8");
    ws_rig_settle(rig);
    CHECK(!rig->carrier.reading);
    ws_rig_release(rig);
    ws_rig_settle(rig);
    CHECK(rig->carrier.closed);
    CHECK_INT(websocket_pool_live(rig->pool), 0);
}

/* Law 6: nobody asks for what comes behind the release, and the queue does not fill. */
WS_TEST(messages_for_nobody) {
    ws_rig_open(rig);
    frame(rig, F_TEXT, "before");
    ws_rig_settle(rig);
    ws_rig_release(rig);
    for (int i = 0; i < 20; i++) {
        frame(rig, F_TEXT, "x");
    }
    frame(rig, F_TEXT_FIRST, "unfinished");
    frame(rig, F_CLOSE, "\x03\xe8");
    ws_rig_settle(rig);
    CHECK_TEXT(ws_rig_journal(rig), "");
    CHECK_TEXT(ws_rig_output(rig), "\x88\x02\x03\xe8");
    CHECK(rig->carrier.closed);
    CHECK_INT(websocket_pool_live(rig->pool), 0);
}
