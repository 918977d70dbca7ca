/* Tests of base/wheel.h. */
#include "base/wheel.h"

#include "test.h"

#include "base/banned.h"

struct alarm {
    struct timer timer;
    int fired;
};

static void fire(struct timer *timer) {
    LIST_OWNER(timer, struct alarm, timer)->fired++;
}

/* A timer set at `start` for `delay` later fires in [due, due + WHEEL_TICK], whatever the steps in
 * which time goes on. */
static void check_delay(uint64_t start, uint64_t delay, uint64_t step) {
    struct wheel wheel;
    struct alarm alarm = {0};
    wheel_init(&wheel, start);
    timer_init(&alarm.timer);
    timer_set(&wheel, &alarm.timer, start + delay);
    uint64_t now = start;
    while (!alarm.fired && now <= start + delay + WHEEL_TICK + step) {
        now += step;
        wheel_advance(&wheel, now, fire);
        if (alarm.fired && !CHECK(now >= start + delay)) {
            return;
        }
    }
    CHECK_INT(alarm.fired, 1);
    CHECK(now <= start + delay + WHEEL_TICK + step);
    CHECK_INT(wheel.count, 0);
    CHECK(!timer_is_set(&alarm.timer));
}

TEST(never_early_and_at_most_a_tick_late) {
    const uint64_t horizon = (uint64_t)WHEEL_TICK * WHEEL_SLOTS;
    const uint64_t delays[] = {
        0,           1,       WHEEL_TICK - 1, WHEEL_TICK,      WHEEL_TICK + 1, 5000,
        horizon - 1, horizon, horizon + 1,    2 * horizon + 7, 5 * horizon,
    };
    const uint64_t starts[] = {0, 1, 249, 250, 123456789};
    const uint64_t steps[] = {1000, 250, 37, 3 * horizon};
    for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        for (size_t j = 0; j < sizeof(starts) / sizeof(starts[0]); j++) {
            for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
                check_delay(starts[j], delays[i], steps[k]);
            }
        }
    }
}

TEST(a_timer_moved_later_fires_once_and_then) {
    struct wheel wheel;
    struct alarm alarm = {0};
    wheel_init(&wheel, 0);
    timer_init(&alarm.timer);
    for (uint64_t now = 0; now < 100000; now += WHEEL_TICK) {
        timer_set(&wheel, &alarm.timer, now + 1000);
        CHECK_INT(wheel.count, 1);
        wheel_advance(&wheel, now, fire);
    }
    CHECK_INT(alarm.fired, 0);
    wheel_advance(&wheel, 102000, fire);
    CHECK_INT(alarm.fired, 1);
}

TEST(a_timer_moved_earlier) {
    struct wheel wheel;
    struct alarm alarm = {0};
    wheel_init(&wheel, 0);
    timer_init(&alarm.timer);
    timer_set(&wheel, &alarm.timer, 50000);
    timer_set(&wheel, &alarm.timer, 1000);
    CHECK_INT(wheel.count, 1);
    wheel_advance(&wheel, 999, fire);
    CHECK_INT(alarm.fired, 0);
    wheel_advance(&wheel, 1000, fire);
    CHECK_INT(alarm.fired, 1);
}

TEST(stopping) {
    struct wheel wheel;
    struct alarm alarm = {0};
    wheel_init(&wheel, 0);
    timer_init(&alarm.timer);
    timer_stop(&wheel, &alarm.timer);
    CHECK_INT(wheel.count, 0);
    timer_set(&wheel, &alarm.timer, 1000);
    timer_stop(&wheel, &alarm.timer);
    timer_stop(&wheel, &alarm.timer);
    CHECK_INT(wheel.count, 0);
    wheel_advance(&wheel, 2000, fire);
    CHECK_INT(alarm.fired, 0);
}

TEST(a_timer_set_after_long_idleness) {
    struct wheel wheel;
    struct alarm alarm = {0};
    wheel_init(&wheel, 0);
    timer_init(&alarm.timer);
    /* nobody advances a wheel that holds nothing */
    const uint64_t later = 10ULL * WHEEL_TICK * WHEEL_SLOTS + 17;
    timer_set(&wheel, &alarm.timer, later + 1000);
    wheel_advance(&wheel, later + 999, fire);
    CHECK_INT(alarm.fired, 0);
    wheel_advance(&wheel, later + 1000 + WHEEL_TICK, fire);
    CHECK_INT(alarm.fired, 1);
}

static struct {
    struct wheel wheel;
    struct alarm a;
    struct alarm b;
    struct alarm c;
} shared;

static void fire_and_meddle(struct timer *timer) {
    fire(timer);
    if (timer == &shared.a.timer) {
        timer_stop(&shared.wheel, &shared.b.timer);      /* due at the same time */
        timer_set(&shared.wheel, &shared.c.timer, 5000); /* likewise: now later */
        timer_set(&shared.wheel, &shared.a.timer, 2000); /* itself again */
    }
}

TEST(firing_may_set_and_stop_any) {
    wheel_init(&shared.wheel, 0);
    timer_init(&shared.a.timer);
    timer_init(&shared.b.timer);
    timer_init(&shared.c.timer);
    timer_set(&shared.wheel, &shared.a.timer, 1000);
    timer_set(&shared.wheel, &shared.b.timer, 1000);
    timer_set(&shared.wheel, &shared.c.timer, 1000);
    wheel_advance(&shared.wheel, 1000, fire_and_meddle);
    CHECK_INT(shared.a.fired, 1);
    CHECK_INT(shared.b.fired, 0);
    CHECK_INT(shared.c.fired, 0);
    CHECK_INT(shared.wheel.count, 2);
    wheel_advance(&shared.wheel, 4999, fire);
    CHECK_INT(shared.a.fired, 2);
    CHECK_INT(shared.c.fired, 0);
    wheel_advance(&shared.wheel, 5000, fire);
    CHECK_INT(shared.c.fired, 1);
    CHECK_INT(shared.b.fired, 0);
    CHECK_INT(shared.wheel.count, 0);
}
