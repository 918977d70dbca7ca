/* The health gateway, on an exchange that notes what it is told. */
#include "gateway/health.h"

#include "faults.h"
#include "must.h"
#include "test.h"

#include "base/banned.h"

struct noted {
    struct exchange exchange;
    struct loop loop; /* only its pools are used */
    int status;
    size_t fields;
    int64_t content_length;
    char body[64];
    size_t body_len;
    bool last;
    unsigned resets;
};

static struct noted *own(struct exchange *exchange) {
    return LIST_OWNER(exchange, struct noted, exchange);
}

static int note_head(struct exchange *exchange, const struct response_head *head) {
    struct noted *noted = own(exchange);
    noted->status = head->status;
    noted->fields = head->field_count;
    noted->content_length = head->content_length;
    return 0;
}

static int note_body(struct exchange *exchange, struct chain *body, bool last) {
    struct noted *noted = own(exchange);
    MUST(body->bytes < sizeof(noted->body));
    if (body->first) {
        noted->body_len = body->first->len;
        memcpy(noted->body, body->first->at, body->first->len);
    }
    noted->last = last;
    chain_drop(body, &noted->loop.pieces, &noted->loop.trash);
    return 0;
}

static void note_reset(struct exchange *exchange) {
    own(exchange)->resets++;
}

static const struct exchange_ops ops = {
    .send_head = note_head, .send_body = note_body, .reset = note_reset};

static void nothing(void *arg) {
    (void)arg;
}

/* Asks with that method while the server is in that state. `soon`: it is about to stop. */
static void ask(struct noted *noted, const char *method, enum server_state state, bool soon) {
    static struct server server;
    struct health_gateway health;
    struct head head = {.method_len = (uint32_t)strlen(method)};
    struct request request = {.head = &head, .bytes = (const uint8_t *)method};
    server.state = state;
    server.loop = &noted->loop;
    health_gateway_init(&health, &server);
    *noted = (struct noted){.exchange = {.gateway = &health.gateway, .ops = &ops}};
    MUST(loop_init(&noted->loop, (struct loop_hooks){nothing, nothing, NULL}) == 0);
    noted->exchange.loop = &noted->loop;
    atomic_store(&noted->loop.board->stopping, soon);
    health.gateway.events->start(&noted->exchange, &request);
    loop_sweep(&noted->loop);
    loop_release(&noted->loop);
}

static void check_soon(const char *method, enum server_state state, bool soon, int status,
                       const char *body) {
    static struct noted noted;
    ask(&noted, method, state, soon);
    CHECK_INT(noted.status, status);
    CHECK_SLICE(slice_of(noted.body, noted.body_len), slice_of(body, strlen(body)));
    CHECK_INT(noted.content_length, strlen(body));
    CHECK(noted.last);
    CHECK_INT(noted.fields, status == 405 ? 3 : 2);
    CHECK_INT(noted.resets, 0);
}

static void check(const char *method, enum server_state state, int status, const char *body) {
    check_soon(method, state, false, status, body);
}

TEST(while_serving) {
    check("GET", SERVER_SERVING, 200, "ok\n");
    check("HEAD", SERVER_SERVING, 200, "ok\n"); /* of which the protocol sends no body */
}

TEST(while_stopping) {
    check("GET", SERVER_STOPPING, 503, "stopping\n");
    check("HEAD", SERVER_STOPPING, 503, "stopping\n");
}

TEST(about_to_stop) {
    check_soon("GET", SERVER_SERVING, true, 503, "stopping\n");
    check_soon("POST", SERVER_SERVING, true, 405, "only GET and HEAD\n");
}

TEST(other_methods) {
    check("POST", SERVER_SERVING, 405, "only GET and HEAD\n");
    check("OPTIONS", SERVER_STOPPING, 405, "only GET and HEAD\n");
    check("get", SERVER_SERVING, 405, "only GET and HEAD\n");
}
