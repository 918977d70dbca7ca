/* One worker's loop: three beats a turn, over libuv.
 *
 * read   without the GIL: libuv polls, streams read, protocols parse and put on the run queue
 * run    with the GIL:    what is on the run queue runs; old output's owners are told
 * write  without the GIL: streams with output write
 *
 * The loop knows nothing of Python: the two hooks that take and release the GIL are filled by
 * the ext room. One thread, but for loop_post. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/board.h"
#include "base/buf.h"
#include "base/chain.h"
#include "base/list.h"
#include "base/wheel.h"

/* Something to do in the run beat. Stands inside its owner. */
struct runnable {
    struct list link;
    void (*run)(struct runnable *runnable); /* run beat; may put itself on the queue again */
};

/* Something that has output to write in the write beat. Stands inside its owner. */
struct flushable {
    struct list link;
    void (*flush)(struct flushable *flushable); /* write beat */
};

/* Something with input that is there already, and no event of the kernel's to tell of it. Stands
 * inside its owner. */
struct readable {
    struct list link;
    void (*read)(struct readable *readable); /* read beat */
};

/* Memory that must outlive the turn in which it died. Stands inside its owner. */
struct grave {
    struct list link;
    void (*free)(struct grave *grave); /* end of the turn; frees the owner */
};

/* How the loop reaches the floor that runs Python. `enter` before the first runnable of a run
 * beat, `leave` behind the last. */
struct loop_hooks {
    void (*enter)(void *arg);
    void (*leave)(void *arg);
    void *arg;
};

struct loop {
    /* read-only */
    uv_loop_t uv;
    struct buf_pool bufs;
    struct piece_pool pieces;
    struct wheel wheel;
    uint64_t turns;
    struct board *board; /* where it shows what it does; see loop_show */
    uint64_t arrival;    /* ns: see loop_arrival */
    uint64_t run_now;    /* ns: when what runs in the run beat began to */
    /* private */
    struct board own_board;
    bool arrived;  /* in this turn; then `arrival` is set */
    bool answered; /* see loop_answered; then `answer_arrival` is set */
    uint64_t answer_arrival;
    struct loop_hooks hooks;
    struct list ready;   /* of struct runnable */
    struct list flushes; /* of struct flushable */
    struct list reads;   /* of struct readable */
    struct list graves;  /* of struct grave */
    struct chain trash;  /* output that is over and whose owner is to be told */
    bool sweep_due;
    bool stirred; /* a turn is under way or is known to be due: nobody is to be told */
    void (*stir)(void *arg);
    uv_timer_t ticker; /* runs while the wheel or the trash holds something */
    uv_async_t wake;
    pthread_mutex_t post_lock; /* guards posted */
    struct list posted;        /* of struct runnable, from other threads */
};

/* What it counts, on its board. */
static inline struct figures *loop_figures(const struct loop *loop) {
    return &loop->board->figures;
}

/* Nanoseconds, as uv_hrtime: when the first request of this turn arrived, which is when all of
 * them did as far as is told: one look at the clock a turn. */
static inline uint64_t loop_arrival(struct loop *loop) {
    if (!loop->arrived) {
        loop->arrived = true;
        loop->arrival = uv_hrtime();
    }
    return loop->arrival;
}

/* Run beat, once a runnable: what arrived then has been answered. It is counted when the runnable
 * has returned, before which nothing leaves; the clock is read there anyway. */
static inline void loop_answered(struct loop *loop, uint64_t arrival) {
    loop->answered = true;
    loop->answer_arrival = arrival;
}

/* Milliseconds, monotonic; read once a turn, and after applications that took long. */
static inline uint64_t loop_now(const struct loop *loop) {
    return uv_now(&loop->uv);
}

/* 0, or a negative libuv error. The loop may not move afterwards. */
int loop_init(struct loop *loop, struct loop_hooks hooks);

/* Turns until all handles are closed, then frees. All streams and listeners must have been
 * closed before, all runnables gone. */
void loop_release(struct loop *loop);

