/* A server with fakes below and above; see rig.h. */
#include "http/rig.h"

#include "http/http1.h"
#include "must.h"
#include "wire/proxy_protocol.h"

static void on_hook(void *arg) {
    (void)arg;
}

static void on_log(void *arg) {
    ((struct rig *)arg)->wakes++;
}

void rig_init(struct rig *rig) {
    fake_clock = (struct fake_clock){0};
    rig->config = (struct server_config){
        .head = {.line = 8192, .head = 65536, .fields = 100},
        .access_log.fd = -1,
    };
    rig->wakes = 0;
    rig->prefaced = false;
    rig->health = NULL;
    rig->started = false;
    fake_gateway_init(&rig->gateway);
    fake_peer_init(&rig->peer);
}

void rig_start(struct rig *rig) {
    MUST(loop_init(&rig->loop, (struct loop_hooks){on_hook, on_hook, NULL}) == 0);
    fake_transport_init(&rig->transport);
    transport_preface_init(&rig->preface, &rig->transport.transport, proxy_preface_read,
                           PROXY_HEADER_MAX, 0);
    struct server_place place = {.loop = &rig->loop,
                                 .transport = rig->prefaced ? &rig->preface.transport
                                                            : &rig->transport.transport,
                                 .gateway = &rig->gateway.gateway,
                                 .health = rig->health,
                                 .log = {on_log, rig}};
    rig->started = server_init(&rig->server, &place, &rig->config, NULL, 0) == 0;
}

void rig_open_peer(struct rig *rig, struct fake_peer *peer) {
    static const struct peer address = {.family = PEER_IPV4, .port = 4711, .ip = {192, 0, 2, 1}};
    rig->transport.expected = peer;
    http1_open(&rig->server, -1, &address, 0);
    rig->transport.expected = NULL;
}

void rig_open(struct rig *rig) {
    rig_start(rig);
    MUST(rig->started);
    rig_open_peer(rig, &rig->peer);
}

void rig_turn(struct rig *rig) {
    fake_peer_turn(&rig->peer);
    loop_turn(&rig->loop, false);
}

/* All that could change while the rig has not settled. */
static uint64_t state(const struct rig *rig) {
    const struct fake_peer *peer = &rig->peer;
    return peer->in_used + peer->out_len + peer->end + peer->why + peer->closed + peer->eof_told +
           rig->gateway.journal_len + rig->gateway.starts + rig->server.state;
}

void rig_settle(struct rig *rig) {
    for (int quiet = 0; quiet < 4; quiet++) {
        uint64_t before = state(rig);
        rig_turn(rig);
        if (state(rig) != before) {
            quiet = -1;
        }
    }
}

void rig_send(struct rig *rig, struct slice bytes) {
    fake_peer_send(&rig->peer, bytes);
    rig_settle(rig);
}

static void fire(struct timer *timer) {
    struct loop_timer *own = LIST_OWNER(timer, struct loop_timer, timer);
    own->fire(own);
}

void rig_pass(struct rig *rig, uint64_t ms) {
    fake_clock.ms += ms;
    wheel_advance(&rig->loop.wheel, fake_clock.ms, fire);
    rig_settle(rig);
}

struct slice rig_output(struct rig *rig) {
    struct slice output = slice_of(rig->peer.out, rig->peer.out_len);
    rig->peer.out_len = 0;
    return output;
}

static void add_live(void *arg, const char *name, uint64_t value) {
    (void)name;
    *(uint64_t *)arg += value;
}

uint64_t rig_live(const struct rig *rig) {
    uint64_t live = 0;
    server_live(&rig->server, add_live, &live);
    return live;
}

static uint64_t sum(const _Atomic uint64_t *words, size_t count) {
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += atomic_load_explicit(&words[i], memory_order_relaxed);
    }
    return total;
}

/* Nothing is served any more: every gauge is zero, and every request has come to an end. */
static void check_figures(const struct figures *figures) {
    uint64_t answers = sum(figures->answers, FIGURES_METHODS * FIGURES_CLASSES);
    uint64_t started = sum(figures->started, 1);
    MUST(sum(figures->busy, 1) == 0);
    MUST(sum(figures->tunnels, 1) == 0);
    MUST(sum(figures->closing, 1) == 0);
    MUST(sum(figures->accepted, 1) == sum(figures->closed, FIGURES_CLOSES));
    MUST(sum(figures->arrived, 1) == started + sum(figures->dropped, 1));
    MUST(started == answers + sum(figures->aborted, 1));
    MUST(sum(figures->duration, FIGURES_BUCKETS) <= answers);
}

void rig_end(struct rig *rig) {
    if (rig->started) {
        server_stop(&rig->server, 0);
        rig_pass(rig, WHEEL_TICK);
        rig_pass(rig, WHEEL_TICK);
        MUST(rig->server.state == SERVER_STOPPED);
        loop_sweep(&rig->loop);
        MUST(rig_live(rig) == 0);
        MUST(fake_open_jobs(&rig->gateway) == 0);
        MUST(rig->peer.stream == NULL);
        check_figures(loop_figures(&rig->loop));
    }
    loop_release(&rig->loop);
    if (rig->started) {
        server_release(&rig->server);
    }
    transport_preface_release(&rig->preface);
    fake_transport_release(&rig->transport);
}
