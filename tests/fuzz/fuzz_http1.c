/* libFuzzer target of a whole HTTP/1 connection, between the fakes of the unit tests.
 *
 * The input is what the peer sends, so that the corpus of requests (tests/corpus) seeds it. A byte
 * 0xFF begins an order instead: what it says, and an argument (see `orders`); 0xFF 0xFF is the byte
 * itself. Orders move the clock, the peer's window and its end, choose what the gateway does, call
 * its operations from outside of events, turn an exchange into a tunnel, stop the server and let
 * allocations fail.
 *
 * What must hold: the assertions of the states; the laws of streams and exchanges (the fakes watch
 * them); every response is well framed, in order, and complete only where the gateway completed it;
 * an orderly end means that all that was answered has arrived; nothing is served behind a refused
 * request; no object lives on. */
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "base/err.h"
#include "faults.h"
#include "http/fake_tunnel.h"
#include "http/http1.h"
#include "http/response.h"
#include "http/rig.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { ORDER = 0xFF };

static struct rig rig;
static struct fake_tunnel tunnel;
static uint8_t filler[70000];

/* Every peer is a proxy that is trusted. */
static struct origin_rules proxies = {.kind = ORIGIN_AUTO, .host = true};

/* --- oracles --- */

/* Is a complete final response what its exchange sent? */
static void judge(const struct response *response, const struct fake_record *record) {
    bool bodyless = record->to_head || response->status == 204 || response->status == 304;
    if (bodyless) {
        MUST(response->body_len == 0);
    } else if (response->has_length) {
        /* complete with its last byte, whether the gateway said so or gave up behind it */
        MUST(record->sent >= response->content_length);
    } else {
        MUST(record->answered);
        MUST(response->body_len == record->sent);
    }
}

/* Reads all of the output. How many of the gateway's responses are complete. */
static unsigned judge_output(void) {
    struct slice output = slice_of(rig.peer.out, rig.peer.out_len);
    /* whoever resets a connection does not take its end for the end of a body */
    bool ended = rig.peer.end == FAKE_FIN && rig.peer.why != CLOSE_PEER_RESET;
    unsigned finals = 0;
    while (output.len > 0) {
        struct response response;
        const struct fake_record *record = &rig.gateway.records[finals];
        bool to_head = finals < rig.gateway.starts && record->to_head;
        ssize_t used = response_read(output, to_head, ended, &response);
        MUST(used >= 0);
        if (used == 0) {
            break;
        }
        output.at += used;
        output.len -= (size_t)used;
        if (response.status == 101) {
            /* the rest is the tunnel's, and nothing else's */
            MUST(tunnel.tunnel.ops != NULL);
            MUST(output.len <= tunnel.written);
            break;
        }
        if (response.status >= 400) {
            /* a refusal: the last words */
            MUST(rig.server.counters.refused == 1);
            MUST(response.closes);
            MUST(output.len == 0);
            break;
        }
        if (response.status >= 200) {
            MUST(finals < rig.gateway.starts);
            judge(&response, record);
            finals++;
        }
    }
    return finals;
}

/* --- orders --- */

static void order_turns(uint8_t argument) {
    for (int i = 0; i <= argument % 8; i++) {
        rig_turn(&rig);
    }
}

static void order_time(uint8_t argument) {
    rig_pass(&rig, (uint64_t)argument * 500);
}

static void order_step(uint8_t argument) {
    rig.peer.step = argument ? argument : SIZE_MAX;
}

static void order_window(uint8_t argument) {
    if (argument == 0) {
        rig.peer.window = 0;
    } else if (rig.peer.window < SIZE_MAX / 2) {
        fake_peer_open_window(&rig.peer, argument == 255 ? SIZE_MAX / 2 : (size_t)argument * 16);
    }
}

static void order_end(uint8_t argument) {
    rig.peer.half_closes |= argument % 2 == 0;
    rig.peer.resets |= argument % 2 == 1;
}

static void order_when(uint8_t argument) {
    rig.gateway.when = (enum fake_when)(argument % 3);
    rig.gateway.pulls = argument & 4;
    rig.gateway.watches = argument & 8;
    rig.gateway.reset_at_start = (argument & 0xF8) == 0xF8;
}

static void order_answer(uint8_t argument) {
    static const int statuses[] = {200, 204, 304, 200};
    static const size_t sizes[] = {0, 5, 1000, sizeof(filler)};
    static const struct response_field close_field = {{(const uint8_t *)"Connection", 10},
                                                      {(const uint8_t *)"close", 5}};
    size_t size = sizes[(argument >> 2) & 3];
    rig.gateway.head.status = statuses[argument & 3];
    rig.gateway.body = slice_of(filler, size);
    rig.gateway.head.content_length = argument & 0x10 ? (int64_t)size + !(argument & 0x20) : -1;
    rig.gateway.head.fields = &close_field;
    rig.gateway.head.field_count = (argument & 0xC0) == 0xC0;
}

/* The last is forbidden in trailers, and left out of interim responses and switches. */
static const struct response_field some_fields[] = {
    {{(const uint8_t *)"Link", 4}, {(const uint8_t *)"</a>", 4}},
    {{(const uint8_t *)"X-Sum", 5}, {(const uint8_t *)"1", 1}},
    {{(const uint8_t *)"Content-Length", 14}, {(const uint8_t *)"3", 1}},
};

