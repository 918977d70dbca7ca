/* The head parser. Included once by each of head_scalar.c, head_sse42.c, head_avx2.c and
 * head_neon.c, which first define
 *
 *     VECTOR_BYTES                           how many bytes a vector holds: 8, 16 or 32
 *     struct masks vector_classify(at)       what the VECTOR_BYTES bytes from `at` on may be
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
 * there. (2) No byte at or behind `len` is read, not even within a vector. (3) No byte before
 * head->scan is looked at again but white space around a value, once; so feeding byte by byte
 * costs time linear in the head. */
#ifndef WIRE_HEAD_TEMPLATE_H
#define WIRE_HEAD_TEMPLATE_H

#include <string.h>

#include "base/err.h"
#include "wire/byte_class.h"
#include "wire/head.h"
#include "wire/head_masks.h"
#include "wire/header_lookup.h"

#define BLOCK_BYTES 64
#define METHOD_MAX  20

#define INLINE            static inline __attribute__((always_inline))
#define COLD              static __attribute__((noinline, cold))
#define LIKELY(condition) __builtin_expect((condition), 1)

enum phase { PHASE_START, PHASE_METHOD, PHASE_TARGET, PHASE_VERSION, PHASE_NAME, PHASE_VALUE };

struct walk {
    const uint8_t *bytes;
    size_t end;  /* of what may be looked at */
    size_t base; /* of the block that the masks describe */
    struct masks masks;
};

static struct masks masks_of_byte(uint8_t c) {
    return (struct masks){
        .name_end = !byte_is_token(c),
        .value_end = !byte_is_value(c),
        .target_end = c <= 0x20 || c >= 0x7F,
    };
}

INLINE void masks_add(struct masks *masks, struct masks more, size_t at) {
    masks->name_end |= more.name_end << at;
    masks->value_end |= more.value_end << at;
    masks->target_end |= more.target_end << at;
}

/* The last block, which is shorter: its last vector overlaps the one before instead of reaching
 * behind the end. */
INLINE struct masks masks_of_tail(const uint8_t *bytes, size_t base, size_t end) {
    struct masks masks = {0};
    size_t len = end - base;
    size_t done = 0;
    for (; len - done >= VECTOR_BYTES; done += VECTOR_BYTES) {
        masks_add(&masks, vector_classify(bytes + base + done), done);
    }
    if (done == len) {
        return masks;
    }
    if (end >= VECTOR_BYTES) {
        struct masks last = vector_classify(bytes + end - VECTOR_BYTES);
        size_t known = VECTOR_BYTES - (len - done);
        last.name_end >>= known;
        last.value_end >>= known;
        last.target_end >>= known;
        masks_add(&masks, last, done);
        return masks;
    }
    for (; done < len; done++) {
        masks_add(&masks, masks_of_byte(bytes[base + done]), done);
    }
    return masks;
}

INLINE void walk_load(struct walk *walk, size_t base) {
    walk->base = base;
    if (LIKELY(walk->end - base >= BLOCK_BYTES)) {
        walk->masks = (struct masks){0};
        for (size_t i = 0; i < BLOCK_BYTES; i += VECTOR_BYTES) {
            masks_add(&walk->masks, vector_classify(walk->bytes + base + i), i);
        }
    } else {
        walk->masks = masks_of_tail(walk->bytes, base, walk->end);
    }
}

/* The first position from `pos` on that `mask`, one of walk->masks, marks; walk->end where it
 * has not come yet. */
INLINE size_t walk_to(struct walk *walk, size_t pos, const uint64_t *mask) {
    for (;;) {
        if (LIKELY(pos - walk->base < BLOCK_BYTES)) {
            uint64_t bits = *mask >> (pos - walk->base);
            if (LIKELY(bits != 0)) {
                return pos + (size_t)__builtin_ctzll(bits);
            }
        }
        size_t next = walk->base + BLOCK_BYTES;
        if (next >= walk->end) {
            return walk->end;
        }
        walk_load(walk, next);
        pos = pos < next ? next : pos;
    }
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

/* The value lies between the colon and the CR at `end`; white space around it is no part of it
 * (RFC 9112 section 5.1). */
INLINE void field_finish(struct field *field, const uint8_t *bytes, size_t end) {
    size_t value = field->name + field->name_len + 1;
    if (LIKELY(bytes[value] == ' ')) {
        value++;
    }
    while (byte_is_space(bytes[value])) {
        value++; /* ends at the CR at the latest */
    }
    while (end > value && byte_is_space(bytes[end - 1])) {
        end--;
    }
    field->value = (uint32_t)value;
    field->value_len = (uint32_t)(end - value);
    field->id = header_lookup(bytes + field->name, field->name_len);
}

/* *( field-name ":" OWS field-value OWS CRLF ) CRLF: RFC 9112 section 5. */
INLINE ssize_t parse_fields(struct head *head, struct walk *walk,
                            const struct head_limits *limits) {
    const uint8_t *bytes = walk->bytes;
    size_t end = walk->end;
    size_t line = head->line;
    size_t pos = head->scan;
    uint32_t count = head->field_count;
    enum phase phase = (enum phase)head->phase;
    ssize_t result = 0;
    for (;;) {
        if (phase == PHASE_NAME) {
            if (count == limits->fields && pos < end && bytes[pos] != '\r') {
                return ERR_TOO_MANY_FIELDS;
            }
            pos = walk_to(walk, pos, &walk->masks.name_end);
            if (pos == end) {
                break;
            }
            if (bytes[pos] != ':' || pos == line) {
                result = parse_end(bytes, end, line, pos);
                break;
            }
            head->fields[count].name = (uint32_t)line;
            head->fields[count].name_len = (uint32_t)(pos - line);
            phase = PHASE_VALUE;
            pos++;
        }
        pos = walk_to(walk, pos, &walk->masks.value_end);
        if (end - pos < 2 && (pos == end || bytes[pos] == '\r')) {
            break;
        }
        if (bytes[pos] != '\r' || bytes[pos + 1] != '\n') {
            return value_error(bytes[pos]);
        }
        field_finish(&head->fields[count], bytes, pos);
        count++;
        line = pos + 2;
        pos = line;
        phase = PHASE_NAME;
    }
    head->phase = phase;
    head->line = (uint32_t)line;
    head->scan = (uint32_t)pos;
    head->field_count = count;
    return result;
}

static ssize_t parse(struct head *head, const uint8_t *bytes, size_t len,
                     const struct head_limits *limits) {
    struct walk walk = {.bytes = bytes, .end = len < limits->head ? len : limits->head};
    walk_load(&walk, head->scan);
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
