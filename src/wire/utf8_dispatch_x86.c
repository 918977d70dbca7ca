/* The paths of an x86-64 processor, found out when the program runs. */
#include "wire/utf8_paths.h"

#include "base/banned.h"

/* Each needs what those behind it need: a processor runs a tail of the table. */
static const struct utf8_path *const paths[] = {&utf8_path_avx2, &utf8_path_sse42,
                                                &utf8_path_scalar};

const struct utf8_path *const *utf8_paths(size_t *count) {
    size_t first = 2;
    if (__builtin_cpu_supports("sse4.2")) {
        first = __builtin_cpu_supports("avx2") ? 0 : 1;
    }
    *count = sizeof paths / sizeof paths[0] - first;
    return paths + first;
}
