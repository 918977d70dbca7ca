/* The fixed answer; see null.h. */
#include "gateway/null.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/list.h"

#include "base/banned.h"

static void on_start(struct exchange *exchange, const struct request *request) {
    static const struct response_field fields[] = {
        {{(const uint8_t *)"Content-Type", 12}, {(const uint8_t *)"text/plain", 10}},
    };
    (void)request;
    const struct null_gateway *null = LIST_OWNER(exchange->gateway, struct null_gateway, gateway);
    struct response_head head = {.status = 200,
                                 .reason = SLICE("OK"),
                                 .fields = fields,
                                 .field_count = 1,
                                 .content_length = (int64_t)null->size};
    exchange_answer(exchange, &head, slice_of(null->body, null->size));
}

/* Never asked for: the answer ended the exchange. */
static void on_body(struct exchange *exchange, struct slice piece, bool last) {
    (void)exchange;
    (void)piece;
    (void)last;
}

static void on_nothing(struct exchange *exchange) {
    (void)exchange;
}

static const struct exchange_events null_events = {
    .start = on_start,
    .body = on_body,
    .drained = on_nothing,
    .abort = on_nothing,
};

int null_gateway_init(struct null_gateway *null, size_t size) {
    null->gateway = (struct gateway){.events = &null_events, .name = "null"};
    null->size = size;
    null->body = malloc(size > 0 ? size : 1);
    if (!null->body) {
        return ERR_NOMEM;
    }
    memset(null->body, 'x', size);
    return 0;
}

void null_gateway_release(struct null_gateway *null) {
    free(null->body);
    null->body = NULL;
}
