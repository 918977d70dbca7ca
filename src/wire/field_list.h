/* Field values that are comma-separated lists (RFC 9110 section 5.6.1). Private to wire. */
#ifndef WIRE_FIELD_LIST_H
#define WIRE_FIELD_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"
#include "wire/byte_class.h"

/* Cuts the next element off a list, without the white space around it; it may be empty. Not for
 * lists with quoted strings. False where the list has ended. */
static inline bool list_next(struct slice *list, struct slice *element) {
    if (!list->at) {
        return false;
    }
    const uint8_t *comma = list->len > 0 ? memchr(list->at, ',', list->len) : NULL;
    size_t len = comma ? (size_t)(comma - list->at) : list->len;
    *element = slice_of(list->at, len);
    *list = comma ? slice_of(comma + 1, list->len - len - 1) : slice_of(NULL, 0);
    while (element->len > 0 && byte_is_space(element->at[0])) {
        *element = slice_of(element->at + 1, element->len - 1);
    }
    while (element->len > 0 && byte_is_space(element->at[element->len - 1])) {
        element->len--;
    }
    return true;
}

static inline bool is_token(struct slice word) {
    for (size_t i = 0; i < word.len; i++) {
        if (!byte_is_token(word.at[i])) {
            return false;
        }
    }
    return word.len > 0;
}

#endif
