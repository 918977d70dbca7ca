/* The life of a WebSocket: accepted, kept alive, closed. See websocket.h for its laws and
 * websocket_impl.h for the other files. */
#include "http/websocket.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "http/websocket_impl.h"

#include "base/banned.h"

/* WebSockets kept for reuse. */
enum { KEEP = 256 };

/* Fields of an accepting head beyond the user's: Sec-WebSocket-Accept and -Extensions. */
enum { OWN_FIELDS = 2, NEAR_FIELDS = 16 };

static struct websocket *own(struct tunnel *tunnel) {
    return LIST_OWNER(tunnel, struct websocket, tunnel);
}

static void wake(struct websocket *self) {
    if (self->events && (self->want_message || self->want_drained)) {
        loop_queue(self->tunnel.loop, &self->runnable);
    }
}

/* --- the end --- */

static void bury(struct grave *grave) {
    struct websocket *self = LIST_OWNER(grave, struct websocket, grave);
    slab_give(&self->pool->slab, self);
}

/* Both who knows it are gone: the memory goes at the end of the turn. */
static void end(struct websocket *self) {
    runnable_cancel(&self->runnable);
    loop_timer_stop(self->tunnel.loop, &self->timer);
    websocket_drop_in(self);
    free(self->reason);
    self->reason = NULL;
    ws_deflate_free(self->deflate);
    self->deflate = NULL;
    loop_bury(self->tunnel.loop, &self->grave, bury);
}

static void set_timer(struct websocket *self, uint32_t ms) {
    if (ms > 0) {
        loop_timer_set(self->tunnel.loop, &self->timer, loop_now(self->tunnel.loop) + ms);
    }
}

/* The connection is let go once both sides are closed. */
static void finish_if_over(struct websocket *self) {
    if (self->in == WS_SIDE_CLOSED && self->out == WS_SIDE_CLOSED && !self->gone) {
        loop_timer_stop(self->tunnel.loop, &self->timer);
        tunnel_finish(&self->tunnel);
    }
}

void websocket_shut_in(struct websocket *self, uint16_t code, struct slice reason) {
    if (self->in == WS_SIDE_CLOSED) {
        return;
    }
    self->in = WS_SIDE_CLOSED;
    self->code = code;
    if (reason.len > 0) {
        self->reason = malloc(sizeof(*self->reason) + reason.len);
    }
    if (self->reason) { /* else it is left out */
        self->reason->len = reason.len;
        memcpy(self->reason->bytes, reason.at, reason.len);
    }
    if (self->input) {
        free(self->input->building);
        self->input->building = NULL;
    }
    wake(self);
}

/* Sends Close, once. */
static void shut_out(struct websocket *self, uint16_t code, struct slice reason) {
    uint8_t payload[WS_CONTROL_MAX];
    size_t len = 0;
    if (self->out == WS_SIDE_CLOSED) {
        return;
    }
    assert(reason.len <= WS_REASON_MAX);
    if (self->in == WS_SIDE_OPEN) {
        self->code = code;
    }
    if (code != WS_CODE_NONE) {
        payload[0] = (uint8_t)(code >> 8);
        payload[1] = (uint8_t)code;
        if (reason.len > 0) {
            memcpy(payload + 2, reason.at, reason.len);
        }
        len = 2 + reason.len;
    }
    int err = websocket_send_control(self, WS_CLOSE, slice_of(payload, len));
    self->out = WS_SIDE_CLOSED;
    wake(self);
    if (err) {
        tunnel_close(&self->tunnel, CLOSE_NOMEM);
    }
}

/* Answers the peer's Close. */
static void answer_close(struct websocket *self) {
    shut_out(self, self->code, SLICE(""));
    finish_if_over(self);
}

/* RFC 6455 section 5.5.1 lets an answer wait for what is being sent: while the user has messages
 * to answer that came before the Close, it does, for a while. */
void websocket_on_close(struct websocket *self, uint16_t code, struct slice reason) {
    bool busy = self->events && (websocket_waits(self) || !self->want_message);
    websocket_shut_in(self, code, reason);
    if (busy && self->out == WS_SIDE_OPEN) {
        set_timer(self, WEBSOCKET_ANSWER_MS);
    } else {
        answer_close(self);
    }
}

/* The peer's side ends without a Close frame: for `code`, where we have not closed ours first. */
static void end_unanswered(struct websocket *self, uint16_t code, struct slice reason) {
    websocket_shut_in(self, self->out == WS_SIDE_CLOSED ? self->code : code, reason);
}

/* The peer has gone: nothing more can be sent either. */
static void vanish(struct websocket *self, struct slice reason) {
    end_unanswered(self, WS_CODE_VANISHED, reason);
    self->out = WS_SIDE_CLOSED;
    wake(self);
}

