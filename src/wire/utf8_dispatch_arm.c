/* The paths of an aarch64 processor: all of them have NEON. */
#include "wire/utf8_paths.h"

#include "base/banned.h"

static const struct utf8_path *const paths[] = {&utf8_path_neon, &utf8_path_scalar};

const struct utf8_path *const *utf8_paths(size_t *count) {
    *count = sizeof paths / sizeof paths[0];
    return paths;
}
