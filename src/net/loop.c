/* The turn of a worker: read, run, write. See loop.h for the beats and who may do what. */
#include "net/loop.h"

#include "base/banned.h"

/* When the applications of one run beat have taken this long together, what is ready is written
 * before the next is called. */
enum { RUN_SLICE_NS = 200 * 1000 };

/* Rounds of run and write before libuv polls again, so that pipelining and streaming on some
 * connections cannot starve the others. */
enum { ROUNDS = 8 };

/* Output kept alive for its owner's sake only: beyond this it is swept at once. */
enum { TRASH_BYTES = 1024 * 1024 };

/* In one turn of so many the wait for the GIL is measured, a power of two. */
enum { GIL_SAMPLE = 16 };

static void on_timer(struct timer *timer) {
    struct loop_timer *own = LIST_OWNER(timer, struct loop_timer, timer);
    own->fire(own);
}

static void on_tick(uv_timer_t *ticker) {
    struct loop *loop = ticker->data;
    wheel_advance(&loop->wheel, loop_now(loop), on_timer);
    loop->sweep_due = !chain_empty(&loop->trash);
    if (loop->wheel.count == 0 && chain_empty(&loop->trash)) {
        uv_timer_stop(ticker);
    }
    loop_end_wait(loop);
}

static void start_ticking(struct loop *loop) {
    if (!uv_is_active((uv_handle_t *)&loop->ticker)) {
        uv_timer_start(&loop->ticker, on_tick, WHEEL_TICK, WHEEL_TICK);
        loop_stir(loop);
    }
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t due) {
    timer_set(&loop->wheel, &timer->timer, due);
    start_ticking(loop);
}

static void on_wake(uv_async_t *wake) {
    struct loop *loop = wake->data;
    pthread_mutex_lock(&loop->post_lock);
    list_splice(&loop->ready, &loop->posted);
    pthread_mutex_unlock(&loop->post_lock);
}

void loop_wake(struct loop *loop) {
    uv_async_send(&loop->wake);
}

void loop_post(struct loop *loop, struct runnable *runnable) {
    pthread_mutex_lock(&loop->post_lock);
    list_append(&loop->posted, &runnable->link);
    pthread_mutex_unlock(&loop->post_lock);
    uv_async_send(&loop->wake);
}

int loop_init(struct loop *loop, struct loop_hooks hooks) {
    *loop = (struct loop){.hooks = hooks, .stirred = true};
    loop->board = &loop->own_board;
    int err = uv_loop_init(&loop->uv);
    if (err) {
        return err;
    }
    list_init(&loop->ready);
    list_init(&loop->flushes);
    list_init(&loop->reads);
    list_init(&loop->graves);
    list_init(&loop->posted);
    chain_init(&loop->trash);
    buf_pool_init(&loop->bufs, 256);
    piece_pool_init(&loop->pieces, 1024);
    wheel_init(&loop->wheel, loop_now(loop));
    uv_timer_init(&loop->uv, &loop->ticker);
    loop->ticker.data = loop;
    err = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (err) {
        uv_close((uv_handle_t *)&loop->ticker, NULL);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
        uv_loop_close(&loop->uv);
        return err;
    }
    loop->wake.data = loop;
    pthread_mutex_init(&loop->post_lock, NULL);
    return 0;
}

void loop_show(struct loop *loop, struct board *board) {
    loop->board = board ? board : &loop->own_board;
    atomic_store_explicit(loop->board->figures.version, FIGURES_VERSION, memory_order_relaxed);
}

