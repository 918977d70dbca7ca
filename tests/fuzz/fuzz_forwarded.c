/* libFuzzer target of the fields of proxies. The input is the fields of a head, as on the wire,
 * behind a byte that says how they are to be read; and all of it is taken for one value. For any
 * of them: what is given lies within the input, lists end, and a peer who is not trusted changes
 * nothing. Seeds: tests/corpus/proxied. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "http/origin.h"
#include "unit/must.h"
#include "wire/forwarded.h"
#include "wire/http_rules.h"

#define FIELDS 100

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_inside(struct slice slice, const uint8_t *bytes, size_t len) {
    MUST(slice.len == 0 || (slice.at >= bytes && slice.at + slice.len <= bytes + len));
}

/* The parts, on any value. */
static void read_value(struct slice value) {
    struct slice rest = value;
    struct hop hop;
    struct node node;
    int err;
    size_t left = value.len + 1;
    while (forwarded_next(&rest, &hop, &err)) {
        MUST(rest.len < left);
        left = rest.len;
        check_inside(hop.host, value.at, value.len);
    }
    MUST(err == 0 || err == ERR_FORWARDED);
    rest = value;
    left = value.len + 1;
    while (forwarded_for_last(&rest, &node, &err)) {
        MUST(rest.len < left);
        left = rest.len;
    }
    MUST(err == 0 || err == ERR_FORWARDED_FOR);
}

static void find(const struct origin_rules *rules, const struct head *head, const uint8_t *bytes,
                 size_t len, struct slice authority) {
    static const uint8_t trusted[4] = {10, 0, 0, 1};
    static const uint8_t stranger[4] = {192, 0, 2, 1};
    struct peer peer;
    peer_from_ip(&peer, PEER_IPV4, stranger, 1);
    struct origin origin = origin_direct(&peer, true);
    MUST(origin_find(rules, head, bytes, authority, &origin) == 0);
    MUST(peer_equal(&origin.client, &peer) && origin.secure && !origin.renamed);

    peer_from_ip(&peer, PEER_IPV4, trusted, 1);
    origin = origin_direct(&peer, false);
    int err = origin_find(rules, head, bytes, authority, &origin);
    MUST(err == 0 || err_status(err) == 400);
    MUST(origin.client.family != PEER_UNIX);
    if (err == 0) {
        check_inside(origin.host, bytes, len);
        MUST(!origin.renamed || (rules->host && origin.host.len > 0));
        MUST(!origin.renamed || origin.port != (origin.secure ? 443 : 80));
    }
}

/* A whole head of those fields, where it is one. */
static void read_head(uint8_t mode, const uint8_t *bytes, size_t len) {
    static const char line[] = "GET / HTTP/1.1\r\nHost: h\r\n";
    struct head_limits limits = {.line = 8192, .head = 65536, .fields = FIELDS};
    struct field room[FIELDS];
    struct head head;
    struct request_rules rules;
    size_t all = sizeof line - 1 + len + 4;
    uint8_t *text = malloc(all);
    MUST(text != NULL);
    memcpy(text, line, sizeof line - 1);
    memcpy(text + sizeof line - 1, bytes, len);
    memcpy(text + all - 4, "\r\n\r\n", 4);
    head_init(&head, room);
    ssize_t used = head_parser_best()->parse(&head, text, all, &limits);
    if (used > 0 && http_rules_request(&head, text, &rules) == 0) {
        struct origin_rules origin = {.kind = (enum origin_kind)(mode % 3), .host = mode & 4};
        MUST(trust_add(&origin.trusted, SLICE("10.0.0.0/8")) == 0);
        find(&origin, &head, text, (size_t)used, rules.authority);
        trust_release(&origin.trusted);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    if (len == 0 || len > 16384) {
        return 0;
    }
    uint8_t *value = malloc(len);
    MUST(value != NULL);
    memcpy(value, bytes, len);
    read_value(slice_of(value, len));
    free(value);
    read_head(bytes[0], bytes + 1, len - 1);
    return 0;
}
