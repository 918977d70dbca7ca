/* libFuzzer target of a whole WebSocket, between the fakes of the unit tests.
 *
 * The first byte of an input chooses the configuration. The rest is what the peer sends, so that
 * the corpus of frames (tests/corpus/websocket) seeds it. A byte 0xFF begins an order instead: what
 * it says, and an argument (see `orders`); 0xFF 0xFF is the byte itself. Orders move the clock, the
 * peer's window and its end, send whole frames, call the user's operations, stop the server and let
 * allocations fail.
 *
 * What must hold: the laws of tunnels and of WebSockets (the fakes watch them); the output is well
 * framed, has the user's messages in order, and ends with Close; no message is longer than may be;
 * what waits is bounded; nothing lives on. And what the peer sends is understood in the same way
 * however it is cut. */
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "faults.h"
#include "http/deflated.h"
#include "http/fakes.h"
#include "http/websocket_impl.h"
#include "http/ws_rig.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { ORDER = 0xFF, SENT_MAX = 512, FILLER = 70000 };

static struct ws_rig rig;
static uint8_t filler[FILLER];
static uint8_t unpacked[FILLER];

/* What the user has sent. */
static struct {
    size_t count;
    struct {
        size_t len;
        uint8_t opcode;
    } messages[SENT_MAX];
    bool closed; /* and it has closed */
} sent;

/* --- configuration --- */

static void configure(uint8_t choice) {
    static const uint64_t sizes[] = {0, 1, 200, 20000};
    static const struct ws_deflate_offer offers[] = {
        {.client_bits = 15},
        {.server_bits = 9, .client_no_takeover = true, .server_no_takeover = true},
    };
    ws_rig_init(&rig);
    rig.config.max_size = sizes[choice & 3];
    rig.config.max_queue = choice & 4 ? 1 : 5;
    rig.config.ping_interval = choice & 8 ? 4000 : 0;
    rig.config.ping_timeout = choice & 16 ? 3000 : 0;
    if (choice & 32) {
        ws_rig_offer_deflate(&rig, &offers[choice >> 6 & 1]);
    }
}

/* --- oracles --- */

/* The payload of a data frame is the next message that was sent. */
static void judge_message(const struct ws_frame *frame, struct slice payload, size_t index,
                          struct deflated *peer) {
    bool broken = false;
    MUST(index < sent.count);
    MUST(frame->fin && frame->opcode == sent.messages[index].opcode);
    if (frame->compressed) {
        payload = deflated_unpack(peer, payload, unpacked, sizeof(unpacked), &broken);
    }
    MUST(!broken && payload.len == sent.messages[index].len);
    MUST(payload.len == 0 || memcmp(payload.at, filler, payload.len) == 0);
}

/* A frame's head, which has no mask: a client's parser is given one. 0 where it is cut. */
static size_t read_head(struct slice output, struct ws_frame *frame) {
    uint8_t head[WS_FRAME_HEAD_MAX + 4] = {0};
    size_t len = output.len < WS_FRAME_HEAD_MAX ? output.len : WS_FRAME_HEAD_MAX;
    memcpy(head, output.at, len);
    MUST(len < 2 || !(head[1] & 0x80));
    head[1] |= 0x80;
    ssize_t used = ws_frame_parse(frame, head, sizeof(head), rig.offer.count > 0);
    MUST(used > 4);
    return (size_t)used - 4 <= output.len ? (size_t)used - 4 : 0;
}

/* All that the peer has got. How many messages of the user were whole. */
static size_t judge_output(void) {
    struct slice output = slice_of(rig.carrier.out, rig.carrier.out_len);
    struct deflated peer;
    size_t messages = 0;
    deflated_init(&peer, 15, 15);
    while (output.len > 0) {
        struct ws_frame frame;
        size_t head = read_head(output, &frame);
        if (head == 0 || output.len - head < frame.len) {
            break;
        }
        struct slice payload = slice_of(output.at + head, (size_t)frame.len);
        output = slice_of(payload.at + payload.len, output.len - head - payload.len);
        if (frame.opcode == WS_TEXT || frame.opcode == WS_BINARY) {
            judge_message(&frame, payload, messages++, &peer);
        } else if (frame.opcode == WS_CLOSE) {
            uint16_t code;
            struct slice reason;
            MUST(ws_close_parse(payload, &code, &reason) == 0);
            MUST(output.len == 0); /* RFC 6455 section 5.5.1 */
        } else {
            MUST(frame.opcode == WS_PING || frame.opcode == WS_PONG);
        }
    }
    deflated_release(&peer);
    return messages;
}

