/* Tests of net/loop.h. The journal shows the order in which the beats did things. */
#include "net/loop.h"

#include <pthread.h>

#include "test.h"

#include "base/banned.h"

/* The run beat's clock, which only the tests move. */
static uint64_t hrtime_ns;

uint64_t __wrap_uv_hrtime(void);

uint64_t __wrap_uv_hrtime(void) {
    return hrtime_ns;
}

static struct {
    char text[512];
    size_t len;
} journal;

static void note(const char *word) {
    size_t len = strlen(word);
    if (CHECK(journal.len + len + 1 < sizeof(journal.text))) {
        memcpy(journal.text + journal.len, word, len);
        journal.text[journal.len + len] = ' ';
        journal.len += len + 1;
    }
}

static struct slice take_journal(void) {
    struct slice slice = slice_of(journal.text, journal.len);
    journal.len = 0;
    return slice;
}

static void on_enter(void *arg) {
    (void)arg;
    note("enter");
}

static void on_leave(void *arg) {
    (void)arg;
    note("leave");
}

static const struct loop_hooks hooks = {.enter = on_enter, .leave = on_leave};

struct actor {
    struct runnable runnable;
    struct flushable flushable;
    struct grave grave;
    struct loop_timer timer;
    struct loop *loop;
    const char *name;
    uint64_t takes_ns;  /* how long its run takes */
    unsigned again;     /* times that it puts itself on the queue again */
    bool then_flush;    /* its run asks for a flush */
    bool then_bury;     /* its flush buries it */
    struct board *sees; /* what its run finds there becomes `saw` */
    uint64_t saw;
    unsigned ran;
};

static void actor_free(struct grave *grave) {
    (void)grave;
    note("free");
}

static void actor_flush(struct flushable *flushable) {
    struct actor *actor = LIST_OWNER(flushable, struct actor, flushable);
    note("flush");
    if (actor->then_bury) {
        loop_bury(actor->loop, &actor->grave, actor_free);
    }
}

static void actor_run(struct runnable *runnable) {
    struct actor *actor = LIST_OWNER(runnable, struct actor, runnable);
    note(actor->name);
    actor->ran++;
    actor->saw = actor->sees ? actor->sees->step : 0;
    hrtime_ns += actor->takes_ns;
    if (actor->then_flush) {
        loop_flush_later(actor->loop, &actor->flushable);
    }
    if (actor->again > 0) {
        actor->again--;
        loop_queue(actor->loop, &actor->runnable);
    }
}

static void actor_alarm(struct loop_timer *timer) {
    struct actor *actor = LIST_OWNER(timer, struct actor, timer);
    actor->ran++;
    CHECK(loop_now(actor->loop) >= timer->timer.due);
}

static void actor_init(struct actor *actor, struct loop *loop, const char *name) {
    *actor = (struct actor){.loop = loop, .name = name};
    runnable_init(&actor->runnable, actor_run);
    flushable_init(&actor->flushable, actor_flush);
    loop_timer_init(&actor->timer, actor_alarm);
}

static void begin(struct loop *loop) {
    CHECK_INT(loop_init(loop, hooks), 0);
    journal.len = 0;
}

static void end(struct loop *loop) {
    loop_release(loop);
    journal.len = 0;
}

TEST(three_beats_and_the_graves) {
    struct loop loop;
    struct actor actor;
    begin(&loop);
    actor_init(&actor, &loop, "run");
    actor.then_flush = true;
    actor.then_bury = true;
    loop_queue(&loop, &actor.runnable);
    loop_queue(&loop, &actor.runnable); /* once */
    CHECK_TEXT(take_journal(), "");
    loop_turn(&loop, true);
    CHECK_TEXT(take_journal(), "enter run leave flush free ");
    loop_turn(&loop, false);
    CHECK_TEXT(take_journal(), "");
    end(&loop);
}

/* What stands on the board is when the present step began: each runnable is one. */
TEST(each_step_is_shown_and_waiting_is_none) {
    struct loop loop;
    struct board board = {0};
    struct actor slow, next;
    hrtime_ns = 5000 * 1000000ull;
    begin(&loop);
    loop_show(&loop, &board);
    actor_init(&slow, &loop, "slow");
    actor_init(&next, &loop, "next");
    slow.sees = next.sees = &board;
    slow.takes_ns = 70 * 1000000ull;
    loop_queue(&loop, &slow.runnable);
    loop_queue(&loop, &next.runnable);
    loop_turn(&loop, false);
    loop_turn(&loop, false);
    CHECK(slow.saw > 0);
    CHECK_INT(next.saw, 5070);
    CHECK(board.step > 0); /* whoever turns it may do something between two turns */
    board.step = 1;
    loop_wake(&loop);
    loop_turn(&loop, true);
    CHECK(board.step != 1);
    loop_show(&loop, NULL);
    board.step = 1;
    loop_turn(&loop, false);
    CHECK_INT(board.step, 1);
    end(&loop);
}

