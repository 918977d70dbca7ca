/* The head parsers of an x86-64 processor, found out when the program runs. */
#include "wire/head_rows.h"

#include "base/banned.h"

/* Each needs what those behind it need: a processor runs a tail of the table. */
static const struct head_parser *const parsers[] = {&head_parser_avx2, &head_parser_sse42,
                                                    &head_parser_scalar};

const struct head_parser *const *head_parsers(size_t *count) {
    size_t first = 2;
    if (__builtin_cpu_supports("sse4.2")) {
        first = 1;
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
            __builtin_cpu_supports("bmi2")) {
            first = 0;
        }
    }
    *count = sizeof parsers / sizeof parsers[0] - first;
    return parsers + first;
}
