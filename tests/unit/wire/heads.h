/* Parsing one input in many ways that must all agree: with every parser of the machine, whole
 * and cut into pieces, each time with the input's end at the end of a page. For the tests of
 * src/wire. */
#ifndef UNIT_HEADS_H
#define UNIT_HEADS_H

#include "base/err.h"
#include "unit/test.h"
#include "unit/wire/guard.h"
#include "wire/head.h"

#define HEADS_FIELDS_MAX 128

static const struct head_limits default_limits = {.line = 8192, .head = 65536, .fields = 100};

/* What a parser said of an input. */
struct verdict {
    ssize_t result; /* of the last call */
    size_t at;      /* the length that was given when it was not 0; the input's where it was */
    struct head head;
    struct field fields[HEADS_FIELDS_MAX];
};

static inline void verdict_begin(struct verdict *verdict) {
    memset(verdict, 0, sizeof *verdict);
    head_init(&verdict->head, verdict->fields);
}

/* All at once. */
static inline void parse_whole(const struct head_parser *parser, struct guard *guard,
                               struct slice input, const struct head_limits *limits,
                               struct verdict *verdict) {
    verdict_begin(verdict);
    const uint8_t *bytes = guard_put(guard, input.at, input.len);
    verdict->result = parser->parse(&verdict->head, bytes, input.len, limits);
    verdict->at = input.len;
}

/* More and more of it: after each call `step` bytes more, each time at another place. */
static inline void parse_steps(const struct head_parser *parser, struct guard *guard,
                               struct slice input, const struct head_limits *limits, size_t step,
                               struct verdict *verdict) {
    verdict_begin(verdict);
    size_t len = 0;
    for (;;) {
        const uint8_t *bytes = guard_put(guard, input.at, len);
        verdict->result = parser->parse(&verdict->head, bytes, len, limits);
        verdict->at = len;
        if (verdict->result != 0 || len == input.len) {
            return;
        }
        len = input.len - len < step ? input.len : len + step;
    }
}

/* Whether two accepted heads are the same; heads that were not are not looked into. */
static inline bool verdict_same(const struct verdict *a, const struct verdict *b) {
    if (a->result != b->result) {
        return false;
    }
    if (a->result <= 0) {
        return true;
    }
    const struct head *x = &a->head;
    const struct head *y = &b->head;
    if (x->method != y->method || x->method_len != y->method_len || x->target != y->target ||
        x->target_len != y->target_len || x->minor != y->minor ||
        x->field_count != y->field_count) {
        return false;
    }
    for (uint32_t i = 0; i < x->field_count; i++) {
        const struct field *f = &x->fields[i];
        const struct field *g = &y->fields[i];
        if (f->name != g->name || f->name_len != g->name_len || f->value != g->value ||
            f->value_len != g->value_len || f->id != g->id) {
            return false;
        }
    }
    return true;
}

static inline const char *result_name(ssize_t result) {
    return result < 0 ? err_name((int)result) : result == 0 ? "more" : "a head";
}

/* Parses the input in every way and checks that all agree; gives the scalar parser's verdict on
 * the whole input and, in `at`, the length at which byte by byte the verdict came. */
static inline bool parse_every_way(struct guard *guard, struct slice input,
                                   const struct head_limits *limits, struct verdict *verdict,
                                   size_t *at) {
    static const size_t steps[] = {1, 2, 7, 16, 31, 33, 64, 67};
    size_t count;
    const struct head_parser *const *parsers = head_parsers(&count);
    struct verdict other;
    bool same = true;
    parse_whole(parsers[count - 1], guard, input, limits, verdict);
    parse_steps(parsers[count - 1], guard, input, limits, 1, &other);
    *at = other.at;
    size_t first_at = other.at;
    for (size_t i = 0; i < count && same; i++) {
        parse_whole(parsers[i], guard, input, limits, &other);
        same = verdict_same(verdict, &other);
        for (size_t j = 0; j < sizeof steps / sizeof steps[0] && same; j++) {
            parse_steps(parsers[i], guard, input, limits, steps[j], &other);
            same = verdict_same(verdict, &other) && (steps[j] != 1 || other.at == first_at);
        }
        if (!same) {
            fprintf(stderr, "%s: %s after %zu bytes, scalar at once: %s; input ", parsers[i]->name,
                    result_name(other.result), other.at, result_name(verdict->result));
            test_print_slice(input);
            fputc('\n', stderr);
        }
    }
    return same;
}

#endif
