/* libFuzzer target of what WebSocket brings over the wire. Any input is taken for frames of a
 * client, for text, for the payload of Close and for lists of extensions and subprotocols:
 *
 *  - a frame's header is as long and as wrong however it is cut, and no other bytes say the same;
 *  - unmasking by vectors is unmasking byte by byte;
 *  - every path calls the same UTF-8 valid, at the same piece of the input, and what it calls so is
 *    what the definition of UTF-8, spelt out below, calls so;
 *  - what is answered to offers is what was agreed upon, and an offer itself.
 *
 * Seeds: tests/corpus/websocket. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "wire/utf8_paths.h"
#include "wire/ws_deflate_params.h"
#include "wire/ws_frame.h"
#include "wire/ws_handshake.h"
#include "wire/ws_mask.h"

static void require(bool good, const char *what) {
    if (!good) {
        fprintf(stderr, "not so: %s\n", what);
        abort();
    }
}

/* [gives] the bytes in memory of just that size, so that the sanitizer sees each byte too far. */
static uint8_t *copy_of(const uint8_t *bytes, size_t len) {
    uint8_t *copy = malloc(len > 0 ? len : 1);
    require(copy != NULL, "memory");
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    return copy;
}

static ssize_t parse_copy(struct ws_frame *frame, const uint8_t *bytes, size_t len, bool deflate) {
    uint8_t *copy = copy_of(bytes, len);
    ssize_t used = ws_frame_parse(frame, copy, len, deflate);
    free(copy);
    return used;
}

/* A header has one way to be written. */
static void check_render(const struct ws_frame *frame, const uint8_t *bytes, size_t used) {
    uint8_t head[WS_FRAME_HEAD_MAX];
    size_t len = ws_frame_head(head, frame->opcode, frame->fin, frame->compressed, frame->len);
    head[1] |= 0x80;
    require(len + 4 == used && memcmp(head, bytes, len) == 0, "the header, but for its key");
    require(memcmp(frame->key, bytes + len, 4) == 0, "the key");
}

/* Can the first `got` bytes of a character of `size`, whose bits are `value`, become one? They can
 * where a number that they may grow to is a character's (RFC 3629 section 3). */
static bool can_become(uint32_t value, unsigned got, unsigned size) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned open = 6 * (size - got);
    uint32_t from = value << open;
    uint32_t to = from | ((1u << open) - 1);
    from = from < least[size] ? least[size] : from;
    to = to > 0x10FFFF ? 0x10FFFF : to;
    return from <= to && !(from >= 0xD800 && to <= 0xDFFF);
}

/* The index of the byte with which it is certain that this is no text, or len. `whole` gives
 * whether a text may end behind the last one. */
static size_t breaks_at(const uint8_t *bytes, size_t len, bool *whole) {
    unsigned got = 0;
    unsigned size = 0;
    uint32_t value = 0;
    *whole = true;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = bytes[i];
        bool goes_on = got < size;
        if (goes_on != ((c & 0xC0) == 0x80) || c >= 0xF8) {
            return i;
        }
        if (goes_on) {
            value = value << 6 | (c & 0x3F);
            got++;
        } else {
            size = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
            value = size == 1 ? c : c & (0x7Fu >> size);
            got = 1;
        }
        if (!can_become(value, got, size)) {
            return i;
        }
        *whole = got == size;
    }
    return len;
}

static void check_utf8(const uint8_t *bytes, size_t len) {
    bool whole;
    size_t broken = breaks_at(bytes, len, &whole);
    size_t count;
    const struct utf8_path *const *paths = utf8_paths(&count);
    for (size_t step = len > 0 ? len : 1;; step = step > 61 ? 61 : 1) {
        struct utf8 states[8];
        bool good = count <= sizeof states / sizeof states[0];
        require(good, "room for all paths");
        for (size_t i = 0; i < count; i++) {
            utf8_init(&states[i]);
        }
        for (size_t at = 0; at < len && good; at += step) {
            size_t piece = len - at < step ? len - at : step;
            uint8_t *copy = copy_of(bytes + at, piece);
            good = utf8_feed_by(paths[count - 1], &states[count - 1], copy, piece);
            require(good == (at + piece <= broken), "the verdict of the definition");
            for (size_t i = 0; i + 1 < count; i++) {
                require(utf8_feed_by(paths[i], &states[i], copy, piece) == good, "one verdict");
                require(!good || memcmp(&states[i], &states[count - 1], sizeof states[i]) == 0,
                        "one state");
            }
            free(copy);
        }
        require(!good || utf8_done(&states[count - 1]) == whole, "the end of a character");
        if (step == 1) {
            break;
        }
    }
}

