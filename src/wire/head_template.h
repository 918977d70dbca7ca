/* The head parser. Included once by each of head_scalar.c, head_sse42.c, head_avx2.c and
 * head_neon.c, which first define
 *
 *     VECTOR_BYTES                       how many bytes a vector holds: 8, 16 or 32
 *     struct masks vector_classify(at)   what the VECTOR_BYTES bytes from `at` on may be
 *     struct masks block_classify(at)    the same of 64 bytes
 *     bool vector_row_is(row, name, len) as row_is() of header_lookup.h, but it may read
 *                                        HEADER_ROW_BYTES of the name and what follows it
 *
 * so that there is one parser and four ways of looking at bytes. This file gives the function
 * `parse`, a head_parse_fn.
 *
 * How it works: the input is looked at in blocks of 64 bytes. Of each, one bit mask says where
 * a token could not go on, and others the same of a target and a field value; the walk along the
 * head then takes one step a token, by counting zero bits. The masks do not depend on where
 * tokens begin, so the processor makes the next ones while it still walks on the last.
 *
 * Invariants. (1) Of the illegal bytes in a head the first one decides, and nothing behind it is
 * looked at: hence the answer to a head does not depend on how it was cut into pieces. The
 * limits are judged in the same order: "too long" is the error of the first byte that may not be
 * there. (2) No byte at or behind `len` is read, not even within a vector. (3) A call looks at
 * no more than one block before head->scan, and once at the white space around a value; so
 * feeding byte by byte costs time linear in the head. */
#ifndef WIRE_HEAD_TEMPLATE_H
#define WIRE_HEAD_TEMPLATE_H

#include <string.h>

#include "base/err.h"
#include "wire/byte_class.h"
#include "wire/head.h"
#include "wire/head_line.h"
#include "wire/head_masks.h"
#include "wire/header_lookup.h"

#define INLINE            static inline __attribute__((always_inline))
#define COLD              static __attribute__((noinline, cold))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)

struct walk {
    const uint8_t *bytes;
    size_t end;  /* of what may be looked at */
    size_t base; /* of the block that the masks describe */
    struct masks masks;
};

/* A whole input shorter than a vector. */
COLD struct masks masks_of_bytes(const uint8_t *bytes, size_t len) {
    struct masks masks = {0};
    for (size_t i = 0; i < len; i++) {
        uint8_t c = bytes[i];
        masks.name_end |= (uint64_t)!byte_is_token(c) << i;
        masks.value_end |= (uint64_t)!byte_is_value(c) << i;
        masks.target_end |= (uint64_t)(c <= 0x20 || c >= 0x7F) << i;
    }
    return masks;
}

/* A whole input shorter than a block. The last vector overlaps the one before it instead of
 * reaching behind the end. */
INLINE struct masks masks_of_short(const uint8_t *bytes, size_t len) {
    if (len < VECTOR_BYTES) {
        return masks_of_bytes(bytes, len);
    }
    struct masks masks = vector_classify(bytes);
    size_t last = len - VECTOR_BYTES;
    for (size_t i = VECTOR_BYTES; i < last; i += VECTOR_BYTES) {
        masks = masks_join(masks, vector_classify(bytes + i), i);
    }
    return masks_join(masks, vector_classify(bytes + last), last);
}

/* Takes the block from `base` on, or the last one that ends where the input does. A CR that is
 * the last byte so far ends no value yet: the LF behind it has to be seen with it. */
INLINE void walk_load(struct walk *walk, size_t base) {
    size_t last = walk->end - BLOCK_BYTES;
    bool is_last = base >= last;
    walk->base = is_last ? last : base;
    walk->masks = block_classify(walk->bytes + walk->base);
    if (is_last && walk->bytes[walk->end - 1] == '\r') {
        walk->masks.value_end &= UINT64_MAX >> 1;
    }
}

INLINE void walk_begin(struct walk *walk, size_t pos) {
    if (LIKELY(walk->end >= BLOCK_BYTES)) {
        walk_load(walk, pos);
        return;
    }
    walk->base = 0;
    walk->masks = masks_of_short(walk->bytes, walk->end);
    if (walk->end > 0 && walk->bytes[walk->end - 1] == '\r') {
        walk->masks.value_end &= ~(UINT64_C(1) << (walk->end - 1));
    }
}

