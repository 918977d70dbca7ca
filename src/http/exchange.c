/* What gateways share upon the operations of an exchange; see exchange.h. */
#include "http/exchange.h"

#include "base/banned.h"

void exchange_answer(struct exchange *exchange, const struct response_head *head,
                     struct slice body) {
    struct loop *loop = exchange->loop;
    struct chain chain = {0};
    if (body.len > 0) {
        struct piece *piece = piece_memory(&loop->pieces, body, NULL, NULL);
        if (!piece) {
            exchange_reset(exchange);
            return;
        }
        chain_append(&chain, piece);
    }
    if (exchange_send_head(exchange, head)) {
        chain_drop(&chain, &loop->pieces, &loop->trash);
        exchange_reset(exchange);
        return;
    }
    (void)exchange_send_body(exchange, &chain, true);
}
