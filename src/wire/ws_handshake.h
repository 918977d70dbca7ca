/* The opening handshake of WebSocket in a request's head (RFC 6455 section 4.2.1). Pure. */
#ifndef WIRE_WS_HANDSHAKE_H
#define WIRE_WS_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "wire/base64.h"
#include "wire/head.h"
#include "wire/http_rules.h"
#include "wire/sha1.h"
#include "wire/ws_deflate_params.h"
#include "wire/ws_frame.h"

/* Offers of permessage-deflate that are looked at; the first that will do is taken. */
enum { WS_OFFERS = 4 };

/* What a handshake offers; stands for itself, so that it may outlive the request. */
struct ws_offer {
    char accept[BASE64_SIZE(SHA1_SIZE)]; /* the value of Sec-WebSocket-Accept */
    uint8_t count;
    struct ws_deflate_offer deflate[WS_OFFERS];
};

/* Is the request a handshake? 1: a valid one, and *offer is filled; 0: it asks for no WebSocket;
 * ERR_WS_*: it does, and breaks a rule. An Upgrade that Connection does not name, or in HTTP/1.0,
 * asks for nothing (RFC 9110 section 7.8). */
int ws_handshake_check(const struct head *head, const uint8_t *bytes,
                       const struct request_rules *rules, struct ws_offer *offer);

/* Takes the next token off a list of subprotocols, past empty elements. False at its end, where
 * list->len is 0, and at an element that is no token. [borrows token of list] */
bool ws_protocol_next(struct slice *list, struct slice *token);

/* The first offer of permessage-deflate that can be served; `params->on` is false where there is
 * none. */
void ws_offer_deflate(const struct ws_offer *offer, const struct ws_deflate_wishes *wishes,
                      struct ws_deflate_params *params);

#endif
