/* The head parser. Included once by each of head_scalar.c, head_sse42.c, head_avx2.c and
 * head_neon.c, which first define
 *
 *     VECTOR_BYTES                       how many bytes a vector holds: 8, 16 or 32
 *     struct masks vector_classify(at)   what the VECTOR_BYTES bytes from `at` on may be
 *     struct masks block_classify(at)    the same of 64 bytes
 *     bool vector_name_is(name, lower, len)
 *                                        as name_is() of header_lookup.h, of a name that a colon
 *                                        follows, and it may read HEADER_NAME_ROOM bytes of both
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
#include "wire/head_masks.h"
#include "wire/header_lookup.h"

#define METHOD_MAX 20

#define INLINE            static inline __attribute__((always_inline))
#define COLD              static __attribute__((noinline, cold))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)

enum phase { PHASE_START, PHASE_METHOD, PHASE_TARGET, PHASE_VERSION, PHASE_NAME, PHASE_VALUE };

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
    walk->base = base < last ? base : last;
    walk->masks = block_classify(walk->bytes + walk->base);
    if (base >= last && walk->bytes[walk->end - 1] == '\r') {
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

/* The first position from `pos` on that `mask`, one of walk->masks, marks, where those before
 * it have been forgotten; walk->end where it has not come yet. */
INLINE size_t walk_to(struct walk *walk, size_t pos, const uint64_t *mask) {
    if (LIKELY(*mask != 0)) {
        return walk->base + (size_t)__builtin_ctzll(*mask);
    }
    do {
        size_t next = walk->base + BLOCK_BYTES;
        if (next >= walk->end) {
            return walk->end;
        }
        walk_load(walk, next);
        walk_forget(walk, pos);
    } while (*mask == 0);
    return walk->base + (size_t)__builtin_ctzll(*mask);
}

/* Forgets the line that ends in the CRLF which the mask of value ends begins with. */
INLINE void walk_forget_line(struct walk *walk) {
    uint64_t lf = walk->masks.value_end & (walk->masks.value_end - 1);
    /* All bits up to the LF; all there are where the LF is in the next block. */
    walk->masks.name_end &= ~(lf ^ (lf - 1));
    walk->masks.value_end = lf & (lf - 1);
}

/* Which error the byte behind a legal method, target, name or value is. */
COLD int method_error(uint8_t c) {
    return c == '\n' ? ERR_LINE_END : c == '\r' ? ERR_REQUEST_LINE : ERR_METHOD;
}

COLD int target_error(uint8_t c) {
    return c == '\n' ? ERR_LINE_END : c == '\r' || c == ' ' ? ERR_REQUEST_LINE : ERR_TARGET;
}

COLD int name_error(uint8_t c) {
    return c == '\n' ? ERR_LINE_END : byte_is_space(c) ? ERR_FIELD_SPACE : ERR_FIELD_NAME;
}

COLD int value_error(uint8_t c) {
    return c == '\n' || c == '\r' ? ERR_LINE_END : ERR_FIELD_VALUE;
}

/* Whether a line whose legal bytes reach up to `pos` is longer than it may be; the byte at
 * `pos`, where there is one, belongs to it too. */
INLINE bool line_too_long(const struct head *head, const struct head_limits *limits, size_t pos,
                          size_t end) {
    return pos - head->line + (pos < end) > limits->line;
}

/* HTTP-version CRLF, byte by byte: RFC 9112 sections 2.3 and 3. Version numbers other than 1.0
 * and 1.1 are told from what is no version at all. */
COLD int parse_version(struct head *head, const uint8_t *bytes, size_t end,
                       const struct head_limits *limits) {
    static const char version[] = "HTTP/1.";
    for (size_t pos = head->scan; pos < end; pos++) {
        size_t i = pos - (head->target + head->target_len + 1);
        uint8_t c = bytes[pos];
        if (i == 9) {
            if (c != '\n') {
                return ERR_LINE_END;
            }
            head->line = (uint32_t)pos + 1;
            head->scan = head->line;
            head->phase = PHASE_NAME;
            return 0;
        }
        if (pos - head->line >= limits->line && !(i == 8 && c == '\r')) {
            return ERR_LINE_TOO_LONG;
        }
        bool good = i < 7 ? c == version[i] : i == 7 ? c == '0' || c == '1' : c == '\r';
        if (!good) {
            bool number = i >= 5 && (i < 8 || byte_is_digit(c));
            return c == '\n' ? ERR_LINE_END : number ? ERR_VERSION : ERR_REQUEST_LINE;
        }
        if (i == 7) {
            head->minor = c - '0';
        }
        head->scan = (uint32_t)pos + 1;
    }
    return 0;
}

/* The same in one step, where all of it is there. */
INLINE bool parse_version_fast(struct head *head, const uint8_t *bytes, size_t end,
                               const struct head_limits *limits) {
    size_t start = head->target + head->target_len + 1;
    if (head->scan != start || end - start < 10 || start + 8 - head->line > limits->line ||
        memcmp(bytes + start, "HTTP/1.", 7) != 0 || (bytes[start + 7] & 0xFE) != '0' ||
        memcmp(bytes + start + 8, "\r\n", 2) != 0) {
        return false;
    }
    head->minor = bytes[start + 7] - '0';
    head->line = (uint32_t)start + 10;
    head->scan = head->line;
    head->phase = PHASE_NAME;
    return true;
}

