/* Lets the differential tests ask src/wire what it makes of the bytes of a connection.
 *
 * Standard input: any number of times a length (4 bytes, big endian) and so many bytes. Standard
 * output: for each, one line of JSON
 *
 *     {"head": {...}, "requests": {...}}
 *
 * where both are {"list": [{"method", "target", "minor", "fields": [[name, value], ...], "body"},
 * ...], "error": "ERR_..." or "", "more": true where the bytes end too early}: "head" of the first
 * head alone, before any rule is asked, "requests" of all that are whole and break no rule. Bytes
 * are given as the characters of the same number (latin-1). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "wire/chunk.h"
#include "wire/head.h"
#include "wire/http_rules.h"

#include "base/banned.h"

#define INPUT_MAX  (1u << 20)
#define FIELDS_MAX 100

static const struct head_limits limits = {.line = 8192, .head = 65536, .fields = FIELDS_MAX};

static void print_bytes(struct slice slice) {
    putchar('"');
    for (size_t i = 0; i < slice.len; i++) {
        uint8_t c = slice.at[i];
        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
            putchar(c);
        } else {
            printf("\\u%04x", c);
        }
    }
    putchar('"');
}

static void print_request(const struct head *head, const uint8_t *bytes, struct slice body) {
    printf("{\"method\": ");
    print_bytes(head_method(head, bytes));
    printf(", \"target\": ");
    print_bytes(head_target(head, bytes));
    printf(", \"minor\": %u, \"fields\": [", head->minor);
    for (uint32_t i = 0; i < head->field_count; i++) {
        printf("%s[", i > 0 ? ", " : "");
        print_bytes(field_name(&head->fields[i], bytes));
        printf(", ");
        print_bytes(field_value(&head->fields[i], bytes));
        printf("]");
    }
    printf("], \"body\": ");
    print_bytes(body);
    printf("}");
}

/* Decodes the chunked body at `bytes` into `body`. Bytes used, 0 for more, or an error. */
static ssize_t decode_chunks(const uint8_t *bytes, size_t len, uint8_t *body, size_t *body_len) {
    struct chunk_decoder decoder;
    chunk_decoder_init(&decoder);
    size_t at = 0;
    while (at < len && !decoder.done) {
        struct slice data;
        ssize_t used = chunk_decode(&decoder, bytes + at, len - at, &data);
        if (used < 0) {
            return used;
        }
        memcpy(body + *body_len, data.at, data.len);
        *body_len += data.len;
        at += (size_t)used;
    }
    return decoder.done ? (ssize_t)at : 0;
}

/* One request of those in `bytes`. Bytes used, 0 for more, or an error. */
static ssize_t probe_request(const uint8_t *bytes, size_t len, uint8_t *body, const char *comma) {
    struct field fields[FIELDS_MAX];
    struct head head;
    head_init(&head, fields);
    ssize_t used = head_parser_best()->parse(&head, bytes, len, &limits);
    if (used <= 0) {
        return used;
    }
    struct request_rules rules;
    int err = http_rules_request(&head, bytes, &rules);
    if (err < 0) {
        return err;
    }
    const uint8_t *rest = bytes + used;
    size_t rest_len = len - (size_t)used;
    size_t body_len = 0;
    ssize_t body_used = 0;
    if (rules.body == BODY_LENGTH) {
        if (rules.content_length > rest_len) {
            return 0;
        }
        body_len = (size_t)rules.content_length;
        memcpy(body, rest, body_len);
        body_used = (ssize_t)body_len;
    } else if (rules.body == BODY_CHUNKED) {
        body_used = decode_chunks(rest, rest_len, body, &body_len);
        if (body_used <= 0) {
            return body_used;
        }
    }
    printf("%s", comma);
    print_request(&head, bytes, slice_of(body, body_len));
    return used + body_used;
}

static void print_end(ssize_t used) {
    printf("], \"error\": \"%s\", \"more\": %s}", used < 0 ? err_name((int)used) : "",
           used == 0 ? "true" : "false");
}

static void probe_head(const uint8_t *bytes, size_t len) {
    struct field fields[FIELDS_MAX];
    struct head head;
    head_init(&head, fields);
    ssize_t used = head_parser_best()->parse(&head, bytes, len, &limits);
    printf("{\"head\": {\"list\": [");
    if (used > 0) {
        print_request(&head, bytes, slice_of(bytes, 0));
    }
    print_end(used);
}

static void probe(const uint8_t *bytes, size_t len, uint8_t *body) {
    size_t at = 0;
    ssize_t used = 1;
    probe_head(bytes, len);
    printf(", \"requests\": {\"list\": [");
    while (at < len && used > 0) {
        used = probe_request(bytes + at, len - at, body, at > 0 ? ", " : "");
        at += used > 0 ? (size_t)used : 0;
    }
    print_end(used);
    printf("}\n");
}

int main(void) {
    uint8_t *bytes = malloc(INPUT_MAX);
    uint8_t *body = malloc(INPUT_MAX);
    uint8_t length[4];
    if (!bytes || !body) {
        return 1;
    }
    while (fread(length, 1, sizeof length, stdin) == sizeof length) {
        size_t len =
            (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3];
        if (len > INPUT_MAX || fread(bytes, 1, len, stdin) != len) {
            fprintf(stderr, "wire_probe: input cut or longer than %u bytes\n", INPUT_MAX);
            return 1;
        }
        probe(bytes, len, body);
    }
    free(bytes);
    free(body);
    return 0;
}
