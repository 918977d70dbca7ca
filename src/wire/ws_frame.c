/* See ws_frame.h. */
#include "wire/ws_frame.h"

#include "base/err.h"
#include "wire/utf8.h"

#include "base/banned.h"

enum { FIN = 0x80, RSV1 = 0x40, RSV23 = 0x30, OPCODE = 0x0f, CONTROL = 0x08, MASK = 0x80 };

/* The first byte. 0 or a negative error. */
static int parse_first(struct ws_frame *frame, uint8_t byte, bool deflate) {
    frame->fin = byte & FIN;
    frame->compressed = byte & RSV1;
    frame->opcode = byte & OPCODE;
    bool begins = frame->opcode == WS_TEXT || frame->opcode == WS_BINARY;
    if ((byte & RSV23) || (frame->compressed && !(deflate && begins))) {
        return ERR_WS_RESERVED;
    }
    if (frame->opcode > WS_PONG || (frame->opcode > WS_BINARY && frame->opcode < WS_CLOSE)) {
        return ERR_WS_OPCODE;
    }
    return (frame->opcode & CONTROL) && !frame->fin ? ERR_WS_CONTROL : 0;
}

/* The length in `count` bytes, in the fewest that hold it, of which `have` are there; what more
 * of them says is certain before the last one has come. 0 or a negative error. */
static int parse_length(struct ws_frame *frame, const uint8_t *bytes, size_t have, size_t count) {
    size_t known = have < count ? have : count;
    uint64_t len = 0;
    for (size_t i = 0; i < known; i++) {
        len = len << 8 | bytes[i];
    }
    frame->len = len;
    if (count == 2) {
        return known == 2 && len < 126 ? ERR_WS_LENGTH : 0;
    }
    bool too_long = known > 0 && (bytes[0] & 0x80);
    bool too_wide = known >= 6 && len >> 8 * (known - 6) == 0; /* 16 bits would do */
    return too_long || too_wide ? ERR_WS_LENGTH : 0;
}

ssize_t ws_frame_parse(struct ws_frame *frame, const uint8_t *bytes, size_t len, bool deflate) {
    if (len < 1) {
        return 0;
    }
    int err = parse_first(frame, bytes[0], deflate);
    if (err || len < 2) {
        return err;
    }
    uint8_t small = bytes[1] & (uint8_t)~MASK;
    if (!(bytes[1] & MASK)) {
        return ERR_WS_UNMASKED;
    }
    if ((frame->opcode & CONTROL) && small > WS_CONTROL_MAX) {
        return ERR_WS_CONTROL;
    }
    size_t extra = small == 126 ? 2 : small == 127 ? 8 : 0;
    frame->len = small;
    err = extra > 0 ? parse_length(frame, bytes + 2, len - 2, extra) : 0;
    if (err || len < 2 + extra + sizeof(frame->key)) {
        return err;
    }
    memcpy(frame->key, bytes + 2 + extra, sizeof(frame->key));
    return (ssize_t)(2 + extra + sizeof(frame->key));
}

size_t ws_frame_head(uint8_t out[WS_FRAME_HEAD_MAX], enum ws_opcode opcode, bool fin,
                     bool compressed, uint64_t len) {
    size_t count = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    out[0] = (uint8_t)(opcode | (fin ? FIN : 0) | (compressed ? RSV1 : 0));
    out[1] = (uint8_t)(count == 0 ? len : count == 2 ? 126 : 127);
    for (size_t i = 0; i < count; i++) {
        out[2 + i] = (uint8_t)(len >> (8 * (count - 1 - i)));
    }
    return 2 + count;
}

int ws_close_parse(struct slice payload, uint16_t *code, struct slice *reason) {
    struct utf8 utf8;
    *code = WS_CODE_NONE;
    *reason = slice_of(payload.at, 0);
    if (payload.len == 0) {
        return 0;
    }
    if (payload.len == 1) {
        return ERR_WS_CLOSE;
    }
    *code = (uint16_t)(payload.at[0] << 8 | payload.at[1]);
    *reason = slice_of(payload.at + 2, payload.len - 2);
    if (!ws_close_code_sendable(*code)) {
        return ERR_WS_CLOSE;
    }
    utf8_init(&utf8);
    return utf8_feed(&utf8, reason->at, reason->len) && utf8_done(&utf8) ? 0 : ERR_WS_UTF8;
}

bool ws_close_code_sendable(uint16_t code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

uint16_t ws_error_close_code(int err) {
    switch (err) {
    case ERR_WS_UTF8:
    case ERR_WS_DEFLATE:
        return WS_CODE_INVALID;
    case ERR_WS_TOO_BIG:
        return WS_CODE_TOO_BIG;
    case ERR_NOMEM:
        return WS_CODE_INTERNAL;
    default:
        return WS_CODE_PROTOCOL;
    }
}