/* Tells the owners of output that is over, now. Where the run beat could run. */
void loop_sweep(struct loop *loop);

/* One turn of the three beats. `may_block`: wait in the read beat when nothing is ready. */
void loop_turn(struct loop *loop, bool may_block);

/* Shows on `board` [borrows until the next call] from now on what the loop does; NULL: to nobody.
 * Between two turns. */
void loop_show(struct loop *loop, struct board *board);

/* Ends the wait of the turn under way. What a libuv timer brings about must be seen before the
 * next wait, and before version 1.45 uv_run() fires what is due on both sides of it. Read beat. */
void loop_end_wait(struct loop *loop);

/* Calls `stir` with the argument of the hooks, once before each turn, when something is put out
 * between two turns that needs one; for who waits on behalf of this loop. NULL: no more. */
void loop_on_stir(struct loop *loop, void (*stir)(void *arg));

/* Something that needs a turn has been put out. */
static inline void loop_stir(struct loop *loop) {
    if (!loop->stirred) {
        loop->stirred = true;
        loop->stir(loop->hooks.arg);
    }
}

/* Is there work that a turn would do without waiting? */
static inline bool loop_busy(const struct loop *loop) {
    return !list_empty(&loop->ready) || !list_empty(&loop->flushes) || !list_empty(&loop->reads) ||
           loop->sweep_due;
}

/* [borrows runnable until it has run] Puts it on the run queue, once; read and run beat, the
 * write beat for what it found, and between turns. */
static inline void loop_queue(struct loop *loop, struct runnable *runnable) {
    if (list_empty(&runnable->link)) {
        list_append(&loop->ready, &runnable->link);
        loop_stir(loop);
    }
}

static inline void runnable_init(struct runnable *runnable, void (*run)(struct runnable *)) {
    list_init(&runnable->link);
    runnable->run = run;
}

/* Takes it off the queue if it is there. */
static inline void runnable_cancel(struct runnable *runnable) {
    list_remove(&runnable->link);
}

/* As loop_queue, from any thread, with or without the GIL; wakes the loop. A runnable that is
 * posted may not be posted or queued again before it has run. */
void loop_post(struct loop *loop, struct runnable *runnable);

/* Wakes the loop from any thread or signal handler; nothing else. */
void loop_wake(struct loop *loop);

static inline void flushable_init(struct flushable *flushable, void (*flush)(struct flushable *)) {
    list_init(&flushable->link);
    flushable->flush = flush;
}

/* [borrows flushable until it is flushed or cancelled by list_remove] */
static inline void loop_flush_later(struct loop *loop, struct flushable *flushable) {
    if (list_empty(&flushable->link)) {
        list_append(&loop->flushes, &flushable->link);
        loop_stir(loop);
    }
}

static inline void readable_init(struct readable *readable, void (*read)(struct readable *)) {
    list_init(&readable->link);
    readable->read = read;
}

/* [borrows readable until it has been read or cancelled by list_remove] In the next read beat. */
static inline void loop_read_later(struct loop *loop, struct readable *readable) {
    if (list_empty(&readable->link)) {
        list_append(&loop->reads, &readable->link);
        loop_stir(loop);
    }
}

/* [takes the grave's owner]: its `free` is called at the end of this turn. */
static inline void loop_bury(struct loop *loop, struct grave *grave,
                             void (*free_owner)(struct grave *)) {
    grave->free = free_owner;
    list_append(&loop->graves, &grave->link);
}

/* Timers of the loop's wheel; `fire` is found by the owner's kind. */
struct loop_timer {
    struct timer timer;
    void (*fire)(struct loop_timer *timer); /* read beat */
};

static inline void loop_timer_init(struct loop_timer *timer, void (*fire)(struct loop_timer *)) {
    timer_init(&timer->timer);
    timer->fire = fire;
}

/* Fires up to WHEEL_TICK ms after `due`, never before. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t due);

static inline void loop_timer_stop(struct loop *loop, struct loop_timer *timer) {
    timer_stop(&loop->wheel, &timer->timer);
}

#endif