/* The operator's line of a broken rule. */
static void log_failure(struct websocket *self, int err) {
    char ip[PEER_TEXT];
    const struct peer *peer = self->tunnel.peer;
    (void)peer_ip_text(peer, ip);
    log_write(self->tunnel.log, LOG_LEVEL_WARNING, "closed a WebSocket of %s:%u with %u: %s",
              peer->family == PEER_UNIX ? "unix" : ip, peer->port, ws_error_close_code(err),
              err_text(err));
}

void websocket_fail(struct websocket *self, int err) {
    const char *text = err_text(err);
    if (!self->gone) {
        log_failure(self, err);
    }
    struct slice reason = slice_of(text, strlen(text));
    reason.len = reason.len < WS_REASON_MAX ? reason.len : WS_REASON_MAX;
    end_unanswered(self, ws_error_close_code(err), reason);
    shut_out(self, ws_error_close_code(err), reason);
    finish_if_over(self);
}

void websocket_close(struct websocket *self, uint16_t code, struct slice reason) {
    if (self->out == WS_SIDE_CLOSED) {
        return;
    }
    shut_out(self, code, reason);
    if (!self->gone) {
        loop_timer_set(self->tunnel.loop, &self->timer,
                       loop_now(self->tunnel.loop) + WEBSOCKET_CLOSE_MS);
    }
    finish_if_over(self);
}

/* --- keep-alive --- */

static void ping(struct websocket *self) {
    const struct websocket_config *config = self->pool->config;
    bool sent = websocket_send_control(self, WS_PING, SLICE("freastal")) == 0;
    self->ponging = sent && config->ping_timeout > 0;
    self->heard = false;
    set_timer(self, self->ponging ? config->ping_timeout : config->ping_interval);
}

void websocket_on_pong(struct websocket *self) {
    if (self->ponging) {
        self->ponging = false;
        set_timer(self, self->pool->config->ping_interval);
    }
}

/* A peer without a pong has not vanished where something else came (the pong of a peer that sends
 * a long frame comes behind it), where it is not read, or where the ping may not have left yet:
 * output that makes no progress is the carrier's to time. */
static bool may_answer_yet(struct websocket *self) {
    bool heard = self->heard;
    self->heard = false;
    return heard || !websocket_reads(self) || tunnel_unsent(&self->tunnel) > 0;
}

static void on_timer(struct loop_timer *timer) {
    struct websocket *self = LIST_OWNER(timer, struct websocket, timer);
    if (self->out == WS_SIDE_CLOSED) {
        tunnel_close(&self->tunnel, CLOSE_WEBSOCKET); /* the peer has not answered our Close */
    } else if (self->in == WS_SIDE_CLOSED) {
        answer_close(self);
    } else if (!self->ponging) {
        ping(self);
    } else if (may_answer_yet(self)) {
        set_timer(self, self->pool->config->ping_timeout);
    } else {
        vanish(self, SLICE("no pong within --ws-ping-timeout"));
        tunnel_close(&self->tunnel, CLOSE_PING_TIMEOUT);
    }
}

/* --- events of the tunnel --- */

static void on_read(struct tunnel *tunnel, struct buf *buf) {
    websocket_feed(own(tunnel), buf);
}

static void on_eof(struct tunnel *tunnel) {
    struct websocket *self = own(tunnel);
    vanish(self, SLICE(""));
    finish_if_over(self);
}

static void on_drained(struct tunnel *tunnel) {
    struct websocket *self = own(tunnel);
    self->pongs = 0;
    if (self->want_drained) {
        self->drained = true;
        wake(self);
    }
    websocket_advance(self);
}

static void on_stopping(struct tunnel *tunnel) {
    websocket_close(own(tunnel), WS_CODE_RESTART, SLICE("the server is stopping"));
}

static void on_closed(struct tunnel *tunnel, enum close_why why) {
    struct websocket *self = own(tunnel);
    (void)why;
    self->gone = true;
    vanish(self, SLICE(""));
    websocket_drop_unread(self);
    loop_timer_stop(self->tunnel.loop, &self->timer);
    if (!self->events) {
        end(self);
    }
}

static const struct tunnel_events tunnel_events = {
    .read = on_read,
    .eof = on_eof,
    .drained = on_drained,
    .stopping = on_stopping,
    .closed = on_closed,
};

/* --- the user's side --- */

/* Tells the user that there will be no more messages. */
static void tell_closed(struct websocket *self) {
    struct slice reason =
        self->reason ? slice_of(self->reason->bytes, self->reason->len) : SLICE("");
    self->want_message = false;
    if (self->out == WS_SIDE_OPEN) {
        answer_close(self);
    }
    self->events->closed(self->user, self->code, reason);
}

