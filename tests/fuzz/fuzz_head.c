/* libFuzzer target of the head parsers, the rules of requests and the handshake of WebSocket. For
 * any input: all parsers give the answer of the scalar one, whole or cut into pieces; what they
 * give lies within the input; the rules give slices within the head. Seeds: tests/corpus. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "wire/head.h"
#include "wire/http_rules.h"
#include "wire/ws_handshake.h"

#define FIELDS_MAX 100

struct answer {
    ssize_t result;
    struct head head;
    struct field fields[FIELDS_MAX];
};

static void require(bool good, const char *what) {
    if (!good) {
        fprintf(stderr, "not so: %s\n", what);
        abort();
    }
}

/* One call on a copy of just that many bytes, so that the sanitizer sees each byte too far. */
static ssize_t parse_copy(const struct head_parser *parser, struct answer *answer,
                          const uint8_t *bytes, size_t len, const struct head_limits *limits) {
    uint8_t *copy = malloc(len > 0 ? len : 1);
    require(copy != NULL, "memory");
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    ssize_t result = parser->parse(&answer->head, copy, len, limits);
    free(copy);
    return result;
}

/* `step` bytes more at each call; 0: steps of changing length. */
static void parse_steps(const struct head_parser *parser, struct answer *answer,
                        const uint8_t *bytes, size_t len, const struct head_limits *limits,
                        size_t step) {
    uint32_t state = (uint32_t)len * 2654435761u + 1;
    memset(answer, 0, sizeof *answer);
    head_init(&answer->head, answer->fields);
    size_t given = step < len ? step : len;
    while ((answer->result = parse_copy(parser, answer, bytes, given, limits)) == 0 &&
           given < len) {
        state = state * 1664525u + 1013904223u;
        size_t more = step > 0 ? step : (state >> 24) % 80 + 1;
        given = len - given < more ? len : given + more;
    }
}

static void require_same(const struct answer *a, const struct answer *b) {
    require(a->result == b->result, "all parsers give the same result");
    if (a->result <= 0) {
        return;
    }
    require(a->head.method == b->head.method && a->head.method_len == b->head.method_len &&
                a->head.target == b->head.target && a->head.target_len == b->head.target_len &&
                a->head.minor == b->head.minor,
            "the same request line");
    require(a->head.field_count == b->head.field_count, "as many fields");
    require(memcmp(a->fields, b->fields, a->head.field_count * sizeof(struct field)) == 0,
            "the same fields");
}

static void require_inside(const struct answer *answer, const uint8_t *bytes, size_t len) {
    const struct head *head = &answer->head;
    size_t used = (size_t)answer->result;
    require(used <= len && memcmp(bytes + used - 4, "\r\n\r\n", 4) == 0, "ends in an empty line");
    size_t at = head->method;
    require(head->method_len > 0 && head->target == at + head->method_len + 1 &&
                head->target_len > 0,
            "a method and a target");
    at = head->target + head->target_len + 11;
    for (uint32_t i = 0; i < head->field_count; i++) {
        const struct field *field = &answer->fields[i];
        size_t name_end = (size_t)field->name + field->name_len;
        size_t value_end = (size_t)field->value + field->value_len;
        require(field->name == at && field->name_len > 0, "fields one behind the other");
        require(bytes[name_end] == ':' && field->value > name_end, "a colon");
        require(value_end < used && field->id < HEADER_COUNT, "a value and an id");
        require(field->id == header_id_of(field_name(field, bytes)), "the id of the name");
        at = (size_t)((const uint8_t *)memchr(bytes + value_end, '\n', used - value_end) - bytes) +
             1;
    }
    require(at + 2 == used, "nothing between the last field and the end");
}

static void require_slice(struct slice slice, const uint8_t *bytes, size_t len) {
    bool slash = slice_equal(slice, SLICE("/")); /* may be the rules' own */
    require(slash || (slice.at >= bytes && slice.at + slice.len <= bytes + len), "in the head");
}

static void check_rules(const struct answer *answer, const uint8_t *bytes) {
    struct request_rules rules;
    int err = http_rules_request(&answer->head, bytes, &rules);
    require(err == 0 || (err < 0 && err_status(err) >= 400), "an error has a status");
    if (err < 0) {
        return;
    }
    size_t len = (size_t)answer->result;
    require_slice(rules.authority, bytes, len);
    require_slice(rules.path, bytes, len);
    require_slice(rules.query, bytes, len);
    require(rules.path.len > 0, "a path");
    require(rules.host_field == UINT32_MAX ? answer->head.minor == 0
                                           : rules.host_field < answer->head.field_count,
            "Host, or HTTP/1.0");
    require((rules.body == BODY_LENGTH) == (rules.content_length > 0), "a length");
    struct ws_offer offer;
    int asked = ws_handshake_check(&answer->head, bytes, &rules, &offer);
    require(asked == 0 || asked == 1 || (asked < 0 && err_status(asked) >= 400), "a handshake");
    require(asked != 1 || (rules.body == BODY_NONE && offer.count <= WS_OFFERS), "a good one");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    static const struct head_limits all_limits[] = {
        {.line = 8192, .head = 65536, .fields = FIELDS_MAX},
        {.line = 30, .head = 120, .fields = 3},
    };
    static struct answer expected;
    static struct answer answer;
    size_t count;
    const struct head_parser *const *parsers = head_parsers(&count);
    for (size_t i = 0; i < 2; i++) {
        const struct head_limits *limits = &all_limits[i];
        parse_steps(parsers[count - 1], &expected, bytes, len, limits, len);
        for (size_t j = 0; j < count; j++) {
            parse_steps(parsers[j], &answer, bytes, len, limits, len);
            require_same(&expected, &answer);
            parse_steps(parsers[j], &answer, bytes, len, limits, 0);
            require_same(&expected, &answer);
            if (len < 512) {
                parse_steps(parsers[j], &answer, bytes, len, limits, 1);
                require_same(&expected, &answer);
            }
        }
        if (expected.result > 0) {
            require_inside(&expected, bytes, len);
            check_rules(&expected, bytes);
        }
    }
    return 0;
}
