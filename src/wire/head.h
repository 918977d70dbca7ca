/* The head of an HTTP/1 request: request line and fields, from bytes to a struct.
 *
 * Pure and incremental: no allocation, no clock, no I/O, nothing read past `len`. Not for the
 * meaning of fields: that is http_rules.h. Called by http/http1 in the read beat.
 *
 * Offsets, not pointers: the caller may move or grow its buffer between calls, as long as the
 * bytes from the head's first one on stay the same. */
#ifndef WIRE_HEAD_H
#define WIRE_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"
#include "wire/header_id.h"

struct head_limits {
    uint32_t line;   /* bytes of the request line without CRLF; beyond: ERR_LINE_TOO_LONG */
    uint32_t head;   /* bytes of the whole head; beyond: ERR_HEAD_TOO_LONG */
    uint32_t fields; /* number of fields; beyond: ERR_TOO_MANY_FIELDS */
};

/* One field. Offsets count from the first byte that head_parse was given. */
struct field {
    uint32_t name;
    uint32_t name_len;
    uint32_t value; /* without the white space around it (SP and HTAB only) */
    uint32_t value_len;
    enum header_id id; /* HEADER_OTHER where the name is not in the table */
};

struct head {
    /* read-only for the caller, complete when head_parse has returned > 0 */
    uint32_t method;
    uint32_t method_len;
    uint32_t target;
    uint32_t target_len;
    uint8_t minor; /* 0 or 1: HTTP/1.0 or HTTP/1.1 */
    uint32_t field_count;
    struct field *fields; /* [borrows until the head is no longer used] set by head_init */
    /* private to wire/head*: where the next call goes on */
    uint32_t phase;
    uint32_t line; /* first byte of the line that is not complete yet */
    uint32_t scan; /* bytes before this are known to be legal and not the line's end */
};

/* Parses heads; one for each instruction set, all with byte-for-byte the same answers.
 *
 * `bytes[0..len)` is the head's beginning as far as it has come; a later call gives the same
 * bytes and more. Returns the head's length with its final CRLF CRLF, 0 where more bytes are
 * needed, or a negative error as soon as one is certain. One empty line before the request
 * line is skipped (RFC 9112 section 2.2). */
typedef ssize_t head_parse_fn(struct head *head, const uint8_t *bytes, size_t len,
                              const struct head_limits *limits);

/* Readies `head` for a new request. `fields` has room for limits.fields of them.
 * [borrows fields until the head is no longer used] */
void head_init(struct head *head, struct field *fields);

struct head_parser {
    const char *name; /* "avx2", "sse4.2", "neon", "scalar" */
    head_parse_fn *parse;
};

/* The parsers that this processor can run, fastest first; at least "scalar". `count` gives
 * their number. [borrows for ever] */
const struct head_parser *const *head_parsers(size_t *count);

/* The fastest of them. [borrows for ever] */
const struct head_parser *head_parser_best(void);

static inline struct slice head_method(const struct head *head, const uint8_t *bytes) {
    return slice_of(bytes + head->method, head->method_len);
}

static inline struct slice head_target(const struct head *head, const uint8_t *bytes) {
    return slice_of(bytes + head->target, head->target_len);
}

static inline struct slice field_name(const struct field *field, const uint8_t *bytes) {
    return slice_of(bytes + field->name, field->name_len);
}

static inline struct slice field_value(const struct field *field, const uint8_t *bytes) {
    return slice_of(bytes + field->value, field->value_len);
}

#endif
