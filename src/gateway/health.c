/* The server's health; see health.h. */
#include "gateway/health.h"

#include "base/list.h"
#include "http/status.h"

#include "base/banned.h"

/* Answers in which nothing is the application's. */
static const struct response_field fields[] = {
    {{(const uint8_t *)"Content-Type", 12}, {(const uint8_t *)"text/plain; charset=utf-8", 25}},
    {{(const uint8_t *)"Cache-Control", 13}, {(const uint8_t *)"no-store", 8}},
    {{(const uint8_t *)"Allow", 5}, {(const uint8_t *)"GET, HEAD", 9}},
};

static void answer(struct exchange *exchange, int status, struct slice text) {
    struct response_head head = {.status = status,
                                 .reason = status_reason(status),
                                 .fields = fields,
                                 .field_count = status == 405 ? 3 : 2,
                                 .content_length = (int64_t)text.len};
    exchange_answer(exchange, &head, text);
}

static void on_start(struct exchange *exchange, const struct request *request) {
    const struct health_gateway *health =
        LIST_OWNER(exchange->gateway, struct health_gateway, gateway);
    struct slice method = head_method(request->head, request->bytes);
    if (!slice_equal(method, SLICE("GET")) && !slice_equal(method, SLICE("HEAD"))) {
        answer(exchange, 405, SLICE("only GET and HEAD\n"));
    } else if (health->server->state == SERVER_SERVING &&
               !board_stopping(health->server->loop->board)) {
        answer(exchange, 200, SLICE("ok\n"));
    } else {
        answer(exchange, 503, SLICE("stopping\n"));
    }
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

void health_gateway_init(struct health_gateway *health, const struct server *server) {
    static const struct exchange_events events = {
        .start = on_start,
        .body = on_body,
        .drained = on_nothing,
        .abort = on_nothing,
    };
    *health =
        (struct health_gateway){.gateway = {.events = &events, .name = "health"}, .server = server};
}
