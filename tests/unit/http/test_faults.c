/* Every allocation of whole connections fails in turn: no crash, nothing left over, and never a
 * response that looks complete and is not. (The leak checker of the sanitizer build watches.) */
#include <sys/mman.h>
#include <unistd.h>

#include "faults.h"
#include "http/fake_tunnel.h"
#include "http/response.h"
#include "http/rig_test.h"

#include "base/banned.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

struct scenario {
    const char *name;
    void (*run)(struct rig *rig); /* on a connection that may be gone at any time */
    enum fake_when when;
    int64_t length;    /* that the gateway says */
    size_t body_len;   /* of a complete answer with status 200 */
    unsigned answers;  /* complete ones, where nothing fails */
    uint32_t max_body; /* --limit-request-body */
};

static uint8_t filler[40000];

static void run_keep_alive(struct rig *rig) {
    rig_send(rig, SLICE(GET("/a") GET("/b")));
    rig_send(rig, SLICE(GET("/c")));
}

static void run_bodies(struct rig *rig) {
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na"));
    rig_send(rig, SLICE("bc\r\n0\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"));
    rig_send(rig, SLICE("wxyz"));
}

static void run_expectation(struct rig *rig) {
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                        "Content-Length: 2\r\n\r\n"));
    rig_send(rig, SLICE("hi" GET("/b")));
}

static void run_large_heads(struct rig *rig) {
    struct response_field field = {SLICE("X"), slice_of(filler, 3000)};
    rig->gateway.head.fields = &field;
    rig->gateway.head.field_count = 1;
    fake_peer_send(&rig->peer, SLICE("GET /a HTTP/1.1\r\nHost: h\r\nReferer: "));
    fake_peer_send(&rig->peer, slice_of(filler, sizeof(filler)));
    rig_send(rig, SLICE("\r\n\r\n" GET("/b")));
    rig->gateway.head.fields = NULL;
    rig->gateway.head.field_count = 0;
}

/* The gateway sends in pieces, from outside of its events, and waits for room. */
static void run_pieces(struct rig *rig, struct slice request) {
    rig->peer.window = 50;
    rig_send(rig, request);
    struct exchange *exchange = rig->gateway.open;
    if (exchange && fake_send_head(&rig->gateway, exchange, &rig->gateway.head)) {
        fake_reset(&rig->gateway, exchange);
    }
    for (int i = 0; i < 4; i++) {
        if (rig->gateway.open) {
            fake_send_body(&rig->gateway, exchange, SLICE("piece"), i == 3);
        }
        if (rig->gateway.open) {
            fake_want_drained(&rig->gateway, exchange);
        }
        rig_settle(rig);
    }
    fake_peer_open_window(&rig->peer, 10000);
    rig_settle(rig);
}

static void run_chunks(struct rig *rig) {
    run_pieces(rig, SLICE(GET("/a")));
}

static void run_until_close(struct rig *rig) {
    run_pieces(rig, SLICE("GET /a HTTP/1.0\r\n\r\n"));
}

static void run_refusals(struct rig *rig) {
    rig_send(rig, SLICE(GET("/a") "BAD\r\n\r\n" GET("/b")));
}

