/* See ws_deflate_params.h. */
#include "wire/ws_deflate_params.h"

#include "wire/byte_class.h"

#include "base/banned.h"

/* --- the grammar of RFC 6455 section 9.1 ---
 *
 *     extension-list  = 1#extension
 *     extension       = token *( ";" extension-param )
 *     extension-param = token [ "=" (token | quoted-string) ] */

struct param {
    struct slice name;
    bool has_value;
    struct slice value; /* what a quoted string has between the quotes */
};

static void advance(struct slice *text, size_t count) {
    *text = slice_of(text->at + count, text->len - count);
}

static void skip_space(struct slice *text) {
    while (text->len > 0 && byte_is_space(text->at[0])) {
        advance(text, 1);
    }
}

/* Takes `c`, with the white space around it. */
static bool take(struct slice *text, uint8_t c) {
    skip_space(text);
    if (text->len == 0 || text->at[0] != c) {
        return false;
    }
    advance(text, 1);
    skip_space(text);
    return true;
}

static bool take_token(struct slice *text, struct slice *token) {
    size_t len = 0;
    while (len < text->len && byte_is_token(text->at[len])) {
        len++;
    }
    *token = slice_of(text->at, len);
    advance(text, len);
    return len > 0;
}

/* What a quoted string says must be a token too (section 9.1). A quoted pair (RFC 9110 section
 * 5.6.4) stays as it is: no value that means something here needs one. */
static bool take_value(struct slice *text, struct slice *value) {
    if (text->len == 0 || text->at[0] != '"') {
        return take_token(text, value);
    }
    size_t at = 1;
    while (at < text->len && text->at[at] != '"') {
        at += text->at[at] == '\\';
        if (at == text->len || !byte_is_token(text->at[at])) {
            return false;
        }
        at++;
    }
    if (at == text->len || at == 1) {
        return false;
    }
    *value = slice_of(text->at + 1, at - 1);
    advance(text, at + 1);
    return true;
}

static bool take_param(struct slice *text, struct param *param) {
    *param = (struct param){0};
    if (!take_token(text, &param->name)) {
        return false;
    }
    param->has_value = take(text, '=');
    return !param->has_value || take_value(text, &param->value);
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
static bool set_flag(bool *flag, const struct param *param) {
    bool fine = !*flag && !param->has_value;
    *flag = true;
    return fine;
}

/* One that may come once; `without`: what it says without a value. */
static bool set_bits(uint8_t *bits, const struct param *param, uint8_t without) {
    bool first = *bits == 0;
    *bits = param->has_value ? window_bits(param->value) : without;
    return first && *bits > 0;
}

/* False where the offer is to be declined for the parameter (RFC 7692 section 7.1). */
static bool set_param(struct ws_deflate_offer *offer, const struct param *param) {
    if (slice_equal_nocase(param->name, SLICE("server_no_context_takeover"))) {
        return set_flag(&offer->server_no_takeover, param);
    }
    if (slice_equal_nocase(param->name, SLICE("client_no_context_takeover"))) {
        return set_flag(&offer->client_no_takeover, param);
    }
    if (slice_equal_nocase(param->name, SLICE("server_max_window_bits"))) {
        return set_bits(&offer->server_bits, param, 0);
    }
    if (slice_equal_nocase(param->name, SLICE("client_max_window_bits"))) {
        return set_bits(&offer->client_bits, param, 15);
    }
    return false;
}

/* As ws_deflate_offer_next, where an element begins. */
static int take_extension(struct slice *text, struct ws_deflate_offer *offer) {
    struct slice name;
    struct param param;
    if (!take_token(text, &name)) {
        return -1;
    }
    bool fine = slice_equal_nocase(name, SLICE("permessage-deflate"));
    while (take(text, ';')) {
        if (!take_param(text, &param)) {
            return -1;
        }
        fine = fine && set_param(offer, &param);
    }
    if (text->len > 0 && text->at[0] != ',') {
        return -1;
    }
    return fine ? 1 : 0;
}

int ws_deflate_offer_next(struct slice *list, struct ws_deflate_offer *offer) {
    *offer = (struct ws_deflate_offer){0};
    while (take(list, ',')) {
    }
    struct slice rest = *list;
    int read = take_extension(&rest, offer);
    *list = read < 0 ? *list : rest;
    return read;
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
        .names_server_bits = (offer->server_bits > 0) || (wishes->server_bits < 15),
        .names_client_bits = (offer->client_bits > 0),
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
    if (params->names_server_bits) {
        at = put_bits(out, at, SLICE("; server_max_window_bits="), params->server_bits);
    }
    if (params->names_client_bits) {
        at = put_bits(out, at, SLICE("; client_max_window_bits="), params->client_bits);
    }
    return at;
}
