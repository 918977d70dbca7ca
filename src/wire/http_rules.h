/* What a request's fields mean for its framing, and which of them break a rule; which response
 * heads may be sent. The rules of RFC 9110 and RFC 9112 section 6 that every protocol shares;
 * how bytes become fields is head.h. Pure. Called by http/ in the read beat (requests) and by
 * http/ in the run beat (responses). */
#ifndef WIRE_HTTP_RULES_H
#define WIRE_HTTP_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "wire/head.h"

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED };

enum target_form { TARGET_ORIGIN, TARGET_ABSOLUTE, TARGET_ASTERISK };

struct request_rules {
    enum body_kind body;
    uint64_t content_length; /* of BODY_LENGTH; BODY_NONE for an explicit 0 too */
    bool has_content_length; /* the field was there */
    bool persistent;         /* RFC 9112 section 9.3: may the connection serve another request */
    bool expect_continue;    /* RFC 9110 section 10.1.1; never for HTTP/1.0 or without a body */
    bool upgrade;            /* Connection: upgrade and an Upgrade field; never for HTTP/1.0 */
    bool is_head;            /* the method is HEAD */
    enum target_form form;
    struct slice authority; /* of the absolute form, else the Host value; may be empty */
    struct slice path;      /* raw, never empty; "*" for the asterisk form */
    struct slice query;     /* raw, behind the first "?"; empty where none */
    uint32_t host_field;    /* index of Host in head->fields, UINT32_MAX where there is none */
};

/* Judges a complete head. 0, or the negative error of the first rule broken.
 * `rules` [borrows bytes until they move or the head is no longer used]. */
int http_rules_request(const struct head *head, const uint8_t *bytes, struct request_rules *rules);

/* 1*DIGIT, at most 19 of them and at most INT64_MAX, no sign, no space. 0 or
 * ERR_CONTENT_LENGTH. */
int http_rules_content_length(struct slice value, uint64_t *length);

/* One response field: name a token, value free of CR, LF and NUL, not one that the server alone
 * may set (Connection, Transfer-Encoding, Keep-Alive, Upgrade, TE, Trailer, Proxy-*; PEP 3333
 * "hop-by-hop"). 0, ERR_RESPONSE_NAME, ERR_RESPONSE_VALUE or ERR_RESPONSE_HOP. `id` gives the
 * name's number. */
int http_rules_response_field(struct slice name, struct slice value, enum header_id *id);

/* The reason phrase: HTAB, SP, visible ASCII and obs-text (RFC 9112 section 4). 0 or
 * ERR_RESPONSE_REASON. */
int http_rules_reason(struct slice reason);

/* True where a response to that status never has a body (RFC 9110 section 6.4.1). */
static inline bool http_rules_status_bodyless(int status) {
    return (status >= 100 && status < 200) || status == 204 || status == 304;
}

#endif