static void watch_prepare(uv_prepare_t *prepare) {
    struct board *board = prepare->data;
    CHECK_INT(board->step, 0);
    note("waits");
}

TEST(a_loop_that_waits_shows_it) {
    struct loop loop;
    struct board board = {.step = 1};
    uv_prepare_t prepare;
    begin(&loop);
    loop_show(&loop, &board);
    uv_prepare_init(&loop.uv, &prepare);
    prepare.data = &board;
    uv_prepare_start(&prepare, watch_prepare);
    loop_wake(&loop);
    loop_turn(&loop, true);
    CHECK_TEXT(take_journal(), "waits ");
    uv_close((uv_handle_t *)&prepare, NULL);
    loop_show(&loop, NULL);
    end(&loop);
}

TEST(a_line_is_cut_to_its_room) {
    static const char many[1000] = {[0] = '/', [1] = 'a', [999] = 'z'};
    struct board board = {0};
    board_line(&board, SLICE("GET"), SLICE("/path"));
    CHECK_SLICE(slice_of(board.line, board.line_len), SLICE("GET /path"));
    board_line(&board, SLICE("GET"), slice_of(many, sizeof(many)));
    CHECK_INT(board.line_len, BOARD_LINE);
    board_line(&board, slice_of(many, sizeof(many)), slice_of(many, sizeof(many)));
    CHECK_INT(board.line_len, BOARD_LINE);
    board_line(&board, SLICE("A"), SLICE(""));
    CHECK_SLICE(slice_of(board.line, board.line_len), SLICE("A "));
}

TEST(nothing_enters_python_without_cause) {
    struct loop loop;
    struct actor actor;
    begin(&loop);
    actor_init(&actor, &loop, "run");
    loop_flush_later(&loop, &actor.flushable);
    loop_turn(&loop, true);
    CHECK_TEXT(take_journal(), "flush ");
    loop_queue(&loop, &actor.runnable);
    runnable_cancel(&actor.runnable);
    loop_turn(&loop, false);
    CHECK_TEXT(take_journal(), "");
    CHECK_INT(loop.turns, 2);
    end(&loop);
}

TEST(one_enter_for_all_that_are_ready) {
    struct loop loop;
    struct actor actors[3];
    begin(&loop);
    for (int i = 0; i < 3; i++) {
        actor_init(&actors[i], &loop, "run");
        actors[i].then_flush = true;
        loop_queue(&loop, &actors[i].runnable);
    }
    actors[0].again = 1;
    loop_turn(&loop, true);
    CHECK_TEXT(take_journal(), "enter run run run run leave flush flush flush ");
    end(&loop);
}

static void run_and_answer(struct runnable *runnable) {
    struct actor *actor = LIST_OWNER(runnable, struct actor, runnable);
    hrtime_ns += actor->takes_ns;
    loop_answered(actor->loop, actor->saw);
}

static uint64_t word(const _Atomic uint64_t *words, size_t i) {
    return atomic_load_explicit(&words[i], memory_order_relaxed);
}

/* From its arrival, which is one for the whole turn, to the end of the runnable that answered. */
TEST(answers_are_timed) {
    struct loop loop;
    struct board board = {0};
    struct actor quick, slow, none;
    hrtime_ns = 5000;
    begin(&loop);
    loop_show(&loop, &board);
    CHECK_INT(word(board.figures.version, 0), FIGURES_VERSION);
    actor_init(&quick, &loop, "quick");
    actor_init(&slow, &loop, "slow");
    actor_init(&none, &loop, "none");
    quick.runnable.run = slow.runnable.run = run_and_answer;
    quick.saw = loop_arrival(&loop);
    hrtime_ns += 1000;
    slow.saw = loop_arrival(&loop);
    CHECK_INT(quick.saw, slow.saw);
    quick.takes_ns = 10 * 1000;
    slow.takes_ns = 60 * 1000;
    loop_queue(&loop, &quick.runnable);
    loop_queue(&loop, &none.runnable);
    loop_queue(&loop, &slow.runnable);
    loop_turn(&loop, false);
    CHECK_INT(word(board.figures.duration, 0), 1);
    CHECK_INT(word(board.figures.duration, 1), 1);
    CHECK_INT(word(board.figures.duration_ns, 0), 11 * 1000 + 71 * 1000);
    CHECK_INT(loop.run_now, 76 * 1000);
    CHECK_INT(loop_arrival(&loop), 76 * 1000); /* the next turn's */
    loop_show(&loop, NULL);
    end(&loop);
}

