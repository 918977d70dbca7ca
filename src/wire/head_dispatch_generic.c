/* The head parsers of a processor for which there is no vector code. */
#include "wire/head_rows.h"

#include "base/banned.h"

static const struct head_parser *const parsers[] = {&head_parser_scalar};

const struct head_parser *const *head_parsers(size_t *count) {
    *count = 1;
    return parsers;
}