/* One empty line before the request line: RFC 9112 section 2.2. */
INLINE int parse_start(struct head *head, const uint8_t *bytes, size_t end) {
    if (end == 0) {
        return 0;
    }
    if (bytes[0] == '\r') {
        if (end == 1) {
            return 0;
        }
        if (bytes[1] != '\n') {
            return ERR_LINE_END;
        }
        head->line = 2;
        head->scan = 2;
    }
    head->phase = PHASE_METHOD;
    return 0;
}

/* method SP request-target SP HTTP-version CRLF: RFC 9112 section 3. Each phase falls into the
 * next; 0 and a phase before PHASE_NAME: more bytes are needed. */
INLINE int parse_request_line(struct head *head, struct walk *walk,
                              const struct head_limits *limits) {
    const uint8_t *bytes = walk->bytes;
    size_t end = walk->end;
    if (head->phase == PHASE_START) {
        int err = parse_start(head, bytes, end);
        if (err < 0 || head->phase == PHASE_START) {
            return err;
        }
    }
    if (head->phase == PHASE_METHOD) {
        walk_forget(walk, head->scan);
        size_t pos = walk_to(walk, head->scan, &walk->masks.name_end);
        size_t method_len = pos - head->line;
        if (method_len > METHOD_MAX && limits->line > METHOD_MAX) {
            return ERR_METHOD;
        }
        if (line_too_long(head, limits, pos, end)) {
            return ERR_LINE_TOO_LONG;
        }
        head->scan = (uint32_t)pos;
        if (pos == end) {
            return 0;
        }
        if (bytes[pos] != ' ' || method_len == 0) {
            return method_error(bytes[pos]);
        }
        head->method = head->line;
        head->method_len = (uint32_t)method_len;
        head->target = (uint32_t)pos + 1;
        head->scan = head->target;
        head->phase = PHASE_TARGET;
    }
    if (head->phase == PHASE_TARGET) {
        walk_forget(walk, head->scan);
        size_t pos = walk_to(walk, head->scan, &walk->masks.target_end);
        if (line_too_long(head, limits, pos, end)) {
            return ERR_LINE_TOO_LONG;
        }
        head->scan = (uint32_t)pos;
        if (pos == end) {
            return 0;
        }
        if (bytes[pos] != ' ' || pos == head->target) {
            return target_error(bytes[pos]);
        }
        head->target_len = (uint32_t)pos - head->target;
        head->scan = (uint32_t)pos + 1;
        head->phase = PHASE_VERSION;
    }
    return LIKELY(parse_version_fast(head, bytes, end, limits))
               ? 0
               : parse_version(head, bytes, end, limits);
}

/* A name has ended at `pos`, but in no colon, or before its first byte: is it the end of the
 * head? The head's length, 0 for more, or the error. */
COLD ssize_t parse_end(const uint8_t *bytes, size_t end, size_t line, size_t pos) {
    if (pos != line || bytes[pos] != '\r') {
        return name_error(bytes[pos]);
    }
    if (end - pos == 1) {
        return 0;
    }
    return bytes[pos + 1] == '\n' ? (ssize_t)pos + 2 : ERR_LINE_END;
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

/* The number of a name that a colon follows and another byte stands before. */
INLINE uint8_t field_id(const struct walk *walk, size_t name_at, size_t name_len) {
    const uint8_t *name = walk->bytes + name_at;
    struct header_slot slot = header_slots[header_hash(name, name_len)];
    if (slot.len != name_len) {
        return HEADER_OTHER;
    }
    const char *lower = header_rows[slot.id].name;
    bool same = LIKELY(walk->end - name_at >= HEADER_NAME_ROOM)
                    ? vector_name_is(name, lower, name_len)
                    : name_is(name, lower, name_len);
    return same ? slot.id : HEADER_OTHER;
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
    field->id = (enum header_id)field_id(walk, line, colon - line);
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
            colon = walk_to(walk, pos, &walk->masks.name_end);
            if (colon == end) {
                pos = end;
                break;
            }
            if (bytes[colon] != ':' || colon == line) {
                pos = colon;
                result = parse_end(bytes, end, line, colon);
                break;
            }
            field->name = (uint32_t)line;
            field->name_len = (uint32_t)(colon - line);
            in_value = true;
        } else {
            colon = line + field->name_len;
        }
        size_t cr = walk_to(walk, colon + 1, &walk->masks.value_end);
        if (cr == end) {
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

static ssize_t parse(struct head *head, const uint8_t *bytes, size_t len,
                     const struct head_limits *limits) {
    struct walk walk = {.bytes = bytes, .end = len < limits->head ? len : limits->head};
    walk_begin(&walk, head->scan);
    ssize_t result = 0;
    if (head->phase < PHASE_NAME) {
        result = parse_request_line(head, &walk, limits);
    }
    if (head->phase >= PHASE_NAME && result == 0) {
        result = parse_fields(head, &walk, limits);
    }
    return result == 0 && len >= limits->head ? ERR_HEAD_TOO_LONG : result;
}

#endif
