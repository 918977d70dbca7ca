/* A WebSocket between fakes; see ws_rig.h. */
#include "http/ws_rig.h"

#include <string.h>

#include "base/err.h"
#include "http/fakes.h"
#include "must.h"
#include "wire/utf8.h"
#include "wire/ws_mask.h"

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

static void note(struct ws_rig *rig, struct slice bytes) {
    MUST(bytes.len <= WS_JOURNAL - rig->journal_len);
    if (bytes.len > 0) {
        memcpy(rig->journal + rig->journal_len, bytes.at, bytes.len);
        rig->journal_len += bytes.len;
    }
}

static bool valid(struct slice text) {
    struct utf8 utf8;
    utf8_init(&utf8);
    return utf8_feed(&utf8, text.at, text.len) && utf8_done(&utf8);
}

/* --- events --- */

static void on_message(void *user, enum websocket_kind kind, struct slice message) {
    struct ws_rig *rig = user;
    MUST(rig->ws && !rig->operating && rig->asked && rig->closes == 0);
    MUST(kind == WEBSOCKET_BINARY || valid(message));
    MUST(rig->config.max_size == 0 || message.len <= rig->config.max_size);
    rig->asked = false;
    rig->messages++;
    rig->message_bytes += message.len;
    if (!rig->silent) {
        note(rig, kind == WEBSOCKET_TEXT ? SLICE("text ") : SLICE("binary "));
        note(rig, message);
        note(rig, SLICE("\n"));
    }
    if (rig->releases) {
        ws_rig_release(rig);
    } else if (rig->eager) {
        ws_rig_want(rig);
    }
}

static void on_drained(void *user) {
    struct ws_rig *rig = user;
    MUST(rig->ws && !rig->operating && rig->asked_drained);
    rig->asked_drained = false;
    rig->drains++;
    note(rig, SLICE("drained\n"));
    if (rig->releases) {
        ws_rig_release(rig);
    }
}

static void on_closed(void *user, uint16_t code, struct slice reason) {
    struct ws_rig *rig = user;
    char text[32];
    MUST(rig->ws && !rig->operating && rig->asked);
    MUST(valid(reason));
    MUST(code == 1005 || code == 1006 || ws_close_code_sendable(code));
    MUST(rig->closes == 0 || rig->code == code);
    rig->asked = false;
    rig->closes++;
    rig->code = code;
    int len = snprintf(text, sizeof(text), "closed %u ", code);
    note(rig, slice_of(text, (size_t)len));
    note(rig, reason);
    note(rig, SLICE("\n"));
    if (rig->releases) {
        ws_rig_release(rig);
    }
}

static const struct websocket_events events = {
    .message = on_message,
    .drained = on_drained,
    .closed = on_closed,
};

/* --- the rig --- */

static void on_hook(void *arg) {
    (void)arg;
}

void ws_rig_init(struct ws_rig *rig) {
    fake_clock = (struct fake_clock){0};
    memset(rig, 0, offsetof(struct ws_rig, carrier));
    rig->config.max_size = 1024 * 1024;
    rig->config.max_queue = 4;
    rig->config.deflate = true;
    memcpy(rig->offer.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof(rig->offer.accept));
    log_init(&rig->log, (struct log_sink){on_hook, NULL});
    fake_carrier_init(&rig->carrier, &rig->loop, &rig->log);
}

void ws_rig_offer_deflate(struct ws_rig *rig, const struct ws_deflate_offer *offer) {
    MUST(rig->offer.count < WS_OFFERS);
    rig->offer.deflate[rig->offer.count++] = *offer;
}

void ws_rig_open(struct ws_rig *rig) {
    MUST(loop_init(&rig->loop, (struct loop_hooks){on_hook, on_hook, NULL}) == 0);
    rig->pool = websocket_pool_new(&rig->config);
    if (rig->pool) {
        rig->accepted = websocket_accept(rig->pool, &rig->carrier.exchange, &rig->offer, NULL, 0,
                                         &events, rig, &rig->ws);
    }
}

void ws_rig_turn(struct ws_rig *rig) {
    fake_carrier_turn(&rig->carrier);
    loop_turn(&rig->loop, false);
}

/* All that could change while the rig has not settled. */
static size_t state(const struct ws_rig *rig) {
    const struct fake_carrier *carrier = &rig->carrier;
    return carrier->in_used + carrier->out_len + carrier->eof_told + carrier->closed +
           rig->messages + rig->closes + rig->drains;
}

