/* The harness of the C unit tests: one test binary is one C file that includes this header.
 *
 *     TEST(slices_compare) { CHECK(slice_equal(a, b)); }
 *
 * A failed check prints where and what, and its test goes on; the binary prints
 * "N passed, N failed" and exits with 1 where any failed. An argument runs only the tests whose
 * names contain it. No threads, no fork. */
#ifndef UNIT_TEST_H
#define UNIT_TEST_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"

struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
};

static struct {
    struct test *first;
    struct test **end;
    unsigned failed_checks; /* of the test that runs */
} test_run;

static inline void test_add(struct test *test) {
    if (!test_run.end) {
        test_run.end = &test_run.first;
    }
    *test_run.end = test;
    test_run.end = &test->next;
}

/* Tests run in the order in which the file defines them. */
#define TEST(id)                                                                                   \
    static void test_body_##id(void);                                                              \
    __attribute__((constructor)) static void test_add_##id(void) {                                 \
        static struct test test = {.name = #id, .run = test_body_##id};                            \
        test_add(&test);                                                                           \
    }                                                                                              \
    static void test_body_##id(void)

static inline bool test_check(bool good, const char *file, int line, const char *what) {
    if (!good) {
        test_run.failed_checks++;
        fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    }
    return good;
}

static inline bool test_check_int(intmax_t a, intmax_t b, const char *file, int line,
                                  const char *what) {
    if (a != b) {
        test_run.failed_checks++;
        fprintf(stderr, "%s:%d: failed: %s: %" PRIdMAX " != %" PRIdMAX "\n", file, line, what, a,
                b);
    }
    return a == b;
}

static inline void test_print_slice(struct slice slice) {
    fputc('"', stderr);
    for (size_t i = 0; i < slice.len; i++) {
        uint8_t c = slice.at[i];
        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
            fputc(c, stderr);
        } else {
            fprintf(stderr, "\\x%02x", c);
        }
    }
    fputc('"', stderr);
}

static inline bool test_check_slice(struct slice a, struct slice b, const char *file, int line,
                                    const char *what) {
    bool good = slice_equal(a, b);
    if (!good) {
        test_run.failed_checks++;
        fprintf(stderr, "%s:%d: failed: %s: ", file, line, what);
        test_print_slice(a);
        fputs(" != ", stderr);
        test_print_slice(b);
        fputc('\n', stderr);
    }
    return good;
}

/* Each gives true where the check held, so that a test can stop at a failure that would make
 * the rest of it meaningless: `if (!CHECK(p)) { return; }`. */
#define CHECK(condition) test_check((condition), __FILE__, __LINE__, #condition)
#define CHECK_INT(a, b)                                                                            \
    test_check_int((intmax_t)(a), (intmax_t)(b), __FILE__, __LINE__, #a " == " #b)
#define CHECK_SLICE(a, b) test_check_slice((a), (b), __FILE__, __LINE__, #a " == " #b)
/* A slice against a string literal. */
#define CHECK_TEXT(a, literal)                                                                     \
    test_check_slice((a), SLICE(literal), __FILE__, __LINE__, #a " == " #literal)

int main(int argc, char **argv) {
    unsigned passed = 0;
    unsigned failed = 0;
    for (struct test *test = test_run.first; test; test = test->next) {
        if (argc > 1 && !strstr(test->name, argv[1])) {
            continue;
        }
        test_run.failed_checks = 0;
        test->run();
        if (test_run.failed_checks > 0) {
            fprintf(stderr, "FAILED %s\n", test->name);
            failed++;
        } else {
            passed++;
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0 || passed == 0;
}

#endif
