/* Tests of wire/ws_frame.h: every header is given whole, byte by byte and with bytes behind it, at
 * the end of a page. */
#include "wire/ws_frame.h"

#include "base/err.h"
#include "unit/test.h"
#include "unit/wire/guard.h"

#include "base/banned.h"

static struct guard guard;

static ssize_t parse(struct ws_frame *frame, const uint8_t *bytes, size_t len, bool deflate) {
    memset(frame, 0xAA, sizeof *frame);
    return ws_frame_parse(frame, guard_put(&guard, bytes, len), len, deflate);
}

/* `bytes[0..certain)` is the shortest beginning that has the answer `result`; all longer ones
 * have it too, and all shorter ones need more. */
static void check_header(const uint8_t *bytes, size_t len, size_t certain, bool deflate,
                         ssize_t result, struct ws_frame *frame) {
    struct ws_frame short_one;
    bool good = true;
    for (size_t given = 0; given <= len; given++) {
        struct ws_frame *at = given == certain ? frame : &short_one;
        ssize_t expected = given < certain ? 0 : result;
        good = CHECK_INT(parse(at, bytes, given, deflate), expected) && good;
    }
    if (!good) {
        fputs("  in ", stderr);
        test_print_slice(slice_of(bytes, len));
        fputc('\n', stderr);
    }
}

struct legal {
    size_t used;
    uint64_t len;
    uint8_t opcode;
    bool fin;
    bool compressed; /* and so only with deflate */
    uint8_t bytes[16];
};

TEST(headers_that_are_legal) {
    static const struct legal rows[] = {
        /* RFC 6455 section 5.7: a masked "Hello" */
        {6, 5, WS_TEXT, true, false, {0x81, 0x85, 1, 2, 3, 4, 'x', 'y'}},
        {6, 0, WS_TEXT, true, false, {0x81, 0x80, 1, 2, 3, 4}},
        {6, 125, WS_BINARY, true, false, {0x82, 0xFD, 1, 2, 3, 4}},
        {6, 1, WS_TEXT, false, false, {0x01, 0x81, 1, 2, 3, 4}},
        {6, 1, WS_CONTINUATION, false, false, {0x00, 0x81, 1, 2, 3, 4}},
        {6, 1, WS_CONTINUATION, true, false, {0x80, 0x81, 1, 2, 3, 4}},
        {6, 0, WS_CLOSE, true, false, {0x88, 0x80, 1, 2, 3, 4}},
        {6, 125, WS_PING, true, false, {0x89, 0xFD, 1, 2, 3, 4}},
        {6, 3, WS_PONG, true, false, {0x8A, 0x83, 1, 2, 3, 4}},
        {8, 126, WS_BINARY, true, false, {0x82, 0xFE, 0, 126, 1, 2, 3, 4}},
        {8, 256, WS_BINARY, true, false, {0x82, 0xFE, 1, 0, 1, 2, 3, 4, 0}},
        {8, 65535, WS_BINARY, true, false, {0x82, 0xFE, 0xFF, 0xFF, 1, 2, 3, 4}},
        {14, 65536, WS_BINARY, true, false, {0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4}},
        {14,
         INT64_MAX,
         WS_BINARY,
         true,
         false,
         {0x82, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4}},
        {6, 7, WS_TEXT, true, true, {0xC1, 0x87, 1, 2, 3, 4}}, /* RFC 7692 section 7.2.3.1 */
        {6, 7, WS_BINARY, false, true, {0x42, 0x87, 1, 2, 3, 4}},
    };
    guard = guard_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct legal *row = &rows[i];
        for (int deflate = row->compressed; deflate <= 1; deflate++) {
            struct ws_frame frame = {0};
            check_header(row->bytes, sizeof row->bytes, row->used, deflate, (ssize_t)row->used,
                         &frame);
            CHECK(frame.len == row->len);
            CHECK_INT(frame.opcode, row->opcode);
            CHECK_INT(frame.fin, row->fin);
            CHECK_INT(frame.compressed, row->compressed);
            CHECK(memcmp(frame.key, "\1\2\3\4", 4) == 0);
        }
    }
    guard_free(&guard);
}

struct illegal {
    size_t certain; /* how many bytes show it */
    int err;
    bool deflate;
    uint8_t bytes[14];
};

