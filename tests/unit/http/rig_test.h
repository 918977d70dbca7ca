/* Tests of one connection: each is run with its input whole, by three bytes and byte by byte.
 *
 *     RIG_TEST(id) { rig_open(rig); rig_send(rig, SLICE("GET …")); CHECK_TEXT(rig_output(rig),
 * "…"); }
 */
#ifndef UNIT_HTTP_RIG_TEST_H
#define UNIT_HTTP_RIG_TEST_H

#include "base/err.h"
#include "http/http1.h"
#include "http/rig.h"
#include "test.h"

/* The lines of every response's head that the server adds, with the clocks at zero. */
#define OWN_LINES "Server: freastal\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"

#define RIG_TEST(id)                                                                               \
    static void rig_body_##id(struct rig *rig);                                                    \
    TEST(id) {                                                                                     \
        each_step(rig_body_##id);                                                                  \
    }                                                                                              \
    static void rig_body_##id(struct rig *rig)

static inline void each_step(void (*body)(struct rig *rig)) {
    static const size_t steps[] = {SIZE_MAX, 3, 1};
    static struct rig rig;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        unsigned failed = test_run.failed_checks;
        rig_init(&rig);
        rig.peer.step = steps[i];
        body(&rig);
        rig_end(&rig);
        if (test_run.failed_checks > failed) {
            fprintf(stderr, "  (input in steps of %zu)\n", steps[i]);
        }
    }
}

static inline struct http1 *rig_conn(struct rig *rig) {
    return rig->peer.stream->user;
}

/* True where the slice begins with the literal. */
static inline bool begins(struct slice slice, struct slice with) {
    return slice.len >= with.len && memcmp(slice.at, with.at, with.len) == 0;
}

/* How often `what` stands in `text`. */
static inline unsigned count_of(struct slice text, struct slice what) {
    unsigned count = 0;
    for (size_t i = 0; i + what.len <= text.len; i++) {
        count += memcmp(text.at + i, what.at, what.len) == 0;
    }
    return count;
}

#endif
