/* Negotiation of permessage-deflate (RFC 7692 section 7). Pure. */
#ifndef WIRE_WS_DEFLATE_PARAMS_H
#define WIRE_WS_DEFLATE_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* One offer of a client that could be understood. */
struct ws_deflate_offer {
    uint8_t server_bits; /* server_max_window_bits; 0: not there */
    uint8_t client_bits; /* client_max_window_bits, 15 where it has no value; 0: not there */
    bool server_no_takeover;
    bool client_no_takeover;
};

/* What a server would like. Bits: 9 to 15. A client that does not offer client_max_window_bits may
 * not be told (section 7.1.2.2), and its window is of 15 bits. */
struct ws_deflate_wishes {
    uint8_t server_bits;
    uint8_t client_bits;
    bool server_no_takeover;
    bool client_no_takeover;
};

/* What is agreed upon. */
struct ws_deflate_params {
    bool on;
    uint8_t server_bits; /* of the window that the server compresses with */
    uint8_t client_bits;
    bool server_no_takeover; /* each message of the server stands for itself */
    bool client_no_takeover;
    bool names_server_bits; /* the answer has server_max_window_bits: it must where it was asked */
    bool names_client_bits; /* the answer has client_max_window_bits: only where it was offered */
};

/* Bytes of the answer at most. */
enum { WS_DEFLATE_ANSWER_MAX = 160 };

/* Reads the next element of a Sec-WebSocket-Extensions list and takes it off `list`. 1: an offer
 * of permessage-deflate, in *offer; 0: another extension, or an offer that breaks a rule and is
 * declined; -1: the list has ended, where list->len is 0, or its next element is no extension. */
int ws_deflate_offer_next(struct slice *list, struct ws_deflate_offer *offer);

/* False where the server cannot serve the offer: a window of 8 bits, which zlib cannot keep
 * (deflateInit2 makes 9 of it). */
bool ws_deflate_agree(const struct ws_deflate_offer *offer, const struct ws_deflate_wishes *wishes,
                      struct ws_deflate_params *params);

/* Writes the value of the answering field, without a NUL. Returns its length. */
size_t ws_deflate_render(const struct ws_deflate_params *params, char out[WS_DEFLATE_ANSWER_MAX]);

#endif
