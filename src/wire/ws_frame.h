/* WebSocket frames (RFC 6455 section 5): heads of a client's read, those of a server's written;
 * the payload of Close. Pure. What frames make of messages is http/websocket.h. */
#ifndef WIRE_WS_FRAME_H
#define WIRE_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"

enum ws_opcode {
    WS_CONTINUATION = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

/* Bytes of a server's frame head, of the payload of a control frame, of a reason to close. */
enum { WS_FRAME_HEAD_MAX = 10, WS_CONTROL_MAX = 125, WS_REASON_MAX = 123 };

/* Close codes that are written in the code (RFC 6455 section 7.4.1). */
enum {
    WS_CODE_NORMAL = 1000,
    WS_CODE_PROTOCOL = 1002,
    WS_CODE_NONE = 1005,
    WS_CODE_VANISHED = 1006,
    WS_CODE_INVALID = 1007,
    WS_CODE_TOO_BIG = 1009,
    WS_CODE_INTERNAL = 1011,
    WS_CODE_RESTART = 1012,
};

struct ws_frame {
    uint64_t len; /* of the payload; at most INT64_MAX */
    uint8_t key[4];
    uint8_t opcode; /* enum ws_opcode */
    bool fin;
    bool compressed; /* RSV1 (RFC 7692 section 6) */
};

/* One frame head of a client. `deflate`: permessage-deflate was agreed upon.
 * Returns its length, 0 where more bytes are needed, or ERR_WS_* as soon as one is certain,
 * whatever the bytes are cut into. */
ssize_t ws_frame_parse(struct ws_frame *frame, const uint8_t *bytes, size_t len, bool deflate);

/* Writes the head of a server's frame. Returns its length. */
size_t ws_frame_head(uint8_t out[WS_FRAME_HEAD_MAX], enum ws_opcode opcode, bool fin,
                     bool compressed, uint64_t len);

/* Code and reason of a Close frame's payload; WS_CODE_NONE where it is empty. [borrows reason of
 * payload] 0, ERR_WS_CLOSE or ERR_WS_UTF8. */
int ws_close_parse(struct slice payload, uint16_t *code, struct slice *reason);

/* May the code stand in a Close frame? */
bool ws_close_code_sendable(uint16_t code);

/* The code that answers a broken rule, ERR_WS_*. */
uint16_t ws_error_close_code(int err);

#endif
