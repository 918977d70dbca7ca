/* libFuzzer target of permessage-deflate. The first byte of an input chooses what was agreed upon,
 * the rest is
 *
 *  - inflated as a message of a client's, in pieces: it ends, within the room it is given, in the
 *    same bytes whatever the pieces are, or in an error;
 *  - compressed as three messages and inflated again.
 *
 * Seeds: tests/corpus/websocket. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "http/ws_deflate.h"

enum { OUT_MAX = 64 * 1024 };

struct answer {
    int err;
    bool full; /* more would have come */
    size_t len;
    uint8_t bytes[OUT_MAX];
};

static void require(bool good, const char *what) {
    if (!good) {
        fprintf(stderr, "not so: %s\n", what);
        abort();
    }
}

/* Inflates a part of a message, `room` bytes at a time. */
static void inflate_part(struct ws_deflate *self, struct slice part, size_t room,
                         struct answer *answer) {
    size_t made = 1;
    while (answer->err == 0 && !answer->full && (part.len > 0 || made > 0)) {
        size_t left = OUT_MAX - answer->len;
        size_t given = part.len;
        room = room < left ? room : left;
        answer->err = ws_inflate(self, &part, answer->bytes + answer->len, room, &made);
        require(made <= room && part.len <= given, "no more than was given");
        require(answer->err != 0 || made > 0 || part.len == 0 || part.len < given, "progress");
        answer->len += made;
        answer->full = answer->len == OUT_MAX;
    }
}

static void inflate_message(struct ws_deflate *self, struct slice message, size_t step, size_t room,
                            struct answer *answer) {
    answer->err = 0;
    answer->full = false;
    answer->len = 0;
    while (message.len > 0 && answer->err == 0 && !answer->full) {
        size_t len = message.len < step ? message.len : step;
        inflate_part(self, slice_of(message.at, len), room, answer);
        message = slice_of(message.at + len, message.len - len);
    }
    inflate_part(self, WS_DEFLATE_TAIL, room, answer);
    ws_inflate_end(self);
}

static struct ws_deflate *new_deflate(const struct ws_deflate_params *params) {
    struct ws_deflate *self = ws_deflate_new(params);
    require(self != NULL, "memory");
    return self;
}

static void check_inflate(const struct ws_deflate_params *params, struct slice message) {
    static struct answer whole;
    static struct answer pieces;
    struct ws_deflate *a = new_deflate(params);
    struct ws_deflate *b = new_deflate(params);
    for (int round = 0; round < 2; round++) { /* the second one sees the window of the first */
        inflate_message(a, message, SIZE_MAX, OUT_MAX, &whole);
        inflate_message(b, message, 7, 1000, &pieces);
        require(whole.err == 0 || whole.err == ERR_WS_DEFLATE, "an error of the peer's");
        size_t both = whole.len < pieces.len ? whole.len : pieces.len;
        require(memcmp(whole.bytes, pieces.bytes, both) == 0, "the same bytes");
        if (whole.full || pieces.full || whole.err != pieces.err) {
            /* Of a distance beyond a small window zlib complains only where the bytes are gone. */
            require(whole.full || pieces.full || params->client_bits < 15, "the same end");
            break;
        }
        if (whole.err != 0) {
            break; /* the connection would be closed */
        }
        require(whole.len == pieces.len, "the same message");
    }
    ws_deflate_free(a);
    ws_deflate_free(b);
}

/* Compresses a message, `room` bytes at a time. Gives the length of its payload. */
static size_t compress_message(struct ws_deflate *self, struct slice message, size_t room,
                               uint8_t *packed, size_t bound) {
    size_t len = 0;
    size_t made;
    do {
        size_t given = message.len;
        room = room < bound - len ? room : bound - len;
        require(room >= WS_DEFLATE_ROOM, "no more than compression may add");
        require(ws_deflate(self, &message, packed + len, room, &made) == 0, "compressed");
        require(made <= room && message.len <= given, "no more than was given");
        len += made;
    } while (message.len > 0 || made == room);
    ws_deflate_end(self);
    require(len > WS_DEFLATE_TAIL.len, "a payload");
    len -= WS_DEFLATE_TAIL.len;
    require(memcmp(packed + len, WS_DEFLATE_TAIL.at, WS_DEFLATE_TAIL.len) == 0, "the tail");
    return len;
}

static void check_round_trip(const struct ws_deflate_params *params, struct slice message) {
    static struct answer answer;
    struct ws_deflate_params turned = *params;
    turned.client_bits = params->server_bits;
    turned.client_no_takeover = params->server_no_takeover;
    struct ws_deflate *server = new_deflate(params);
    struct ws_deflate *client = new_deflate(&turned);
    size_t bound = message.len + message.len / 4 + 64;
    uint8_t *packed = malloc(bound);
    require(packed != NULL, "memory");
    for (int round = 0; round < 3; round++) {
        size_t len =
            compress_message(server, message, round == 0 ? WS_DEFLATE_ROOM : bound, packed, bound);
        inflate_message(client, slice_of(packed, len), 100, 500, &answer);
        require(answer.err == 0 && answer.len == message.len &&
                    memcmp(answer.bytes, message.at, message.len) == 0,
                "what was compressed");
    }
    free(packed);
    ws_deflate_free(server);
    ws_deflate_free(client);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    if (len == 0 || len > OUT_MAX) {
        return 0;
    }
    struct ws_deflate_params params = {
        .on = true,
        .server_bits = (uint8_t)(9 + (bytes[0] & 7) % 7),
        .client_bits = (uint8_t)(8 + (bytes[0] >> 3 & 7)),
        .server_no_takeover = bytes[0] & 0x40,
        .client_no_takeover = bytes[0] & 0x80,
    };
    check_inflate(&params, slice_of(bytes + 1, len - 1));
    if (len > 1) {
        check_round_trip(&params, slice_of(bytes + 1, len - 1));
    }
    return 0;
}
