/* Tests of one WebSocket: each is run with its input whole, by three bytes and byte by byte. */
#ifndef UNIT_HTTP_WS_RIG_TEST_H
#define UNIT_HTTP_WS_RIG_TEST_H

#include "base/err.h"
#include "http/ws_rig.h"
#include "test.h"

/* First bytes of frames. */
enum {
    F_TEXT = 0x81,
    F_BINARY = 0x82,
    F_CLOSE = 0x88,
    F_PING = 0x89,
    F_PONG = 0x8a,
    F_TEXT_FIRST = 0x01,
    F_BINARY_FIRST = 0x02,
    F_MORE = 0x00,
    F_LAST = 0x80,
    F_COMPRESSED = 0x40, /* added */
};

#define WS_TEST(id)                                                                                \
    static void ws_body_##id(struct ws_rig *rig);                                                  \
    TEST(id) {                                                                                     \
        ws_each_step(ws_body_##id);                                                                \
    }                                                                                              \
    static void ws_body_##id(struct ws_rig *rig)

static inline void ws_each_step(void (*body)(struct ws_rig *rig)) {
    static const size_t steps[] = {SIZE_MAX, 3, 1};
    static struct ws_rig rig;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        unsigned failed = test_run.failed_checks;
        ws_rig_init(&rig);
        rig.carrier.step = steps[i];
        body(&rig);
        ws_rig_end(&rig);
        if (test_run.failed_checks > failed) {
            fprintf(stderr, "  (input in steps of %zu)\n", steps[i]);
        }
    }
}

/* Opens it with a user who always wants the next message. */
static inline void ws_rig_open_eager(struct ws_rig *rig) {
    rig->eager = true;
    ws_rig_open(rig);
    CHECK_INT(rig->accepted, 0);
    ws_rig_want(rig);
}

#endif