/* Forgets what the masks say of the bytes before `pos`. */
INLINE void walk_forget(struct walk *walk, size_t pos) {
    if (pos > walk->base) {
        uint64_t left = pos - walk->base < BLOCK_BYTES ? UINT64_MAX << (pos - walk->base) : 0;
        walk->masks.name_end &= left;
        walk->masks.value_end &= left;
        walk->masks.target_end &= left;
    }
}

/* Goes on to the next block in which `mask` has a bit; false where there is none yet. */
INLINE bool walk_on(struct walk *walk, size_t pos, const uint64_t *mask) {
    do {
        size_t next = walk->base + BLOCK_BYTES;
        if (next >= walk->end) {
            return false;
        }
        walk_load(walk, next);
        walk_forget(walk, pos);
    } while (*mask == 0);
    return true;
}

/* Finds the first position from `pos` on that `mask`, one of walk->masks, marks, where those
 * before it have been forgotten. False where it has not come yet. */
INLINE bool walk_to(struct walk *walk, size_t pos, const uint64_t *mask, size_t *at) {
    if (!LIKELY(*mask != 0) && !walk_on(walk, pos, mask)) {
        return false;
    }
    *at = walk->base + (size_t)__builtin_ctzll(*mask);
    return true;
}

/* Forgets the line that ends in the CRLF which the mask of value ends begins with. */
INLINE void walk_forget_line(struct walk *walk) {
    uint64_t lf = walk->masks.value_end & (walk->masks.value_end - 1);
    /* All bits up to the LF; all there are where the LF is in the next block. */
    walk->masks.name_end &= ~(lf ^ (lf - 1));
    walk->masks.value_end = lf & (lf - 1);
}

/* "HTTP/1.0" or "HTTP/1.1", which differ in one bit of the last byte. */
INLINE bool is_version(const uint8_t *at) {
    uint64_t given;
    uint64_t minor;
    uint64_t wanted;
    memcpy(&given, at, sizeof given);
    memcpy(&minor, "\0\0\0\0\0\0\0\1", sizeof minor);
    memcpy(&wanted, "HTTP/1.1", sizeof wanted);
    return (given | minor) == wanted;
}

/* A request line that is whole and legal, which is what comes: RFC 9112 section 3. False leaves
 * the head as it was, for head_line() to say what is the matter. */
INLINE bool parse_line(struct head *head, struct walk *walk, const struct head_limits *limits) {
    const uint8_t *bytes = walk->bytes;
    size_t method_end;
    if (!walk_to(walk, 0, &walk->masks.name_end, &method_end) || bytes[method_end] != ' ' ||
        method_end - 1 >= METHOD_MAX) {
        return false;
    }
    size_t target = method_end + 1;
    size_t target_end;
    /* A method ends in the first block; the other masks are forgotten with the line. */
    walk->masks.target_end &= UINT64_MAX << target;
    if (!walk_to(walk, target, &walk->masks.target_end, &target_end) || bytes[target_end] != ' ' ||
        target_end == target) {
        return false;
    }
    const uint8_t *version = bytes + target_end + 1;
    if (walk->end - target_end < 11 || target_end + 9 > limits->line || !is_version(version) ||
        memcmp(version + 8, "\r\n", 2) != 0) {
        return false;
    }
    head->method = 0;
    head->method_len = (uint32_t)method_end;
    head->target = (uint32_t)target;
    head->target_len = (uint32_t)(target_end - target);
    head->minor = version[7] - '0';
    head->line = (uint32_t)target_end + 11;
    head->scan = head->line;
    head->phase = PHASE_NAME;
    return true;
}

/* Which error the byte behind a legal name or value is. */
COLD int name_error(uint8_t c) {
    return c == '\n' ? ERR_LINE_END : byte_is_space(c) ? ERR_FIELD_SPACE : ERR_FIELD_NAME;
}

COLD int value_error(uint8_t c) {
    return c == '\n' || c == '\r' ? ERR_LINE_END : ERR_FIELD_VALUE;
}

/* White space around a value is no part of it: RFC 9112 section 5.1. The way for any white
 * space; `end` is where the CR stands. */
static __attribute__((noinline)) void field_trim(struct field *field, const uint8_t *bytes,
                                                 size_t value, size_t end) {
    while (byte_is_space(bytes[value])) {
        value++; /* stops at the CR at the latest */
    }
    while (end > value && byte_is_space(bytes[end - 1])) {
        end--;
    }
    field->value = (uint32_t)value;
    field->value_len = (uint32_t)(end - value);
}

