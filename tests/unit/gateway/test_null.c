/* The null gateway, on an exchange that notes what it is told. */
#include "gateway/null.h"

#include <errno.h>

#include "base/err.h"
#include "faults.h"
#include "must.h"
#include "test.h"

#include "base/banned.h"

struct noted {
    struct exchange exchange;
    struct loop loop; /* only its pools are used */
    int head_err;     /* what send_head is to return */
    unsigned heads;
    unsigned resets;
    int64_t content_length;
    size_t body;
    bool last;
};

static struct noted *own(struct exchange *exchange) {
    return LIST_OWNER(exchange, struct noted, exchange);
}

static int note_head(struct exchange *exchange, const struct response_head *head) {
    struct noted *noted = own(exchange);
    noted->heads++;
    noted->content_length = head->content_length;
    CHECK_INT(head->status, 200);
    return noted->head_err;
}

static int note_body(struct exchange *exchange, struct chain *body, bool last) {
    struct noted *noted = own(exchange);
    noted->body += body->bytes;
    noted->last = last;
    chain_drop(body, &noted->loop.pieces, &noted->loop.trash);
    return 0;
}

static void note_want(struct exchange *exchange) {
    (void)exchange;
    CHECK(false);
}

static void note_reset(struct exchange *exchange) {
    own(exchange)->resets++;
}

static const struct exchange_ops ops = {
    .send_head = note_head,
    .send_body = note_body,
    .want_body = note_want,
    .want_drained = note_want,
    .reset = note_reset,
};

static void ask(struct noted *noted, struct null_gateway *null, int head_err) {
    static const struct request request;
    *noted = (struct noted){.head_err = head_err};
    piece_pool_init(&noted->loop.pieces, 0);
    noted->exchange =
        (struct exchange){.gateway = &null->gateway, .loop = &noted->loop, .ops = &ops};
    null->gateway.events->start(&noted->exchange, &request);
    CHECK_INT(piece_pool_live(&noted->loop.pieces), 0);
    piece_pool_release(&noted->loop.pieces);
}

TEST(it_answers_with_so_many_bytes) {
    static const size_t sizes[] = {0, 1, 500, 100000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct null_gateway null;
        struct noted noted;
        MUST(null_gateway_init(&null, sizes[i]) == 0);
        ask(&noted, &null, 0);
        CHECK_INT(noted.heads, 1);
        CHECK_INT(noted.content_length, sizes[i]);
        CHECK_INT(noted.body, sizes[i]);
        CHECK(noted.last);
        CHECK_INT(noted.resets, 0);
        null_gateway_release(&null);
    }
}

TEST(a_head_that_fails_ends_the_exchange) {
    struct null_gateway null;
    struct noted noted;
    MUST(null_gateway_init(&null, 10) == 0);
    ask(&noted, &null, ERR_NOMEM);
    CHECK_INT(noted.resets, 1);
    CHECK(!noted.last);
    null_gateway_release(&null);
}

TEST(memory_that_is_short) {
    struct null_gateway null;
    struct noted noted;
    faults_clear();
    faults[FAULT_ALLOC] = (struct fault){.from = 1, .to = 1, .error = ENOMEM};
    CHECK_INT(null_gateway_init(&null, 10), ERR_NOMEM);
    null_gateway_release(&null);
    faults_clear();
    MUST(null_gateway_init(&null, 10) == 0);
    faults[FAULT_ALLOC] = (struct fault){.from = 1, .to = 1, .error = ENOMEM};
    ask(&noted, &null, 0);
    faults_clear();
    CHECK_INT(noted.resets, 1);
    CHECK_INT(noted.heads, 0);
    null_gateway_release(&null);
}