void ws_rig_settle(struct ws_rig *rig) {
    for (int quiet = 0; quiet < 3; quiet++) {
        size_t before = state(rig);
        ws_rig_turn(rig);
        if (state(rig) != before) {
            quiet = -1;
        }
    }
}

void ws_rig_bytes(struct ws_rig *rig, struct slice bytes) {
    fake_carrier_send(&rig->carrier, bytes);
}

void ws_rig_frame_head(struct ws_rig *rig, uint8_t first, uint64_t len) {
    uint8_t head[WS_FRAME_HEAD_MAX];
    size_t head_len = ws_frame_head(head, WS_CONTINUATION, false, false, len);
    head[0] = first;
    head[1] |= 0x80;
    ws_rig_bytes(rig, slice_of(head, head_len));
    ws_rig_bytes(rig, slice_of(key, sizeof(key)));
}

void ws_rig_frame(struct ws_rig *rig, uint8_t first, struct slice payload) {
    struct fake_carrier *carrier = &rig->carrier;
    ws_rig_frame_head(rig, first, payload.len);
    size_t at = carrier->in_len;
    ws_rig_bytes(rig, payload);
    ws_unmask(carrier->in + at, carrier->in + at, payload.len, key, 0);
}

static void fire(struct timer *timer) {
    struct loop_timer *own = LIST_OWNER(timer, struct loop_timer, timer);
    own->fire(own);
}

void ws_rig_pass(struct ws_rig *rig, uint64_t ms) {
    fake_clock.ms += ms;
    wheel_advance(&rig->loop.wheel, fake_clock.ms, fire);
    ws_rig_settle(rig);
}

/* --- the user --- */

void ws_rig_want(struct ws_rig *rig) {
    rig->operating = true;
    rig->asked = true;
    websocket_want_message(rig->ws);
    rig->operating = false;
}

void ws_rig_want_drained(struct ws_rig *rig) {
    rig->operating = true;
    rig->asked_drained = true;
    websocket_want_drained(rig->ws);
    rig->operating = false;
}

int ws_rig_send(struct ws_rig *rig, enum websocket_kind kind, struct slice message) {
    rig->operating = true;
    int err = websocket_send(rig->ws, kind, message);
    rig->operating = false;
    return err;
}

static void piece_over(struct piece *piece) {
    ((struct ws_rig *)piece->owner)->sweeps++;
}

int ws_rig_send_piece(struct ws_rig *rig, enum websocket_kind kind, struct slice message) {
    struct piece *piece = piece_memory(&rig->loop.pieces, message, piece_over, rig);
    if (!piece) {
        ws_rig_close(rig, WS_CODE_INTERNAL, SLICE("")); /* none is left out of the middle */
        return ERR_NOMEM;
    }
    rig->operating = true;
    int err = websocket_send_piece(rig->ws, kind, piece);
    rig->operating = false;
    return err;
}

void ws_rig_close(struct ws_rig *rig, uint16_t code, struct slice reason) {
    rig->operating = true;
    websocket_close(rig->ws, code, reason);
    rig->operating = false;
}

void ws_rig_release(struct ws_rig *rig) {
    struct websocket *ws = rig->ws;
    rig->ws = NULL;
    rig->operating = true;
    websocket_release(ws);
    rig->operating = false;
}

/* --- what came --- */

struct slice ws_rig_output(struct ws_rig *rig) {
    struct slice output = slice_of(rig->carrier.out, rig->carrier.out_len);
    rig->carrier.out_len = 0;
    return output;
}

struct slice ws_rig_journal(struct ws_rig *rig) {
    struct slice journal = slice_of(rig->journal, rig->journal_len);
    rig->journal_len = 0;
    return journal;
}

struct slice ws_rig_log(struct ws_rig *rig) {
    const struct log_line *line = log_next(&rig->log);
    return line ? slice_of(line->text, line->len) : SLICE("");
}

void ws_rig_end(struct ws_rig *rig) {
    if (rig->ws) {
        ws_rig_release(rig);
    }
    rig->carrier.resets = true;
    ws_rig_turn(rig);
    ws_rig_turn(rig);
    loop_sweep(&rig->loop);
    MUST(rig->carrier.tunnel == NULL);
    MUST(piece_pool_live(&rig->loop.pieces) == 0);
    MUST(buf_pool_live(&rig->loop.bufs) == 0);
    MUST(rig->loop.wheel.count == 0);
    if (rig->pool) {
        MUST(websocket_pool_live(rig->pool) == 0);
        websocket_pool_free(rig->pool);
    }
    loop_release(&rig->loop);
    log_release(&rig->log);
}