static void run_body_too_large(struct rig *rig) {
    rig_send(rig, SLICE("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "10\r\n0123456789abcdef\r\n0\r\n\r\n"));
}

static void run_short(struct rig *rig) {
    rig_send(rig, SLICE(GET("/a") GET("/b")));
}

/* Early hints, and trailers behind what a watched exchange has sent. */
static void run_trailers(struct rig *rig) {
    static const struct response_field large = {{(const uint8_t *)"X", 1}, {filler, 3000}};
    rig->gateway.watches = true;
    rig_send(rig, SLICE(GET("/a") GET("/b")));
    for (int i = 0; i < 2 && rig->gateway.open; i++) {
        struct exchange *exchange = rig->gateway.open;
        fake_send_info(&rig->gateway, exchange, 103, &large, 1);
        if (fake_send_head(&rig->gateway, exchange, &rig->gateway.head)) {
            fake_reset(&rig->gateway, exchange);
        }
        if (rig->gateway.open) {
            fake_send_body(&rig->gateway, exchange, SLICE("piece"), false);
        }
        if (rig->gateway.open) {
            fake_send_trailers(&rig->gateway, exchange, &large, 1);
        }
        rig_settle(rig);
    }
}

/* What it says behind the switch is not HTTP. */
static void run_tunnel(struct rig *rig) {
    static struct fake_tunnel tunnel;
    fake_tunnel_init(&tunnel, &rig->gateway);
    rig->gateway.watches = true;
    rig_send(rig, SLICE(GET("/a")));
    if (rig->gateway.open) {
        fake_answer(&rig->gateway, rig->gateway.open);
    }
    rig_send(rig, SLICE("GET /b HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
                        "Upgrade: websocket\r\n\r\nearly"));
    if (rig->gateway.open) {
        fake_tunnel_upgrade(&tunnel, rig->gateway.open, NULL, 0);
    }
    if (tunnel.open) {
        fake_tunnel_read(&tunnel, true);
    }
    rig_send(rig, SLICE("later"));
    if (tunnel.open) {
        fake_tunnel_write(&tunnel, SLICE("piece"));
    }
    rig_settle(rig);
    if (tunnel.open) {
        fake_tunnel_finish(&tunnel);
    }
}

static const struct scenario scenarios[] = {
    {"keep-alive", run_keep_alive, FAKE_AT_START, 5, 5, 3, 0},
    {"bodies", run_bodies, FAKE_AFTER_BODY, -1, 5, 2, 0},
    {"expectation", run_expectation, FAKE_AFTER_BODY, 5, 5, 2, 0},
    {"large heads", run_large_heads, FAKE_AT_START, 5, 5, 2, 0},
    {"chunks", run_chunks, FAKE_NEVER, -1, 20, 1, 0},
    {"until close", run_until_close, FAKE_NEVER, -1, 20, 1, 0},
    {"refusals", run_refusals, FAKE_AT_START, 5, 5, 1, 0},
    {"body too large", run_body_too_large, FAKE_AFTER_BODY, 5, 5, 0, 8},
    {"short", run_short, FAKE_AT_START, 10, 10, 0, 0},
    {"trailers", run_trailers, FAKE_NEVER, -1, 5, 2, 0},
    {"tunnel", run_tunnel, FAKE_NEVER, 5, 5, 1, 0},
};

/* Complete answers with status 200 in the output, each of which must be what it should be. */
static unsigned complete_answers(struct rig *rig, const struct scenario *scenario) {
    struct slice output = rig_output(rig);
    bool ended = rig->peer.end == FAKE_FIN;
    unsigned complete = 0;
    while (output.len > 0) {
        struct response response;
        ssize_t used = response_read(output, false, ended, &response);
        CHECK(used >= 0);
        if (used <= 0) {
            break;
        }
        if (response.status == 101) {
            break;
        }
        if (response.status == 200) {
            CHECK_INT(response.body_len, scenario->body_len);
            complete++;
        }
        output.at += used;
        output.len -= (size_t)used;
    }
    return complete;
}

/* Runs it with the `failing`th allocation failing, or with none (0). How many there were. */
static uint64_t play(const struct scenario *scenario, uint64_t failing, size_t step) {
    static struct rig rig;
    int log_fd = memfd_create("log", MFD_CLOEXEC);
    rig_init(&rig);
    rig.peer.step = step;
    rig.config.access_log.fd = log_fd;
    rig.config.body = scenario->max_body;
    rig.gateway.when = scenario->when;
    rig.gateway.head.content_length = scenario->length;
    rig.gateway.body = SLICE("hello");
    faults_clear();
    faults[FAULT_ALLOC].from = failing;
    faults[FAULT_ALLOC].to = failing;
    rig_start(&rig);
    if (rig.started) {
        rig_open_peer(&rig, &rig.peer);
        scenario->run(&rig);
        if (rig.gateway.open) {
            fake_reset(&rig.gateway, rig.gateway.open);
        }
    }
    uint64_t calls = faults[FAULT_ALLOC].calls;
    faults_clear();
    if (rig.started) {
        rig_settle(&rig);
        unsigned complete = complete_answers(&rig, scenario);
        CHECK(failing > 0 ? complete <= scenario->answers : complete == scenario->answers);
    } else {
        CHECK(failing > 0);
    }
    rig_end(&rig); /* every live object must be gone */
    close(log_fd);
    return calls;
}

TEST(each_allocation_fails_in_turn) {
    static const size_t steps[] = {SIZE_MAX, 5};
    memset(filler, 'f', sizeof(filler));
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
            unsigned failed = test_run.failed_checks;
            uint64_t count = play(&scenarios[i], 0, steps[k]);
            CHECK(count > 5); /* the wraps are in place */
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

TEST(all_allocations_from_one_on_fail) {
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        for (uint64_t first = 1; first < 12; first++) {
            static struct rig rig;
            rig_init(&rig);
            rig.config.body = scenarios[i].max_body;
            rig.gateway.when = scenarios[i].when;
            rig.gateway.head.content_length = scenarios[i].length;
            rig.gateway.body = SLICE("hello");
            faults_clear();
            rig_open(&rig);
            faults[FAULT_ALLOC].calls = 0;
            faults[FAULT_ALLOC].from = first;
            faults[FAULT_ALLOC].to = UINT64_MAX;
            scenarios[i].run(&rig);
            if (rig.gateway.open) {
                fake_reset(&rig.gateway, rig.gateway.open);
            }
            rig_settle(&rig);
            CHECK(complete_answers(&rig, &scenarios[i]) <= scenarios[i].answers);
            faults_clear();
            rig_end(&rig);
        }
    }
}
