/* Every allocation of a WebSocket fails in turn: no crash, nothing left over, and what the user
 * and the peer have got is a beginning of what they get where nothing fails. (zlib's own
 * allocations are not reached from here.) */
#include "faults.h"
#include "http/deflated.h"
#include "http/ws_rig_test.h"

#include "base/banned.h"

enum { ROOM = 100000 };

static uint8_t filler[ROOM];

struct scenario {
    const char *name;
    bool deflate;
    void (*run)(struct ws_rig *rig);
};

static void want(struct ws_rig *rig) {
    if (rig->closes == 0) {
        ws_rig_want(rig);
    }
}

static void run_messages(struct ws_rig *rig) {
    ws_rig_frame(rig, F_TEXT, SLICE("short"));
    ws_rig_frame(rig, F_PING, SLICE("ping"));
    ws_rig_frame(rig, F_TEXT_FIRST, SLICE("begin"));
    ws_rig_frame(rig, F_LAST, slice_of(filler, 9000));
    ws_rig_frame(rig, F_BINARY, slice_of(filler, 30000));
    ws_rig_frame(rig, F_CLOSE, SLICE("\x03\xe8 reason"));
    ws_rig_settle(rig);
}

static void run_queue(struct ws_rig *rig) {
    rig->eager = false;
    for (int i = 0; i < 6; i++) {
        ws_rig_frame(rig, F_TEXT, SLICE("x"));
    }
    ws_rig_settle(rig);
    rig->eager = true;
    want(rig);
    ws_rig_settle(rig);
}

static void run_answers(struct ws_rig *rig) {
    (void)ws_rig_send(rig, WEBSOCKET_TEXT, SLICE("short"));
    (void)ws_rig_send_piece(rig, WEBSOCKET_BINARY, slice_of(filler, 5000));
    (void)ws_rig_send(rig, WEBSOCKET_TEXT, slice_of(filler, ROOM));
    ws_rig_settle(rig);
    ws_rig_close(rig, 4000, SLICE("reason"));
    ws_rig_settle(rig);
}

static void run_broken(struct ws_rig *rig) {
    ws_rig_frame(rig, F_TEXT, SLICE("good"));
    ws_rig_bytes(rig, SLICE("\xff\xff"));
    ws_rig_settle(rig);
}

static void run_pings(struct ws_rig *rig) {
    ws_rig_pass(rig, 1000 + WHEEL_TICK);
    ws_rig_pass(rig, 1000 + WHEEL_TICK);
}

static void run_stop(struct ws_rig *rig) {
    ws_rig_frame(rig, F_TEXT, SLICE("before"));
    ws_rig_settle(rig);
    fake_carrier_stop(&rig->carrier);
    ws_rig_settle(rig);
}

static void run_release(struct ws_rig *rig) {
    ws_rig_frame(rig, F_TEXT_FIRST, SLICE("before"));
    ws_rig_settle(rig);
    ws_rig_release(rig);
    ws_rig_frame(rig, F_LAST, SLICE("behind"));
    ws_rig_settle(rig);
}

static void run_compressed(struct ws_rig *rig) {
    static uint8_t packed[ROOM];
    struct deflated peer;
    deflated_init(&peer, 12, 12);
    ws_rig_frame(rig, F_TEXT | F_COMPRESSED,
                 deflated_pack(&peer, slice_of(filler, 50000), packed, ROOM));
    deflated_release(&peer);
    ws_rig_settle(rig);
    (void)ws_rig_send(rig, WEBSOCKET_TEXT, slice_of(filler, 1000));
    (void)ws_rig_send(rig, WEBSOCKET_BINARY, slice_of(filler, ROOM));
    ws_rig_settle(rig);
}

static const struct scenario scenarios[] = {
    {"messages", false, run_messages}, {"queue", false, run_queue},
    {"answers", false, run_answers},   {"broken", false, run_broken},
    {"pings", false, run_pings},       {"stop", false, run_stop},
    {"release", false, run_release},   {"compressed", true, run_compressed},
};

/* What is kept of a run without faults. */
static struct {
    size_t out_len;
    size_t messages; /* bytes of the journal before `closed` */
    uint8_t out[CARRIER_OUT];
    char journal[WS_JOURNAL];
} good;