/* Beat 1. Streams read, protocols parse; complete requests join the run queue. */
static void read_beat(struct loop *loop, bool may_block) {
    bool waits = may_block && !loop_busy(loop);
    if (waits) {
        board_step(loop->board, 0);
    }
    uv_run(&loop->uv, waits ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    board_step(loop->board, loop_now(loop));
    struct list reads;
    list_init(&reads);
    list_splice(&reads, &loop->reads);
    struct list *node;
    while ((node = list_take(&reads)) != NULL) {
        struct readable *readable = LIST_OWNER(node, struct readable, link);
        readable->read(readable);
    }
}

void loop_sweep(struct loop *loop) {
    loop->sweep_due = false;
    chain_sweep(&loop->trash, &loop->pieces);
}

static void count_answered(struct loop *loop, uint64_t now) {
    if (loop->answered) {
        figures_duration(loop_figures(loop), now - loop->answer_arrival);
        loop->answered = false;
    }
}

/* Beat 2. All that is on the queue and joins it meanwhile (pipelining), until the time is up. */
static void run_beat(struct loop *loop) {
    loop_sweep(loop);
    uint64_t began = uv_hrtime();
    loop->run_now = began;
    struct list *node;
    while ((node = list_take(&loop->ready)) != NULL) {
        struct runnable *runnable = LIST_OWNER(node, struct runnable, link);
        runnable->run(runnable);
        uint64_t now = uv_hrtime();
        loop->run_now = now;
        count_answered(loop, now);
        board_step(loop->board, now / 1000000);
        if (now - began > RUN_SLICE_NS) {
            uv_update_time(&loop->uv);
            break;
        }
    }
}

/* Beat 3. Everything that the run beat, or a refusal in the read beat, has put out. */
static void write_beat(struct loop *loop) {
    struct list flushes;
    list_init(&flushes);
    list_splice(&flushes, &loop->flushes);
    struct list *node;
    while ((node = list_take(&flushes)) != NULL) {
        struct flushable *flushable = LIST_OWNER(node, struct flushable, link);
        flushable->flush(flushable);
    }
    if (!chain_empty(&loop->trash)) {
        start_ticking(loop);
        loop->sweep_due = loop->sweep_due || loop->trash.bytes > TRASH_BYTES;
    }
}

static void reap(struct loop *loop) {
    struct list *node;
    while ((node = list_take(&loop->graves)) != NULL) {
        struct grave *grave = LIST_OWNER(node, struct grave, link);
        grave->free(grave);
    }
}

static void enter(struct loop *loop) {
    if (loop->turns % GIL_SAMPLE != 0) {
        loop->hooks.enter(loop->hooks.arg);
        return;
    }
    uint64_t before = uv_hrtime();
    loop->hooks.enter(loop->hooks.arg);
    figures_add(loop_figures(loop)->gil_waits, 1);
    figures_add(loop_figures(loop)->gil_ns, uv_hrtime() - before);
}

void loop_end_wait(struct loop *loop) {
    uv_stop(&loop->uv);
}

void loop_on_stir(struct loop *loop, void (*stir)(void *arg)) {
    loop->stir = stir;
    loop->stirred = !stir;
}

void loop_turn(struct loop *loop, bool may_block) {
    loop->turns++;
    loop->arrived = false;
    loop->stirred = true;
    read_beat(loop, may_block);
    for (int round = 0; round < ROUNDS; round++) {
        if (!list_empty(&loop->ready) || loop->sweep_due) {
            /* Do not add anything between this line and the read beat that needs the GIL. */
            enter(loop);
            run_beat(loop);
            loop->hooks.leave(loop->hooks.arg);
            /* Do not add anything below that needs the GIL. */
        }
        write_beat(loop);
        if (list_empty(&loop->ready)) {
            break;
        }
    }
    reap(loop);
    loop->stirred = !loop->stir;
}

void loop_release(struct loop *loop) {
    loop_on_stir(loop, NULL);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->ticker, NULL);
    while (uv_loop_alive(&loop->uv)) {
        uv_run(&loop->uv, UV_RUN_ONCE);
        reap(loop);
    }
    loop->hooks.enter(loop->hooks.arg);
    loop_sweep(loop);
    loop->hooks.leave(loop->hooks.arg);
    uv_loop_close(&loop->uv);
    pthread_mutex_destroy(&loop->post_lock);
    piece_pool_release(&loop->pieces);
    buf_pool_release(&loop->bufs);
}