/* The number of the name at `at`, a whole line's beginning. */
INLINE enum header_id field_id(const struct walk *walk, size_t at, size_t len) {
    const uint8_t *name = walk->bytes + at;
    enum header_id id = header_candidate(name, len);
    const struct header_row *row = &header_rows[id];
    if (LIKELY(at + HEADER_ROW_BYTES <= walk->end)) {
        return LIKELY(vector_row_is(row, name, len)) ? id : HEADER_OTHER;
    }
    return row_is(row, name, len) ? id : HEADER_OTHER;
}

/* The field whose name begins at `line` and whose colon and CR have been found. */
INLINE void field_finish(struct field *field, const struct walk *walk, size_t line, size_t colon,
                         size_t cr) {
    const uint8_t *bytes = walk->bytes;
    /* The usual: one space before the value, none behind. No value holds a byte below the space
     * but HTAB; at colon + 2 there may be the CR or LF. */
    if (LIKELY(bytes[colon + 1] == ' ' && bytes[colon + 2] > ' ' && bytes[cr - 1] > ' ')) {
        field->value = (uint32_t)colon + 2;
        field->value_len = (uint32_t)cr - field->value;
    } else {
        field_trim(field, bytes, colon + 1, cr);
    }
    field->id = field_id(walk, line, colon - line);
}

/* *( field-name ":" OWS field-value OWS CRLF ) CRLF: RFC 9112 section 5. */
INLINE ssize_t parse_fields(struct head *head, struct walk *walk,
                            const struct head_limits *limits) {
    const uint8_t *bytes = walk->bytes;
    size_t end = walk->end;
    size_t line = head->line;
    size_t pos = head->scan;
    struct field *field = head->fields + head->field_count;
    const struct field *fields_end = head->fields + limits->fields;
    bool in_value = head->phase == PHASE_VALUE;
    ssize_t result = 0;
    walk_forget(walk, pos);
    for (;;) {
        size_t colon;
        if (LIKELY(!in_value)) {
            if (field == fields_end && pos < end && bytes[pos] != '\r') {
                return ERR_TOO_MANY_FIELDS;
            }
            if (!walk_to(walk, pos, &walk->masks.name_end, &colon)) {
                pos = end;
                break;
            }
            if (bytes[colon] != ':' || colon == line) {
                if (bytes[colon] != '\r' || colon != line) {
                    return name_error(bytes[colon]);
                }
                if (end - colon > 1) { /* the empty line */
                    result = bytes[colon + 1] == '\n' ? (ssize_t)colon + 2 : ERR_LINE_END;
                }
                pos = colon;
                break;
            }
            field->name = (uint32_t)line;
            field->name_len = (uint32_t)(colon - line);
            in_value = true;
        } else {
            colon = line + field->name_len;
        }
        size_t cr;
        if (!walk_to(walk, colon + 1, &walk->masks.value_end, &cr)) {
            pos = bytes[end - 1] == '\r' ? end - 1 : end;
            break;
        }
        if (bytes[cr] != '\r' || bytes[cr + 1] != '\n') {
            return value_error(bytes[cr]);
        }
        field_finish(field, walk, line, colon, cr);
        walk_forget_line(walk);
        field++;
        line = cr + 2;
        pos = line;
        in_value = false;
    }
    head->phase = in_value ? PHASE_VALUE : PHASE_NAME;
    head->line = (uint32_t)line;
    head->scan = (uint32_t)pos;
    head->field_count = (uint32_t)(field - head->fields);
    return result;
}

INLINE ssize_t parse(struct head *head, const uint8_t *bytes, size_t len,
                     const struct head_limits *limits) {
    struct walk walk = {.bytes = bytes, .end = len < limits->head ? len : limits->head};
    walk_begin(&walk, head->scan);
    ssize_t result = 0;
    bool fast = head->phase == PHASE_START && LIKELY(parse_line(head, &walk, limits));
    if (!fast && head->phase < PHASE_NAME) {
        result = head_line(head, bytes, walk.end, limits);
        walk_begin(&walk, head->scan);
    }
    if (result == 0 && head->phase >= PHASE_NAME) {
        result = parse_fields(head, &walk, limits);
    }
    return result == 0 && len >= limits->head ? ERR_HEAD_TOO_LONG : result;
}

#endif
