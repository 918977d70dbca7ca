/* See ws_deflate_params.h. */
#include "wire/ws_deflate_params.h"

#include "wire/byte_class.h"

#include "base/banned.h"

/* --- the grammar of RFC 6455 section 9.1 --- */

static void skip_space(struct slice *text) {
    while (text->len > 0 && (text->at[0] == ' ' || text->at[0] == '\t')) {
        *text = slice_of(text->at + 1, text->len - 1);
    }
}

/* Takes `c`, with the white space around it. */
static bool take(struct slice *text, uint8_t c) {
    skip_space(text);
    if (text->len == 0 || text->at[0] != c) {
        return false;
    }
    *text = slice_of(text->at + 1, text->len - 1);
    skip_space(text);
    return true;
}

static bool take_token(struct slice *text, struct slice *token) {
    size_t len = 0;
    skip_space(text);
    while (len < text->len && byte_is_token(text->at[len])) {
        len++;
    }
    *token = slice_of(text->at, len);
    *text = slice_of(text->at + len, text->len - len);
    return len > 0;
}

/* A token, or one in quotes: what it holds must be a token as well. */
static bool take_value(struct slice *text, struct slice *value) {
    if (!take(text, '"')) {
        return take_token(text, value);
    }
    return take_token(text, value) && take(text, '"');
}

/* Everything up to the next comma outside of quotes. */
static void skip_element(struct slice *text) {
    bool quoted = false;
    while (text->len > 0 && (quoted || text->at[0] != ',')) {
        quoted ^= text->at[0] == '"';
        *text = slice_of(text->at + 1, text->len - 1);
    }
}

/* --- parameters --- */

/* 8 to 15 without leading zero; 0 for anything else. */
static uint8_t window_bits(struct slice value) {
    if (value.len == 1 && (value.at[0] == '8' || value.at[0] == '9')) {
        return (uint8_t)(value.at[0] - '0');
    }
    if (value.len == 2 && value.at[0] == '1' && value.at[1] >= '0' && value.at[1] <= '5') {
        return (uint8_t)(10 + value.at[1] - '0');
    }
    return 0;
}

/* A parameter that may come once and has no value. */
static bool set_flag(bool *flag, bool has_value) {
    bool fine = !*flag && !has_value;
    *flag = true;
    return fine;
}

/* One parameter of an offer. False where it breaks a rule (RFC 7692 section 7.1). */
static bool take_parameter(struct slice *list, struct ws_deflate_offer *offer) {
    struct slice name;
    struct slice value = slice_of(NULL, 0);
    if (!take_token(list, &name)) {
        return false;
    }
    bool has_value = take(list, '=');
    if (has_value && !take_value(list, &value)) {
        return false;
    }
    if (slice_equal_nocase(name, SLICE("server_no_context_takeover"))) {
        return set_flag(&offer->server_no_takeover, has_value);
    }
    if (slice_equal_nocase(name, SLICE("client_no_context_takeover"))) {
        return set_flag(&offer->client_no_takeover, has_value);
    }
    uint8_t bits = window_bits(value);
    if (slice_equal_nocase(name, SLICE("server_max_window_bits"))) {
        bool fine = offer->server_bits == 0 && bits > 0;
        offer->server_bits = bits;
        return fine;
    }
    if (slice_equal_nocase(name, SLICE("client_max_window_bits"))) {
        bool fine = offer->client_bits == 0 && (bits > 0 || !has_value);
        offer->client_bits = has_value ? bits : 15;
        return fine;
    }
    return false;
}

int ws_deflate_offer_next(struct slice *list, struct ws_deflate_offer *offer) {
    struct slice name;
    *offer = (struct ws_deflate_offer){0};
    while (take(list, ',')) {
    }
    if (!take_token(list, &name)) {
        return -1;
    }
    bool fine = slice_equal_nocase(name, SLICE("permessage-deflate"));
    while (fine && take(list, ';')) {
        fine = take_parameter(list, offer);
    }
    skip_space(list);
    fine = fine && (list->len == 0 || list->at[0] == ',');
    skip_element(list);
    return fine ? 1 : 0;
}

/* --- the agreement --- */

static uint8_t smaller(uint8_t a, uint8_t b) {
    return a < b ? a : b;
}

bool ws_deflate_agree(const struct ws_deflate_offer *offer, const struct ws_deflate_wishes *wishes,
                      struct ws_deflate_params *params) {
    if (offer->server_bits == 8) {
        return false;
    }
    *params = (struct ws_deflate_params){
        .on = true,
        .server_bits = smaller(offer->server_bits ? offer->server_bits : 15, wishes->server_bits),
        .client_bits = offer->client_bits ? smaller(offer->client_bits, wishes->client_bits) : 15,
        .server_no_takeover = offer->server_no_takeover || wishes->server_no_takeover,
        .client_no_takeover = offer->client_no_takeover || wishes->client_no_takeover,
        .names_client_bits = offer->client_bits > 0,
    };
    return true;
}

static size_t put(char *out, size_t at, struct slice text) {
    memcpy(out + at, text.at, text.len);
    return at + text.len;
}

static size_t put_bits(char *out, size_t at, struct slice name, uint8_t bits) {
    at = put(out, at, name);
    if (bits >= 10) {
        out[at++] = '1';
    }
    out[at++] = (char)('0' + bits % 10);
    return at;
}

size_t ws_deflate_render(const struct ws_deflate_params *params, char out[WS_DEFLATE_ANSWER_MAX]) {
    size_t at = put(out, 0, SLICE("permessage-deflate"));
    if (params->server_no_takeover) {
        at = put(out, at, SLICE("; server_no_context_takeover"));
    }
    if (params->client_no_takeover) {
        at = put(out, at, SLICE("; client_no_context_takeover"));
    }
    if (params->server_bits < 15) {
        at = put_bits(out, at, SLICE("; server_max_window_bits="), params->server_bits);
    }
    if (params->names_client_bits) {
        at = put_bits(out, at, SLICE("; client_max_window_bits="), params->client_bits);
    }
    return at;
}