static void order_tunnel(uint8_t argument) {
    if (!tunnel.open) {
        return;
    }
    switch (argument % 6) {
    case 0:
    case 1:
        fake_tunnel_read(&tunnel, argument % 6 == 0);
        break;
    case 2:
        fake_tunnel_write(&tunnel, slice_of(filler, (size_t)argument * 256 + 1));
        break;
    case 3:
        fake_tunnel_want_drained(&tunnel);
        break;
    case 4:
        fake_tunnel_finish(&tunnel);
        break;
    default:
        fake_tunnel_close(&tunnel, CLOSE_PING_TIMEOUT);
        break;
    }
}

static void order_operation(uint8_t argument) {
    struct exchange *exchange = rig.gateway.open;
    if (!exchange) {
        return;
    }
    const struct fake_job *job = exchange->job;
    switch (argument % 11) {
    case 0:
        fake_send_head(&rig.gateway, exchange, &rig.gateway.head);
        break;
    case 1:
        fake_send_body(&rig.gateway, exchange, slice_of(filler, argument), false);
        break;
    case 2:
        if (fake_send_body(&rig.gateway, exchange, slice_of(filler, argument), true) == ERR_ORDER) {
            fake_reset(&rig.gateway, exchange);
        }
        break;
    case 3:
        if (!job->had_last) {
            fake_want_body(&rig.gateway, exchange);
        }
        break;
    case 4:
        fake_want_drained(&rig.gateway, exchange);
        break;
    case 5:
        fake_send_info(&rig.gateway, exchange, 95 + argument / 10, some_fields, argument & 3);
        break;
    case 6:
        if (fake_send_trailers(&rig.gateway, exchange, some_fields, argument & 3) == ERR_ORDER) {
            fake_send_head(&rig.gateway, exchange, &rig.gateway.head);
        }
        break;
    case 7:
        fake_want_abort(&rig.gateway, exchange);
        break;
    case 8:
        fake_tunnel_upgrade(&tunnel, exchange, some_fields, argument & 3);
        break;
    case 9:
        if (!job->had_last) {
            (void)fake_take_body(&rig.gateway, exchange);
        }
        break;
    default:
        fake_reset(&rig.gateway, exchange);
        break;
    }
}

static void order_stop(uint8_t argument) {
    server_stop(&rig.server, (uint64_t)argument * 100);
}

static void order_fault(uint8_t argument) {
    faults[FAULT_ALLOC] = (struct fault){.from = 1U + argument % 16, .to = 1U + argument % 16};
}

static void order_slow(uint8_t argument) {
    fake_clock.hr_step = (uint64_t)argument * 1000;
}

static void (*const orders[])(uint8_t argument) = {
    order_turns,  order_time,      order_step, order_window, order_end,  order_when,
    order_answer, order_operation, order_stop, order_fault,  order_slow, order_tunnel,
};

/* --- a run --- */

/* An allocation that failed once is over: the oracles count on the rest. */
static void run(const uint8_t *bytes, size_t len) {
    size_t at = 0;
    while (at < len) {
        size_t begin = at;
        while (at < len && bytes[at] != ORDER) {
            at++;
        }
        fake_peer_send(&rig.peer, slice_of(bytes + begin, at - begin));
        if (len - at < 3) {
            break;
        }
        if (bytes[at + 1] == ORDER) {
            fake_peer_send(&rig.peer, slice_of(bytes + at, 1));
            at += 2;
            continue;
        }
        unsigned starts = rig.gateway.starts;
        bool refused = rig.server.counters.refused > 0;
        orders[bytes[at + 1] % (sizeof(orders) / sizeof(orders[0]))](bytes[at + 2]);
        rig_turn(&rig);
        MUST(!refused || rig.gateway.starts == starts);
        at += 3;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    static int null_fd = -1;
    if (len > 16384) {
        return 0; /* the fakes' memory is bounded */
    }
    if (null_fd < 0) {
        MUST(trust_add(&proxies.trusted, SLICE("*")) == 0);
        null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    }
    faults_clear();
    rig_init(&rig);
    rig.config = (struct server_config){
        .head = {.line = 1024, .head = 4096, .fields = 20},
        .body = 10000,
        .timeout_headers = 3000,
        .timeout_body = 4000,
        .timeout_keep_alive = 5000,
        .timeout_write = 6000,
        .access_log.fd = len % 2 ? null_fd : -1,
        .origin = &proxies,
        .prefaced = &proxies.trusted,
    };
    rig.prefaced = len % 8 == 0; /* connections begin with the PROXY protocol */
    rig.gateway.when = FAKE_AFTER_BODY;
    fake_tunnel_init(&tunnel, &rig.gateway);
    rig_open(&rig);
    run(bytes, len);
    rig_settle(&rig);
    faults_clear();
    fake_clock.hr_step = 0;
    fake_peer_open_window(&rig.peer, SIZE_MAX - rig.peer.window);
    rig_settle(&rig);
    unsigned complete = judge_output();
    if (rig.peer.end != FAKE_RST && rig.peer.why != CLOSE_PEER_RESET &&
        rig.peer.out_len < FAKE_OUT) {
        MUST(complete >= rig.gateway.answers);
    }
    rig_end(&rig);
    return 0;
}
