/* A timer wheel: time-outs of many connections at the price of a store each.
 *
 * Time is in milliseconds of the loop's clock. A timer fires at the first tick at or after its
 * due time, so up to WHEEL_TICK late, never early. Moving a timer later costs one store: it
 * stays in its slot and is put into the right one when the slot comes round. Loop thread. */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

enum { WHEEL_TICK = 250, WHEEL_SLOTS = 256 };

struct timer {
    struct list link;
    uint64_t due;  /* ms */
    uint64_t slot; /* private: tick at which the wheel looks at it again */
};

struct wheel {
    uint64_t tick;  /* private: the next tick to serve */
    uint32_t count; /* read-only: timers set */
    struct list slots[WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, uint64_t now);

static inline void timer_init(struct timer *timer) {
    list_init(&timer->link);
    timer->due = 0;
    timer->slot = 0;
}

static inline bool timer_is_set(const struct timer *timer) {
    return !list_empty(&timer->link);
}

/* Sets `timer`, or moves it. */
void timer_set(struct wheel *wheel, struct timer *timer, uint64_t due);

/* Nothing for a timer that is not set. */
void timer_stop(struct wheel *wheel, struct timer *timer);

/* Calls `fire` for each timer that is due at `now`; it is no longer set then. `fire` may set
 * and stop any timer. */
void wheel_advance(struct wheel *wheel, uint64_t now, void (*fire)(struct timer *timer));

#endif
