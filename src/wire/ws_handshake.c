/* See ws_handshake.h. */
#include "wire/ws_handshake.h"

#include "base/err.h"
#include "wire/field_list.h"

#include "base/banned.h"

bool ws_protocol_next(struct slice *list, struct slice *token) {
    struct slice rest = *list;
    while (list_next(&rest, token)) {
        if (token->len > 0) {
            bool good = is_token(*token);
            *list = good ? rest : *list;
            return good;
        }
    }
    *list = rest;
    return false;
}

/* One value, or the number of fields with that name. */
struct found {
    uint32_t count;
    struct slice value;
};

/* What a look at the fields has shown. */
struct fields {
    bool websocket;  /* Upgrade names it */
    bool extensions; /* every Sec-WebSocket-Extensions is a list of them */
    struct found key;
    struct found version;
};

static void note(struct found *found, struct slice value) {
    found->count++;
    found->value = value;
}

/* False where the list is none. */
static bool note_offers(struct ws_offer *offer, struct slice list) {
    struct ws_deflate_offer one;
    int read;
    while ((read = ws_deflate_offer_next(&list, &one)) >= 0) {
        if (read > 0 && offer->count < WS_OFFERS) {
            offer->deflate[offer->count++] = one;
        }
    }
    return list.len == 0;
}

static struct fields look(const struct head *head, const uint8_t *bytes, struct ws_offer *offer) {
    struct fields fields = {.extensions = true};
    for (uint32_t i = 0; i < head->field_count; i++) {
        const struct field *field = &head->fields[i];
        struct slice value = field_value(field, bytes);
        struct slice element;
        switch (field->id) {
        case HEADER_UPGRADE:
            while (list_next(&value, &element)) {
                fields.websocket |= slice_equal_nocase(element, SLICE("websocket"));
            }
            break;
        case HEADER_SEC_WEBSOCKET_KEY:
            note(&fields.key, value);
            break;
        case HEADER_SEC_WEBSOCKET_VERSION:
            note(&fields.version, value);
            break;
        case HEADER_SEC_WEBSOCKET_EXTENSIONS:
            fields.extensions &= note_offers(offer, value);
            break;
        default:
            break;
        }
    }
    return fields;
}

/* RFC 6455 section 4.2.2. */
static void render_accept(struct slice key, char accept[BASE64_SIZE(SHA1_SIZE)]) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[24 + sizeof(guid) - 1];
    uint8_t digest[SHA1_SIZE];
    memcpy(text, key.at, 24);
    memcpy(text + 24, guid, sizeof(guid) - 1);
    sha1(slice_of(text, sizeof(text)), digest);
    base64_encode(slice_of(digest, sizeof(digest)), accept);
}

int ws_handshake_check(const struct head *head, const uint8_t *bytes,
                       const struct request_rules *rules, struct ws_offer *offer) {
    if (!rules->upgrade) {
        return 0;
    }
    *offer = (struct ws_offer){0};
    struct fields fields = look(head, bytes, offer);
    if (!fields.websocket) {
        return 0;
    }
    if (!slice_equal(head_method(head, bytes), SLICE("GET"))) {
        return ERR_WS_METHOD;
    }
    if (rules->body != BODY_NONE) {
        return ERR_WS_BODY;
    }
    if (fields.version.count != 1 || !slice_equal(fields.version.value, SLICE("13"))) {
        return ERR_WS_VERSION;
    }
    if (fields.key.count != 1 || !base64_is_16_bytes(fields.key.value)) {
        return ERR_WS_KEY;
    }
    if (!fields.extensions) { /* RFC 6455 section 9.1: the handshake has failed */
        return ERR_WS_EXTENSIONS;
    }
    render_accept(fields.key.value, offer->accept);
    return 1;
}

void ws_offer_deflate(const struct ws_offer *offer, const struct ws_deflate_wishes *wishes,
                      struct ws_deflate_params *params) {
    for (uint8_t i = 0; i < offer->count; i++) {
        if (ws_deflate_agree(&offer->deflate[i], wishes, params)) {
            return;
        }
    }
    *params = (struct ws_deflate_params){0};
}