/* What waits is bounded, by what the queue may hold and the one message that filled it. */
static void judge_memory(void) {
    const struct ws_input *input = rig.ws ? rig.ws->input : NULL;
    MUST(buf_pool_live(&rig.loop.bufs) <= 1);
    MUST(!rig.ws || rig.ws->pongs <= WEBSOCKET_PONGS);
    if (!input) {
        return;
    }
    size_t most = (rig.config.max_size ? rig.config.max_size : CARRIER_IN) + CARRIER_IN;
    const struct ws_message *building = input->building;
    MUST(input->count <= rig.config.max_queue);
    MUST(input->queued < WEBSOCKET_QUEUE_BYTES + most);
    MUST(!building || rig.config.max_size == 0 || building->room <= rig.config.max_size);
}

/* --- orders --- */

static void order_turns(uint8_t argument) {
    for (int i = 0; i <= argument % 8; i++) {
        ws_rig_turn(&rig);
    }
}

static void order_time(uint8_t argument) {
    ws_rig_pass(&rig, (uint64_t)argument * 100);
}

static void order_step(uint8_t argument) {
    rig.carrier.step = argument ? argument : SIZE_MAX;
}

static void order_window(uint8_t argument) {
    if (argument == 0) {
        rig.carrier.window = 0;
    } else {
        fake_carrier_open_window(&rig.carrier, argument == 255 ? SIZE_MAX : (size_t)argument * 16);
    }
}

static void order_end(uint8_t argument) {
    rig.carrier.half_closes |= argument % 2 == 0;
    rig.carrier.resets |= argument % 2 == 1;
    rig.carrier.hears_end = argument & 2;
}

static void order_frame(uint8_t argument) {
    static const size_t sizes[] = {0, 1, 2, 30, 125, 126, 3000, 20001};
    static const uint8_t firsts[] = {0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0xc1, 0x42};
    size_t size = sizes[argument & 7];
    uint8_t first = firsts[(argument >> 3) % sizeof(firsts)];
    if (rig.carrier.in_len < CARRIER_IN - FILLER - 20) {
        ws_rig_frame(&rig, first, slice_of(filler, first & 8 ? size % 126 : size));
    }
}

static void order_close_frame(uint8_t argument) {
    static const char *const payloads[] = {"\x03\xe8", "\x03\xe9 bye", "\x0f\xa0", "", "\x03\xed"};
    const char *payload = payloads[argument % 5];
    ws_rig_frame(&rig, 0x88, slice_of(payload, strlen(payload)));
}

static void order_want(uint8_t argument) {
    rig.eager = argument & 1;
    rig.releases = argument == 254;
    if (rig.ws && rig.closes == 0) {
        ws_rig_want(&rig);
    }
    if (rig.ws && (argument & 2)) {
        ws_rig_want_drained(&rig);
    }
}

static void order_send(uint8_t argument) {
    static const size_t sizes[] = {0, 10, 63, 64, 125, 126, 1000, 65535, 65536, FILLER};
    size_t size = sizes[(argument >> 2) % 10];
    bool text = argument & 1;
    if (!rig.ws || sent.count == SENT_MAX) {
        return;
    }
    enum websocket_kind kind = text ? WEBSOCKET_TEXT : WEBSOCKET_BINARY;
    struct slice message = slice_of(filler, size);
    bool open = rig.ws->out == WS_SIDE_OPEN;
    int err =
        argument & 2 ? ws_rig_send_piece(&rig, kind, message) : ws_rig_send(&rig, kind, message);
    MUST(err == 0 || err == ERR_NOMEM || err == ERR_GONE);
    MUST(open ? err != ERR_GONE : err != 0);
    MUST(err == 0 || rig.ws->out == WS_SIDE_CLOSED);
    if (err == 0) {
        sent.messages[sent.count].len = size;
        sent.messages[sent.count++].opcode = text ? WS_TEXT : WS_BINARY;
    }
}

static void order_close(uint8_t argument) {
    static const uint16_t codes[] = {1000, 1001, 1011, 4999, WS_CODE_NONE};
    if (rig.ws && (argument & 0x80)) {
        ws_rig_release(&rig);
    } else if (rig.ws) {
        uint16_t code = codes[argument % 5];
        ws_rig_close(&rig, code, code == WS_CODE_NONE ? SLICE("") : SLICE("because"));
        MUST(rig.ws->out == WS_SIDE_CLOSED);
    }
}