TEST(headers_that_are_not) {
    static const struct illegal rows[] = {
        {1, ERR_WS_RESERVED, false, {0xC1, 0x85}}, /* RSV1 without deflate */
        {1, ERR_WS_RESERVED, true, {0xA1, 0x85}},  /* RSV2 */
        {1, ERR_WS_RESERVED, true, {0x91, 0x85}},  /* RSV3 */
        {1, ERR_WS_RESERVED, true, {0xF1, 0x85}},
        {1, ERR_WS_RESERVED, true, {0xC0, 0x85}}, /* RSV1 of a continuation */
        {1, ERR_WS_RESERVED, true, {0xC8, 0x80}}, /* and of control frames */
        {1, ERR_WS_RESERVED, true, {0xC9, 0x80}},
        {1, ERR_WS_RESERVED, true, {0xCA, 0x80}},
        {1, ERR_WS_OPCODE, true, {0x83}},
        {1, ERR_WS_OPCODE, false, {0x87}},
        {1, ERR_WS_OPCODE, false, {0x8B}},
        {1, ERR_WS_OPCODE, false, {0x0F}},
        {1, ERR_WS_CONTROL, false, {0x08, 0x80}},
        {1, ERR_WS_CONTROL, false, {0x09, 0x80}},
        {1, ERR_WS_CONTROL, false, {0x0A, 0x80}},
        {2, ERR_WS_UNMASKED, false, {0x81, 0x05}},
        {2, ERR_WS_UNMASKED, false, {0x81, 0x7E}},
        {2, ERR_WS_UNMASKED, false, {0x88, 0x7F}}, /* of two breaches the same one always */
        {2, ERR_WS_CONTROL, false, {0x88, 0xFE, 0, 126}},
        {2, ERR_WS_CONTROL, false, {0x89, 0xFF}},
        {4, ERR_WS_LENGTH, false, {0x81, 0xFE, 0, 125}},
        {4, ERR_WS_LENGTH, false, {0x81, 0xFE, 0, 0}},
        {3, ERR_WS_LENGTH, false, {0x81, 0xFF, 0x80}},
        {3, ERR_WS_LENGTH, false, {0x81, 0xFF, 0xFF, 255, 255, 255, 255, 255, 255, 255}},
        {8, ERR_WS_LENGTH, false, {0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}},
        {8, ERR_WS_LENGTH, false, {0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0, 1}},
    };
    guard = guard_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ws_frame frame;
        check_header(rows[i].bytes, sizeof rows[i].bytes, rows[i].certain, rows[i].deflate,
                     rows[i].err, &frame);
    }
    guard_free(&guard);
}

/* All first two bytes against the rules said another way. */
TEST(every_beginning) {
    guard = guard_new();
    for (unsigned both = 0; both < 2 * 65536; both++) {
        uint8_t bytes[2] = {(uint8_t)(both >> 8), (uint8_t)both};
        bool deflate = both >= 65536;
        unsigned opcode = bytes[0] & 15;
        bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
        bool control = opcode >= 8;
        bool reserved = bytes[0] & 0x30 || ((bytes[0] & 0x40) && !deflate) ||
                        ((bytes[0] & 0x40) && opcode != 1 && opcode != 2);
        bool whole = bytes[0] & 0x80 && (bytes[1] & 127) <= 125;
        bool legal = known && !reserved && (!control || whole) && bytes[1] >= 0x80;
        struct ws_frame frame;
        if (!CHECK_INT(parse(&frame, bytes, 2, deflate) == 0, legal)) {
            fprintf(stderr, "  %02x %02x, deflate %d\n", bytes[0], bytes[1], deflate);
        }
    }
    guard_free(&guard);
}

