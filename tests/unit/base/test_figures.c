/* Tests of base/figures.h. */
#include "base/board.h"

#include "test.h"

#include "base/banned.h"

static uint64_t at(const _Atomic uint64_t *word) {
    return atomic_load_explicit(word, memory_order_relaxed);
}

static uint64_t sum(const _Atomic uint64_t *words, size_t count) {
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += at(&words[i]);
    }
    return total;
}

TEST(words_go_up_and_down) {
    static struct board board;
    figures_add(board.figures.busy, 3);
    figures_take(board.figures.busy, 1);
    CHECK_INT(at(board.figures.busy), 2);
    CHECK_INT(sum((const _Atomic uint64_t *)&board.figures, sizeof(board.figures) / 8), 2);
}

TEST(words_are_words) {
    CHECK_INT(sizeof(struct figures) % 8, 0);
    CHECK_INT(sizeof(_Atomic uint64_t), 8);
    CHECK(atomic_is_lock_free(&(_Atomic uint64_t){0}));
}

TEST(methods_have_classes) {
    static const struct {
        struct slice method;
        enum figures_method is;
    } cases[] = {
        {SLICE("GET"), FIGURES_GET},         {SLICE("HEAD"), FIGURES_HEAD},
        {SLICE("POST"), FIGURES_POST},       {SLICE("PUT"), FIGURES_PUT},
        {SLICE("DELETE"), FIGURES_DELETE},   {SLICE("PATCH"), FIGURES_PATCH},
        {SLICE("OPTIONS"), FIGURES_OPTIONS}, {SLICE("GOT"), FIGURES_OTHER},
        {SLICE("PAT"), FIGURES_OTHER},       {SLICE("Post"), FIGURES_OTHER},
        {SLICE("TRACE"), FIGURES_OTHER},     {SLICE("DELATE"), FIGURES_OTHER},
        {SLICE("CONNECT"), FIGURES_OTHER},   {SLICE("PROPFIND"), FIGURES_OTHER},
        {SLICE("G"), FIGURES_OTHER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_INT(figures_method_of(cases[i].method), cases[i].is);
    }
}

TEST(answers_are_told_apart) {
    static struct figures figures;
    figures_answer(&figures, FIGURES_POST, 503);
    figures_answer(&figures, FIGURES_POST, 599);
    figures_answer(&figures, FIGURES_GET, 101);
    figures_answer(&figures, FIGURES_OPTIONS, 600);
    figures_answer(&figures, FIGURES_OPTIONS, 999);
    CHECK_INT(at(&figures.answers[FIGURES_POST * FIGURES_CLASSES + 5]), 2);
    CHECK_INT(at(&figures.answers[FIGURES_GET * FIGURES_CLASSES + 1]), 1);
    CHECK_INT(at(&figures.answers[FIGURES_OPTIONS * FIGURES_CLASSES]), 2);
    CHECK_INT(sum(figures.answers, FIGURES_METHODS * FIGURES_CLASSES), 5);
}

TEST(a_bound_belongs_to_its_bucket) {
    static struct figures figures;
    figures_duration(&figures, 0);
    figures_duration(&figures, 50 * 1000);
    figures_duration(&figures, 50 * 1000 + 1);
    CHECK_INT(at(&figures.duration[0]), 2);
    CHECK_INT(at(&figures.duration[1]), 1);
    figures_duration(&figures, UINT64_C(30000000000));
    figures_duration(&figures, UINT64_C(30000000001));
    CHECK_INT(at(&figures.duration[FIGURES_BUCKETS - 2]), 1);
    CHECK_INT(at(&figures.duration[FIGURES_BUCKETS - 1]), 1);
    CHECK_INT(sum(figures.duration, FIGURES_BUCKETS), 5);
    CHECK_INT(at(figures.duration_ns), UINT64_C(60000100002));
}