static void check_close(const uint8_t *bytes, size_t len) {
    uint16_t code;
    struct slice reason;
    int err = ws_close_parse(slice_of(bytes, len), &code, &reason);
    if (err < 0) {
        uint16_t answer = ws_error_close_code(err);
        require(answer == WS_CODE_PROTOCOL || answer == WS_CODE_INVALID, "the peer's fault");
        return;
    }
    require(len == 0 ? code == WS_CODE_NONE : ws_close_code_sendable(code), "a code");
    require(reason.len == (len < 2 ? 0 : len - 2), "all of the rest is the reason");
    bool whole;
    require(breaks_at(reason.at, reason.len, &whole) == reason.len && whole, "a reason is a text");
}

static void check_payload(const struct ws_frame *frame, const uint8_t *bytes, size_t len) {
    uint8_t *masked = copy_of(bytes, len);
    uint8_t *plain = copy_of(bytes, len);
    size_t cut = len / 3;
    ws_unmask(plain, masked, cut, frame->key, 0);
    ws_unmask(plain + cut, masked + cut, len - cut, frame->key, cut);
    ws_unmask(masked, masked, len, frame->key, 0);
    for (size_t i = 0; i < len; i++) {
        require(plain[i] == (bytes[i] ^ frame->key[i % 4]), "unmasked");
    }
    require(memcmp(plain, masked, len) == 0, "unmasked in place");
    if (frame->opcode == WS_CLOSE) {
        check_close(plain, len);
    }
    check_utf8(plain, len);
    free(masked);
    free(plain);
}

static void check_frames(const uint8_t *bytes, size_t len, bool deflate) {
    struct ws_frame frame;
    while (len > 0) {
        ssize_t used = parse_copy(&frame, bytes, len, deflate);
        size_t certain = 0;
        ssize_t early;
        do {
            early = parse_copy(&frame, bytes, ++certain, deflate);
        } while (early == 0 && certain < len);
        require(early == used, "the same in pieces");
        if (used <= 0) {
            require(used == 0 || ws_error_close_code((int)used) == WS_CODE_PROTOCOL, "an error");
            return;
        }
        require((size_t)used == certain && frame.len <= INT64_MAX, "a length");
        check_render(&frame, bytes, certain);
        bytes += used;
        len -= (size_t)used;
        size_t payload = frame.len < len ? (size_t)frame.len : len;
        check_payload(&frame, bytes, payload);
        bytes += payload;
        len -= payload;
    }
}

static void check_agreement(const struct ws_deflate_offer *offer,
                            const struct ws_deflate_wishes *wishes) {
    struct ws_deflate_params params;
    struct ws_deflate_offer answered;
    if (!ws_deflate_agree(offer, wishes, &params)) {
        require(offer->server_bits == 8, "but for 8 bits all can be served");
        return;
    }
    char *text = malloc(WS_DEFLATE_ANSWER_MAX);
    require(text != NULL, "memory");
    struct slice list = slice_of(text, ws_deflate_render(&params, text));
    require(list.len <= WS_DEFLATE_ANSWER_MAX, "an answer within its bound");
    require(ws_deflate_offer_next(&list, &answered) == 1 && list.len == 0, "an answer");
    free(text);
    require(answered.server_no_takeover == params.server_no_takeover &&
                answered.client_no_takeover == params.client_no_takeover &&
                (answered.server_bits ? answered.server_bits : 15) == params.server_bits &&
                (answered.client_bits ? answered.client_bits : 15) == params.client_bits,
            "what is answered is agreed upon");
    require(params.server_bits >= 9 && params.server_bits <= wishes->server_bits, "our window");
    require(!offer->server_bits ||
                (answered.server_bits && answered.server_bits <= offer->server_bits),
            "what was asked for");
    require(offer->client_bits || !answered.client_bits, "what was not offered");
}

static void check_lists(const uint8_t *bytes, size_t len) {
    static const struct ws_deflate_wishes all_wishes[] = {{15, 15, false, false},
                                                          {12, 9, true, true}};
    uint8_t *copy = copy_of(bytes, len);
    struct slice list = slice_of(copy, len);
    struct ws_deflate_offer offer;
    int read;
    while ((read = ws_deflate_offer_next(&list, &offer)) >= 0) {
        require(list.at + list.len == copy + len, "a list gets shorter at its beginning");
        for (size_t i = 0; read > 0 && i < 2; i++) {
            check_agreement(&offer, &all_wishes[i]);
        }
    }
    require(list.at + list.len == copy + len, "what is no extension stays");
    struct slice token;
    list = slice_of(copy, len);
    while (ws_protocol_next(&list, &token)) {
        require(token.len > 0 && token.at >= copy && token.at + token.len <= copy + len, "a token");
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    check_frames(bytes, len, false);
    check_frames(bytes, len, true);
    check_utf8(bytes, len);
    check_close(bytes, len);
    check_lists(bytes, len);
    return 0;
}
