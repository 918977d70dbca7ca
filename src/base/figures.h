/* What a worker counts, in memory that it shares with whoever adds it up (a part of its board).
 *
 * Laws: (1) one thread writes, the loop's; anybody may read at any time. (2) A word is written
 * whole, and alone: whatever moment a reader sees, or a kill leaves behind, each word is a number
 * that was true of something that had happened. (3) Words only grow, but `busy`, `tunnels` and
 * `closing`, which go up and down. (4) A page begins as zeros, and no process takes over another's.
 * So the counts of many processes, dead ones too, are the sums of their words. (5) Two words need
 * not be of the same moment: a reader takes a difference below zero as zero.
 *
 * Not for what only the process itself wants to know: that is struct server_counters. */
#ifndef BASE_FIGURES_H
#define BASE_FIGURES_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/slice.h"

enum { FIGURES_VERSION = 1, FIGURES_CLOSES = 32 };

/* Methods and classes of status by which answers are told apart. */
enum figures_method {
    FIGURES_OTHER,
    FIGURES_GET,
    FIGURES_HEAD,
    FIGURES_POST,
    FIGURES_PUT,
    FIGURES_DELETE,
    FIGURES_PATCH,
    FIGURES_OPTIONS,
    FIGURES_METHODS
};

/* 1xx to 5xx; first, what is none of them. */
enum { FIGURES_CLASSES = 6 };

/* Upper bounds of the buckets of a duration, in microseconds; one more is for what is longer. */
#define FIGURES_BOUNDS(X)                                                                          \
    X(50)                                                                                          \
    X(100)                                                                                         \
    X(250)                                                                                         \
    X(500)                                                                                         \
    X(1000)                                                                                        \
    X(2500)                                                                                        \
    X(5000)                                                                                        \
    X(10000)                                                                                       \
    X(25000)                                                                                       \
    X(50000)                                                                                       \
    X(100000)                                                                                      \
    X(250000)                                                                                      \
    X(500000)                                                                                      \
    X(1000000)                                                                                     \
    X(2500000)                                                                                     \
    X(5000000)                                                                                     \
    X(10000000)                                                                                    \
    X(30000000)

#define X(bound) +1
enum { FIGURES_BUCKETS = 1 FIGURES_BOUNDS(X) };
#undef X

struct figures {
#define FIGURE(name, words) _Atomic uint64_t name[words];
#include "base/figures.def"
#undef FIGURE
};

static inline void figures_add(_Atomic uint64_t *word, uint64_t more) {
    /* One writer: no other can come between, and no locked instruction is needed. */
    uint64_t now = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, now + more, memory_order_relaxed);
}

static inline void figures_take(_Atomic uint64_t *word, uint64_t less) {
    figures_add(word, 0 - less);
}

/* By which method a request is counted. */
static inline enum figures_method figures_method_of(struct slice method) {
    if (method.len == 3 && method.at[0] == 'G') {
        return slice_equal(method, SLICE("GET")) ? FIGURES_GET : FIGURES_OTHER;
    }
    switch (method.len) {
    case 3:
        return slice_equal(method, SLICE("PUT")) ? FIGURES_PUT : FIGURES_OTHER;
    case 4:
        return slice_equal(method, SLICE("POST"))   ? FIGURES_POST
               : slice_equal(method, SLICE("HEAD")) ? FIGURES_HEAD
                                                    : FIGURES_OTHER;
    case 5:
        return slice_equal(method, SLICE("PATCH")) ? FIGURES_PATCH : FIGURES_OTHER;
    case 6:
        return slice_equal(method, SLICE("DELETE")) ? FIGURES_DELETE : FIGURES_OTHER;
    case 7:
        return slice_equal(method, SLICE("OPTIONS")) ? FIGURES_OPTIONS : FIGURES_OTHER;
    default:
        return FIGURES_OTHER;
    }
}

static inline unsigned figures_class_of(int status) {
    if (status >= 200 && status < 300) {
        return 2; /* no division for most */
    }
    return status >= 100 && status < 600 ? (unsigned)status / 100 : 0;
}

/* A request has been answered whole. */
static inline void figures_answer(struct figures *figures, enum figures_method method, int status) {
    figures_add(&figures->answers[method * FIGURES_CLASSES + figures_class_of(status)], 1);
}

/* … and took so long. */
static inline void figures_duration(struct figures *figures, uint64_t ns) {
    static const uint64_t bounds[] = {
#define X(bound) (uint64_t)(bound) * 1000,
        FIGURES_BOUNDS(X)
#undef X
    };
    unsigned bucket = 0;
    while (bucket < FIGURES_BUCKETS - 1 && ns > bounds[bucket]) {
        bucket++;
    }
    figures_add(&figures->duration[bucket], 1);
    figures_add(figures->duration_ns, ns);
}

#endif