static void order_stop(uint8_t argument) {
    (void)argument;
    fake_carrier_stop(&rig.carrier);
}

static void order_fault(uint8_t argument) {
    faults[FAULT_ALLOC] = (struct fault){.from = 1U + argument % 16, .to = 1U + argument % 16};
}

static void (*const orders[])(uint8_t argument) = {
    order_turns, order_time, order_step, order_window, order_end,   order_frame,
    order_want,  order_send, order_stop, order_close,  order_fault, order_close_frame,
};

/* --- a run --- */

static void run(const uint8_t *bytes, size_t len) {
    size_t at = 0;
    while (at < len) {
        size_t begin = at;
        while (at < len && bytes[at] != ORDER) {
            at++;
        }
        ws_rig_bytes(&rig, slice_of(bytes + begin, at - begin));
        if (len - at < 3) {
            break;
        }
        if (bytes[at + 1] == ORDER) {
            ws_rig_bytes(&rig, slice_of(bytes + at, 1));
            at += 2;
            continue;
        }
        orders[bytes[at + 1] % (sizeof(orders) / sizeof(orders[0]))](bytes[at + 2]);
        ws_rig_turn(&rig);
        judge_memory();
        at += 3;
    }
}

/* --- cuts --- */

static struct {
    size_t in_len;
    size_t out_len;
    size_t journal_len;
    uint8_t in[CARRIER_IN];
    uint8_t out[CARRIER_OUT];
    char journal[WS_JOURNAL];
} whole;

/* What was sent, to a user who does nothing but take it. */
static void replay(uint8_t choice, size_t step) {
    configure(choice);
    rig.config.ping_interval = 0;
    rig.carrier.step = step;
    rig.carrier.half_closes = true;
    rig.eager = true;
    ws_rig_open(&rig);
    ws_rig_bytes(&rig, slice_of(whole.in, whole.in_len));
    ws_rig_want(&rig);
    ws_rig_settle(&rig);
    MUST(rig.closes == 1);
}

static void judge_cuts(uint8_t choice) {
    replay(choice, SIZE_MAX);
    whole.out_len = rig.carrier.out_len;
    whole.journal_len = rig.journal_len;
    memcpy(whole.out, rig.carrier.out, whole.out_len);
    memcpy(whole.journal, rig.journal, whole.journal_len);
    /* Broken compressed data is seen sooner or later, depending on what zlib has at once. */
    bool vague =
        rig.offer.count > 0 && (rig.code == WS_CODE_INVALID || rig.code == WS_CODE_TOO_BIG);
    ws_rig_end(&rig);
    replay(choice, whole.in_len < 4096 ? 1 : 97);
    if (!vague) {
        MUST(slice_equal(slice_of(whole.out, whole.out_len),
                         slice_of(rig.carrier.out, rig.carrier.out_len)));
        MUST(slice_equal(slice_of(whole.journal, whole.journal_len),
                         slice_of(rig.journal, rig.journal_len)));
    }
    ws_rig_end(&rig);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    if (len == 0 || len > 8192) {
        return 0; /* the fakes' memory is bounded */
    }
    memset(filler, 'f', sizeof(filler));
    memset(&sent, 0, sizeof(sent));
    faults_clear();
    configure(bytes[0]);
    ws_rig_open(&rig);
    rig.silent = true;
    run(bytes + 1, len - 1);
    ws_rig_settle(&rig);
    faults_clear();
    fake_carrier_open_window(&rig.carrier, SIZE_MAX);
    rig.carrier.half_closes = true;
    rig.releases = false;
    rig.eager = true;
    if (rig.ws && rig.closes == 0) {
        ws_rig_want(&rig);
    }
    ws_rig_settle(&rig);
    MUST(!rig.ws || rig.closes > 0);
    size_t arrived = judge_output();
    MUST(arrived == sent.count || rig.carrier.out_len == CARRIER_OUT ||
         close_why_resets(rig.carrier.why) || rig.carrier.resets ||
         rig.carrier.why == CLOSE_PING_TIMEOUT || rig.carrier.why == CLOSE_WEBSOCKET);
    whole.in_len = rig.carrier.in_len;
    memcpy(whole.in, rig.carrier.in, whole.in_len);
    ws_rig_end(&rig);
    judge_cuts(bytes[0]);
    return 0;
}
