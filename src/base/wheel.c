/* The timer wheel; see wheel.h. */
#include "base/wheel.h"

#include "base/banned.h"

static uint64_t tick_at(uint64_t ms) {
    return (ms + WHEEL_TICK - 1) / WHEEL_TICK;
}

void wheel_init(struct wheel *wheel, uint64_t now) {
    wheel->tick = now / WHEEL_TICK + 1;
    wheel->count = 0;
    for (int i = 0; i < WHEEL_SLOTS; i++) {
        list_init(&wheel->slots[i]);
    }
}

/* Into the slot of its due time; beyond the horizon into the last slot, to be looked at again. */
static void put(struct wheel *wheel, struct timer *timer) {
    uint64_t slot = tick_at(timer->due);
    if (slot < wheel->tick) {
        slot = wheel->tick;
    }
    if (slot > wheel->tick + WHEEL_SLOTS - 1) {
        slot = wheel->tick + WHEEL_SLOTS - 1;
    }
    timer->slot = slot;
    list_append(&wheel->slots[slot % WHEEL_SLOTS], &timer->link);
}

void timer_set(struct wheel *wheel, struct timer *timer, uint64_t due) {
    timer->due = due;
    if (timer_is_set(timer)) {
        if (tick_at(due) >= timer->slot) {
            return;
        }
        list_remove(&timer->link);
    } else {
        wheel->count++;
    }
    put(wheel, timer);
}

void timer_stop(struct wheel *wheel, struct timer *timer) {
    if (timer_is_set(timer)) {
        list_remove(&timer->link);
        wheel->count--;
    }
}

void wheel_advance(struct wheel *wheel, uint64_t now, void (*fire)(struct timer *timer)) {
    uint64_t last = now / WHEEL_TICK;
    /* After a long sleep every slot is looked at once, not once for each turn missed. */
    if (last >= wheel->tick + WHEEL_SLOTS) {
        wheel->tick = last - WHEEL_SLOTS + 1;
    }
    while (wheel->tick <= last) {
        struct list due;
        list_init(&due);
        list_splice(&due, &wheel->slots[wheel->tick % WHEEL_SLOTS]);
        wheel->tick++;
        struct list *node;
        while ((node = list_take(&due)) != NULL) {
            struct timer *timer = LIST_OWNER(node, struct timer, link);
            if (timer->due > now) {
                put(wheel, timer);
            } else {
                wheel->count--;
                fire(timer);
            }
        }
    }
}
