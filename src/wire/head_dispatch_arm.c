/* The head parsers of an aarch64 processor: all of them have NEON. */
#include "wire/head_rows.h"

#include "base/banned.h"

static const struct head_parser *const parsers[] = {&head_parser_neon, &head_parser_scalar};

const struct head_parser *const *head_parsers(size_t *count) {
    *count = sizeof parsers / sizeof parsers[0];
    return parsers;
}