static void enter_slowly(void *arg) {
    (void)arg;
    hrtime_ns += 700;
}

TEST(waits_for_python_are_sampled) {
    struct loop loop;
    struct actor actor;
    hrtime_ns = 5000;
    CHECK_INT(loop_init(&loop, (struct loop_hooks){.enter = enter_slowly, .leave = on_leave}), 0);
    actor_init(&actor, &loop, "run");
    for (int i = 0; i < 32; i++) {
        loop_queue(&loop, &actor.runnable);
        loop_turn(&loop, false);
    }
    CHECK_INT(word(loop_figures(&loop)->gil_waits, 0), 2);
    CHECK_INT(word(loop_figures(&loop)->gil_ns, 0), 2 * 700);
    end(&loop);
}

TEST(output_is_written_when_a_slice_of_running_is_over) {
    struct loop loop;
    struct actor slow;
    struct actor quick;
    begin(&loop);
    actor_init(&slow, &loop, "slow");
    actor_init(&quick, &loop, "quick");
    slow.takes_ns = 300 * 1000;
    slow.then_flush = true;
    quick.then_flush = true;
    loop_queue(&loop, &slow.runnable);
    loop_queue(&loop, &quick.runnable);
    loop_turn(&loop, true);
    CHECK_TEXT(take_journal(), "enter slow leave flush enter quick leave flush ");
    end(&loop);
}

TEST(a_queue_that_never_ends_does_not_hold_up_the_poll) {
    struct loop loop;
    struct actor greedy;
    begin(&loop);
    actor_init(&greedy, &loop, "g");
    greedy.takes_ns = 300 * 1000;
    greedy.again = 1000;
    loop_queue(&loop, &greedy.runnable);
    loop_turn(&loop, true);
    CHECK(greedy.ran >= 1 && greedy.ran <= 8);
    unsigned ran = greedy.ran;
    journal.len = 0;
    loop_turn(&loop, true); /* does not block while something is ready */
    CHECK(greedy.ran > ran);
    runnable_cancel(&greedy.runnable);
    end(&loop);
}

static void on_stir(void *arg) {
    (void)arg;
    note("stir");
}

TEST(what_is_put_out_between_turns_is_told_once) {
    struct loop loop;
    struct actor actor;
    begin(&loop);
    actor_init(&actor, &loop, "run");
    actor.then_flush = true;
    actor.again = 1;
    loop_on_stir(&loop, on_stir);
    loop_queue(&loop, &actor.runnable);
    loop_flush_later(&loop, &actor.flushable);
    CHECK_TEXT(take_journal(), "stir ");
    CHECK(loop_busy(&loop));
    loop_turn(&loop, false); /* what joins in a turn is no news */
    CHECK_TEXT(take_journal(), "enter run run leave flush ");
    CHECK(!loop_busy(&loop));
    loop_timer_set(&loop, &actor.timer, loop_now(&loop) + 1000);
    CHECK_TEXT(take_journal(), "stir ");
    loop_turn(&loop, false);
    loop_on_stir(&loop, NULL);
    loop_queue(&loop, &actor.runnable);
    CHECK_TEXT(take_journal(), "");
    runnable_cancel(&actor.runnable);
    loop_timer_stop(&loop, &actor.timer);
    end(&loop);
}

enum { THREADS = 4, POSTS = 200 };

struct poster {
    pthread_t thread;
    struct loop *loop;
    struct actor actors[POSTS];
};

static void *post_all(void *arg) {
    struct poster *poster = arg;
    for (int i = 0; i < POSTS; i++) {
        loop_post(poster->loop, &poster->actors[i].runnable);
    }
    return NULL;
}

static unsigned posted_runs;

static void count_run(struct runnable *runnable) {
    LIST_OWNER(runnable, struct actor, runnable)->ran++;
    posted_runs++;
}

static void enter_quietly(void *arg) {
    (void)arg;
}