static size_t before_closed(const struct ws_rig *rig) {
    size_t len = rig->journal_len;
    static const char closed[] = "closed ";
    for (size_t i = 0; rig->closes > 0 && i + sizeof(closed) <= len; i++) {
        if (memcmp(rig->journal + i, closed, sizeof(closed) - 1) == 0) {
            return i;
        }
    }
    return len;
}

/* The Close frame of a peer that is told of the want of memory. */
static bool is_close_1011(struct slice rest) {
    return rest.len >= 4 && rest.at[0] == F_CLOSE && rest.at[2] == 0x03 && rest.at[3] == 0xf3;
}

/* How much of the good run's output a run has sent: whole frames, and then perhaps 1011. */
static void check_beginning(const struct ws_rig *rig, bool keeps) {
    const struct fake_carrier *carrier = &rig->carrier;
    size_t same = 0;
    while (same < carrier->out_len && same < good.out_len && carrier->out[same] == good.out[same]) {
        same++;
    }
    if (!keeps && same < carrier->out_len) {
        /* Close begins as other frames do not, but may share bytes with what came instead. */
        bool told = false;
        for (size_t back = 0; back < 4 && back <= same; back++) {
            told = told || is_close_1011(slice_of(carrier->out + same - back,
                                                  carrier->out_len - same + back));
        }
        CHECK(told);
    }
    size_t len = before_closed(rig);
    CHECK(len <= good.messages && memcmp(rig->journal, good.journal, len) == 0);
}

/* Runs it with the `failing`th allocation failing, or with none (0). How many there were. */
static uint64_t play(const struct scenario *scenario, uint64_t failing, size_t step) {
    static struct ws_rig rig;
    static const struct ws_deflate_offer offer = {.client_bits = 15};
    ws_rig_init(&rig);
    rig.carrier.step = step;
    rig.config.ping_interval = 1000;
    rig.config.ping_timeout = 1000;
    if (scenario->deflate) {
        ws_rig_offer_deflate(&rig, &offer);
    }
    faults_clear();
    faults[FAULT_ALLOC].from = failing;
    faults[FAULT_ALLOC].to = failing;
    ws_rig_open(&rig);
    /* Where permessage-deflate was not agreed upon for want of memory, it is another run. */
    bool same = !scenario->deflate || (rig.ws && rig.carrier.fields_len > 60);
    if (rig.ws) {
        rig.eager = true;
        ws_rig_want(&rig);
        scenario->run(&rig);
    } else {
        CHECK(failing > 0);
    }
    uint64_t calls = faults[FAULT_ALLOC].calls;
    faults_clear();
    if (failing == 0) {
        good.out_len = rig.carrier.out_len;
        good.messages = before_closed(&rig);
        memcpy(good.out, rig.carrier.out, rig.carrier.out_len);
        memcpy(good.journal, rig.journal, rig.journal_len);
    } else if (same) {
        check_beginning(&rig, scenario->run == run_pings);
    }
    ws_rig_end(&rig);
    return calls;
}

TEST(each_allocation_fails_in_turn) {
    static const size_t steps[] = {SIZE_MAX, 5};
    memset(filler, 'f', sizeof(filler));
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
            unsigned failed = test_run.failed_checks;
            uint64_t count = play(&scenarios[i], 0, steps[k]);
            CHECK(count >= 3); /* the wraps are in place */
            uint64_t failing = 1;
            while (failing <= count && test_run.failed_checks == failed) {
                play(&scenarios[i], failing++, steps[k]);
            }
            if (test_run.failed_checks > failed) {
                fprintf(stderr, "  (%s, allocation %d, input in steps of %zu)\n", scenarios[i].name,
                        (int)failing - 1, steps[k]);
            }
        }
    }
}

/* Where memory stays short, the peer is not told why, but the connection ends. */
TEST(all_allocations_from_one_on_fail) {
    static struct ws_rig rig;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        for (uint64_t first = 1; first < 12; first++) {
            ws_rig_init(&rig);
            ws_rig_open_eager(&rig);
            faults_clear();
            faults[FAULT_ALLOC].from = first;
            faults[FAULT_ALLOC].to = UINT64_MAX;
            scenarios[i].run(&rig);
            faults_clear();
            ws_rig_end(&rig);
        }
    }
}
