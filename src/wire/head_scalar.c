/* The head parser without vector instructions: for processors that have none of the others, and
 * what the others are compared with by the tests. */
#include "wire/head_rows.h"

#include "wire/byte_class.h"
#include "wire/head_masks.h"
#include "wire/header_lookup.h"

#define VECTOR_BYTES 8

static inline struct masks vector_classify(const uint8_t *at) {
    struct masks masks = {0};
    for (unsigned i = 0; i < VECTOR_BYTES; i++) {
        uint8_t c = at[i];
        uint8_t class = byte_class(c);
        masks.name_end |= (uint64_t)(class == 0 || class >= CLASS_CTL) << i;
        masks.value_end |= (uint64_t)(class >= CLASS_CTL) << i;
        masks.target_end |= (uint64_t)(c <= 0x20 || c >= 0x7F) << i;
    }
    return masks;
}

static inline struct masks block_classify(const uint8_t *at) {
    struct masks masks = vector_classify(at);
    for (size_t i = VECTOR_BYTES; i < BLOCK_BYTES; i += VECTOR_BYTES) {
        masks = masks_join(masks, vector_classify(at + i), i);
    }
    return masks;
}

static inline bool vector_row_is(const struct header_row *row, const uint8_t *name, size_t len) {
    return row_is(row, name, len);
}

#include "wire/head_template.h"

#include "base/banned.h"

const struct head_parser head_parser_scalar = {.name = "scalar", .parse = parse};