TEST(posts_from_threads_run_once_each) {
    static struct poster posters[THREADS];
    struct loop loop;
    CHECK_INT(loop_init(&loop, (struct loop_hooks){enter_quietly, enter_quietly, NULL}), 0);
    posted_runs = 0;
    for (int i = 0; i < THREADS; i++) {
        posters[i].loop = &loop;
        for (int k = 0; k < POSTS; k++) {
            actor_init(&posters[i].actors[k], &loop, "posted");
            posters[i].actors[k].runnable.run = count_run;
        }
        CHECK_INT(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    while (posted_runs < THREADS * POSTS) {
        loop_turn(&loop, true);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(posters[i].thread, NULL);
        for (int k = 0; k < POSTS; k++) {
            CHECK_INT(posters[i].actors[k].ran, 1);
        }
    }
    loop_turn(&loop, false);
    CHECK_INT(posted_runs, THREADS * POSTS);
    end(&loop);
}

static void *wake(void *arg) {
    loop_wake(arg);
    return NULL;
}

TEST(a_wake_ends_a_turn_that_waits) {
    struct loop loop;
    pthread_t thread;
    begin(&loop);
    CHECK_INT(pthread_create(&thread, NULL, wake, &loop), 0);
    loop_turn(&loop, true); /* would wait for ever: nothing else is there */
    pthread_join(thread, NULL);
    CHECK_TEXT(take_journal(), "");
    end(&loop);
}

TEST(timers_fire_in_the_read_beat_and_then_the_ticking_ends) {
    struct loop loop;
    struct actor actor;
    begin(&loop);
    actor_init(&actor, &loop, "timer");
    loop_timer_set(&loop, &actor.timer, loop_now(&loop) + 1);
    CHECK_INT(loop.wheel.count, 1);
    while (actor.ran == 0) {
        loop_turn(&loop, true);
    }
    CHECK_INT(loop.wheel.count, 0);
    CHECK_TEXT(take_journal(), "");
    while (uv_is_active((uv_handle_t *)&loop.ticker)) {
        loop_turn(&loop, true);
    }
    loop_timer_set(&loop, &actor.timer, loop_now(&loop) + 1);
    loop_timer_stop(&loop, &actor.timer);
    while (uv_is_active((uv_handle_t *)&loop.ticker)) {
        loop_turn(&loop, true);
    }
    CHECK_INT(actor.ran, 1);
    end(&loop);
}

/* libuv before 1.45 fires what is due before it waits, too: nothing else would end that wait. */
TEST(a_timer_that_is_due_before_the_wait_ends_it) {
    struct loop loop;
    struct actor actor;
    begin(&loop);
    actor_init(&actor, &loop, "timer");
    loop_timer_set(&loop, &actor.timer, loop_now(&loop) + 1);
    uv_sleep(2 * WHEEL_TICK);
    loop_turn(&loop, true);
    CHECK_INT(actor.ran, 1);
    CHECK_INT(loop.wheel.count, 0);
    end(&loop);
}

static void note_release(struct piece *piece) {
    (void)piece;
    note("release");
}

/* A flush whose output is over: on the loop's trash, as a stream would leave it. */
static void flush_to_trash(struct flushable *flushable) {
    struct actor *actor = LIST_OWNER(flushable, struct actor, flushable);
    static uint8_t byte;
    chain_append(
        &actor->loop->trash,
        piece_memory(&actor->loop->pieces, slice_of(&byte, actor->again), note_release, NULL));
}

TEST(owners_are_told_in_a_run_beat_even_when_nothing_runs) {
    struct loop loop;
    struct actor actor;
    begin(&loop);
    actor_init(&actor, &loop, "none");
    actor.flushable.flush = flush_to_trash;
    actor.again = 1;
    loop_flush_later(&loop, &actor.flushable);
    loop_turn(&loop, true);
    CHECK_TEXT(take_journal(), "");
    while (journal.len == 0) {
        loop_turn(&loop, true);
    }
    CHECK_TEXT(take_journal(), "enter release leave ");
    CHECK_INT(piece_pool_live(&loop.pieces), 0);
    end(&loop);
}

TEST(much_output_that_is_over_is_told_at_once) {
    struct loop loop;
    struct actor actor;
    begin(&loop);
    actor_init(&actor, &loop, "none");
    actor.flushable.flush = flush_to_trash;
    actor.again = 2 * 1024 * 1024;
    loop_flush_later(&loop, &actor.flushable);
    loop_turn(&loop, true);
    loop_turn(&loop, true); /* does not wait */
    CHECK_TEXT(take_journal(), "enter release leave ");
    end(&loop);
}

TEST(release_tells_the_last_owners) {
    struct loop loop;
    struct actor actor;
    begin(&loop);
    actor_init(&actor, &loop, "none");
    actor.flushable.flush = flush_to_trash;
    actor.again = 1;
    loop_flush_later(&loop, &actor.flushable);
    loop_turn(&loop, true);
    loop_release(&loop);
    CHECK_TEXT(take_journal(), "enter release leave ");
}
