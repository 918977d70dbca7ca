/* What a worker shows of itself to whoever watches it from outside: words in memory that both
 * share, each written whole, so that reading needs neither the worker's help nor its GIL.
 *
 * The loop's thread writes, of calls in a pool their threads; other processes read, and write
 * `stopping` alone (freastal/board.py has the same layout, and a test holds the two together). A
 * worker that nobody watches writes into a board of its own, so that nobody asks. Times are
 * milliseconds of CLOCK_MONOTONIC. */
#ifndef BASE_BOARD_H
#define BASE_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/figures.h"
#include "base/slice.h"

enum { BOARD_LINE = 224 };

struct board {
    _Atomic uint64_t step;     /* when the present step of the loop's thread began; 0: it waits */
    _Atomic uint64_t requests; /* answered */
    _Atomic uint64_t call;     /* when the pool's call that has taken longest began; 0: none */
    _Atomic uint32_t line_len;
    _Atomic uint32_t stopping; /* not 0: the server is about to stop; only the health says so */
    char line[BOARD_LINE];     /* method and target of the request that came last, as they came */
    struct figures figures;
};
_Static_assert(offsetof(struct board, figures) == 256, "freastal/board.py");
_Static_assert(sizeof(struct board) <= 4096, "a page, as freastal/board.py maps it");
_Static_assert(offsetof(struct board, line_len) == 24, "freastal/board.py");
_Static_assert(offsetof(struct board, stopping) == 28, "freastal/board.py");
_Static_assert(offsetof(struct board, line) == 32, "freastal/board.py");

/* The loop's thread begins another step, or (0) waits. */
static inline void board_step(struct board *board, uint64_t now) {
    atomic_store_explicit(&board->step, now, memory_order_relaxed);
}

static inline void board_requests(struct board *board, uint64_t count) {
    atomic_store_explicit(&board->requests, count, memory_order_relaxed);
}

/* Of the calls in threads of a pool, the one that has taken longest. Any thread, one at a time. */
static inline void board_call(struct board *board, uint64_t began) {
    atomic_store_explicit(&board->call, began, memory_order_relaxed);
}

static inline bool board_stopping(struct board *board) {
    return atomic_load_explicit(&board->stopping, memory_order_relaxed) != 0;
}

/* A request has come. A reader may see half of it, of two requests at once: it is shown to
 * people when the worker is dead. */
static inline void board_line(struct board *board, struct slice method, struct slice target) {
    uint32_t len = (uint32_t)(method.len < BOARD_LINE / 2 ? method.len : BOARD_LINE / 2);
    uint32_t room = BOARD_LINE - len - 1;
    uint32_t part = (uint32_t)(target.len < room ? target.len : room);
    memcpy(board->line, method.at, len);
    board->line[len] = ' ';
    memcpy(board->line + len + 1, target.at, part);
    atomic_store_explicit(&board->line_len, len + 1 + part, memory_order_relaxed);
}

#endif