TEST(heads_that_are_sent) {
    static const uint64_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, UINT32_MAX, INT64_MAX};
    static const enum ws_opcode opcodes[] = {WS_CONTINUATION, WS_TEXT, WS_BINARY,
                                             WS_CLOSE,        WS_PING, WS_PONG};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0] * 6; i++) {
        uint64_t len = lengths[i / 6];
        enum ws_opcode opcode = opcodes[i % 6];
        bool control = opcode >= WS_CLOSE;
        if (control && len > WS_CONTROL_MAX) {
            continue;
        }
        bool begins = opcode == WS_TEXT || opcode == WS_BINARY;
        /* Masked, it must be what a client could have sent. */
        uint8_t bytes[WS_FRAME_HEAD_MAX + 4];
        size_t used = ws_frame_head(bytes, opcode, control || i % 2, begins, len);
        CHECK_INT(used, len < 126 ? 2 : len < 65536 ? 4 : 10);
        CHECK_INT(bytes[1] & 0x80, 0);
        bytes[1] |= 0x80;
        memcpy(bytes + used, "\1\2\3\4", 4);
        struct ws_frame frame;
        CHECK_INT(ws_frame_parse(&frame, bytes, used + 4, true), used + 4);
        CHECK(frame.len == len);
        CHECK_INT(frame.opcode, opcode);
        CHECK_INT(frame.fin, control || i % 2);
        CHECK_INT(frame.compressed, begins);
    }
}

TEST(heads_of_the_examples) {
    uint8_t out[WS_FRAME_HEAD_MAX]; /* RFC 6455 section 5.7 */
    CHECK_SLICE(slice_of(out, ws_frame_head(out, WS_TEXT, true, false, 5)), SLICE("\x81\x05"));
    CHECK_SLICE(slice_of(out, ws_frame_head(out, WS_TEXT, false, false, 3)), SLICE("\x01\x03"));
    CHECK_SLICE(slice_of(out, ws_frame_head(out, WS_BINARY, true, false, 256)),
                SLICE("\x82\x7E\x01\x00"));
    CHECK_SLICE(slice_of(out, ws_frame_head(out, WS_BINARY, true, false, 65536)),
                SLICE("\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00"));
}

TEST(every_close_code) {
    for (unsigned code = 0; code <= UINT16_MAX; code++) {
        bool reserved = code == 1004 || code == 1005 || code == 1006 || code == 1015;
        bool assigned = code >= 1000 && code <= 1014 && !reserved;
        bool expected = assigned || (code >= 3000 && code < 5000);
        CHECK_INT(ws_close_code_sendable((uint16_t)code), expected);
        uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
        uint16_t read = 0;
        struct slice reason;
        CHECK_INT(ws_close_parse(slice_of(payload, 2), &read, &reason),
                  expected ? 0 : ERR_WS_CLOSE);
        CHECK(!expected || (read == code && reason.len == 0));
    }
}

TEST(payloads_of_close) {
    uint16_t code = 0;
    struct slice reason;
    CHECK_INT(ws_close_parse(SLICE(""), &code, &reason), 0);
    CHECK_INT(code, WS_CODE_NONE);
    CHECK_INT(reason.len, 0);
    CHECK_INT(ws_close_parse(SLICE("\x03"), &code, &reason), ERR_WS_CLOSE);
    CHECK_INT(ws_close_parse(SLICE("\x03\xE8gr\xC3\xBC\xC3\x9F"), &code, &reason), 0);
    CHECK_INT(code, WS_CODE_NORMAL);
    CHECK_TEXT(reason, "gr\xC3\xBC\xC3\x9F");
    CHECK_INT(ws_close_parse(SLICE("\x03\xE8gr\xC3"), &code, &reason), ERR_WS_UTF8);
    CHECK_INT(ws_close_parse(SLICE("\x03\xE8\xED\xA0\x80"), &code, &reason), ERR_WS_UTF8);
    CHECK_INT(ws_close_parse(SLICE("\x03\xED\xED\xA0\x80"), &code, &reason), ERR_WS_CLOSE);
}

TEST(errors_have_close_codes) {
    static const int protocol[] = {ERR_WS_RESERVED,    ERR_WS_OPCODE, ERR_WS_UNMASKED,
                                   ERR_WS_LENGTH,      ERR_WS_CLOSE,  ERR_WS_CONTROL,
                                   ERR_WS_CONTINUATION};
    for (size_t i = 0; i < sizeof protocol / sizeof protocol[0]; i++) {
        CHECK_INT(ws_error_close_code(protocol[i]), 1002);
    }
    CHECK_INT(ws_error_close_code(ERR_WS_UTF8), 1007);
    CHECK_INT(ws_error_close_code(ERR_WS_DEFLATE), 1007);
    CHECK_INT(ws_error_close_code(ERR_WS_TOO_BIG), 1009);
    CHECK_INT(ws_error_close_code(ERR_NOMEM), 1011);
}