/* Run beat. */
static void run(struct runnable *runnable) {
    struct websocket *self = LIST_OWNER(runnable, struct websocket, runnable);
    if (self->events && self->want_message && websocket_waits(self)) {
        struct ws_message *message = websocket_take(self);
        self->want_message = false;
        self->events->message(self->user, message->kind, slice_of(message->bytes, message->len));
        free(message);
        websocket_advance(self);
    } else if (self->events && self->want_message && self->in == WS_SIDE_CLOSED) {
        tell_closed(self);
    }
    bool shut = self->in == WS_SIDE_CLOSED || self->out == WS_SIDE_CLOSED;
    if (self->events && self->want_drained && (self->drained || shut)) {
        self->want_drained = false;
        self->drained = false;
        self->events->drained(self->user);
    }
}

void websocket_want_message(struct websocket *self) {
    self->want_message = true;
    if (websocket_waits(self) || self->in == WS_SIDE_CLOSED) {
        loop_queue(self->tunnel.loop, &self->runnable);
    }
}

void websocket_want_drained(struct websocket *self) {
    self->want_drained = true;
    if (self->in == WS_SIDE_CLOSED || self->out == WS_SIDE_CLOSED) {
        loop_queue(self->tunnel.loop, &self->runnable);
    } else {
        tunnel_want_drained(&self->tunnel);
    }
}

void websocket_release(struct websocket *self) {
    websocket_close(self, WS_CODE_NORMAL, SLICE(""));
    self->events = NULL;
    if (self->gone) {
        end(self);
        return;
    }
    struct ws_message *message;
    while ((message = websocket_take(self)) != NULL) {
        free(message);
    }
    websocket_advance(self); /* towards the peer's Close */
}

/* --- accepting --- */

static int upgrade(struct websocket *self, struct exchange *exchange, const struct ws_offer *offer,
                   const struct ws_deflate_params *params, const struct response_field *fields,
                   size_t count) {
    struct response_field near[NEAR_FIELDS];
    char answer[WS_DEFLATE_ANSWER_MAX];
    struct response_field *all = near;
    size_t own_count = 0;
    if (count > NEAR_FIELDS - OWN_FIELDS) {
        all = calloc(count + OWN_FIELDS, sizeof(*all));
        if (!all) {
            return ERR_NOMEM;
        }
    }
    all[own_count++] = (struct response_field){SLICE("Sec-WebSocket-Accept"),
                                               slice_of(offer->accept, sizeof(offer->accept))};
    if (params->on) {
        all[own_count++] = (struct response_field){
            SLICE("Sec-WebSocket-Extensions"), slice_of(answer, ws_deflate_render(params, answer))};
    }
    if (count > 0) {
        memcpy(all + own_count, fields, count * sizeof(*fields));
    }
    int err = exchange_upgrade(exchange, SLICE("websocket"), all, own_count + count, &self->tunnel);
    if (all != near) {
        free(all);
    }
    return err;
}

int websocket_accept(struct websocket_pool *pool, struct exchange *exchange,
                     const struct ws_offer *offer, const struct response_field *fields,
                     size_t count, const struct websocket_events *events, void *user,
                     struct websocket **websocket) {
    struct ws_deflate_params params = {0};
    struct websocket *self = slab_take(&pool->slab);
    if (!self) {
        return ERR_NOMEM;
    }
    *self = (struct websocket){
        .tunnel = {.events = &tunnel_events}, .pool = pool, .events = events, .user = user};
    runnable_init(&self->runnable, run);
    loop_timer_init(&self->timer, on_timer);
    if (pool->config->deflate) {
        ws_offer_deflate(offer, &ws_deflate_wishes, &params);
    }
    if (params.on) {
        self->deflate = ws_deflate_new(&params);
        params.on = self->deflate != NULL; /* else it goes without */
    }
    int err = upgrade(self, exchange, offer, &params, fields, count);
    if (err) {
        ws_deflate_free(self->deflate);
        slab_give(&pool->slab, self);
        return err;
    }
    set_timer(self, pool->config->ping_interval);
    tunnel_read_start(&self->tunnel);
    *websocket = self;
    return 0;
}

/* --- the pool --- */

struct websocket_pool *websocket_pool_new(const struct websocket_config *config) {
    struct websocket_pool *pool = malloc(sizeof(*pool));
    if (pool) {
        pool->config = config;
        slab_init(&pool->slab, sizeof(struct websocket), KEEP);
        slab_init(&pool->inputs, sizeof(struct ws_input), KEEP);
    }
    return pool;
}

void websocket_pool_free(struct websocket_pool *pool) {
    slab_release(&pool->slab);
    slab_release(&pool->inputs);
    free(pool);
}

uint32_t websocket_pool_live(const struct websocket_pool *pool) {
    return pool->slab.live;
}
