/* Tests of what http/ counts in base/figures.h. That every gauge is zero and every request
 * accounted for when all is over, rig_end checks in all tests of this room. */
#include "http/fake_tunnel.h"
#include "http/rig_test.h"

#include "base/banned.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define UPGRADE   "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

static uint64_t at(const _Atomic uint64_t *word) {
    return atomic_load_explicit(word, memory_order_relaxed);
}

static struct figures *figures(struct rig *rig) {
    return loop_figures(&rig->loop);
}

static uint64_t answers(struct rig *rig, enum figures_method method, unsigned class) {
    return at(&figures(rig)->answers[method * FIGURES_CLASSES + class]);
}

RIG_TEST(an_answer_is_counted_by_method_and_status) {
    rig->gateway.head.status = 404;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a") "DELETE /a HTTP/1.1\r\nHost: h\r\n\r\n"
                                  "BREW /a HTTP/1.1\r\nHost: h\r\n\r\n"));
    CHECK_INT(answers(rig, FIGURES_GET, 4), 1);
    CHECK_INT(answers(rig, FIGURES_DELETE, 4), 1);
    CHECK_INT(answers(rig, FIGURES_OTHER, 4), 1);
    CHECK_INT(at(figures(rig)->arrived), 3);
    CHECK_INT(at(figures(rig)->duration), 3);
    CHECK_INT(at(figures(rig)->busy), 0);
}

RIG_TEST(a_request_is_busy_from_its_first_byte) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    CHECK_INT(at(figures(rig)->accepted), 1);
    CHECK_INT(at(figures(rig)->busy), 0);
    rig_send(rig, SLICE("GET /a HTTP/1.1\r\n"));
    CHECK_INT(at(figures(rig)->busy), 1);
    CHECK_INT(at(figures(rig)->arrived), 0);
    rig_send(rig, SLICE("Host: h\r\n\r\n"));
    CHECK_INT(at(figures(rig)->started), 1);
    fake_answer(&rig->gateway, rig->gateway.open);
    rig_settle(rig);
    CHECK_INT(answers(rig, FIGURES_GET, 2), 1);
    CHECK_INT(at(figures(rig)->busy), 0);
}

RIG_TEST(who_goes_in_between_is_aborted) {
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    rig->peer.resets = true;
    rig_settle(rig);
    CHECK_INT(at(figures(rig)->aborted), 1);
    CHECK_INT(at(&figures(rig)->closed[CLOSE_PEER_RESET]), 1);
}

RIG_TEST(a_refusal_is_none_of_the_requests) {
    rig_open(rig);
    rig_send(rig, SLICE("GET /a HTTP/1.1\r\n\r\n"));
    CHECK_INT(at(&figures(rig)->refused[4]), 1);
    CHECK_INT(at(figures(rig)->arrived), 0);
    CHECK_INT(at(figures(rig)->closing), 1);
    CHECK_INT(at(figures(rig)->busy), 0);
}

RIG_TEST(the_queue_is_timed) {
    fake_clock.hr_step = 1000;
    rig_open(rig);
    rig_send(rig, SLICE(GET("/a")));
    CHECK_INT(at(figures(rig)->queue_ns), 1000); /* two looks at the clock */
    CHECK_INT(at(figures(rig)->duration_ns), 2000);
    fake_clock.hr_step = 0;
}

RIG_TEST(a_tunnel_is_one_until_it_closes) {
    static struct fake_tunnel tunnel;
    fake_tunnel_init(&tunnel, &rig->gateway);
    rig->gateway.when = FAKE_NEVER;
    rig_open(rig);
    rig_send(rig, SLICE(UPGRADE));
    CHECK_INT(fake_tunnel_upgrade(&tunnel, rig->gateway.open, NULL, 0), 0);
    rig_settle(rig);
    CHECK_INT(at(figures(rig)->tunnels), 1);
    CHECK_INT(at(figures(rig)->busy), 0);
    CHECK_INT(answers(rig, FIGURES_GET, 1), 1);
    rig->peer.resets = true;
    rig_settle(rig);
    CHECK_INT(at(figures(rig)->tunnels), 0);
}
