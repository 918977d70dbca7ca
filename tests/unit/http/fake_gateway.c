/* A gateway that answers by plan; see fake_gateway.h. */
#include "http/fake_gateway.h"

#include <string.h>

#include "base/err.h"
#include "base/list.h"
#include "must.h"

static struct fake_gateway *own(struct exchange *exchange) {
    return LIST_OWNER(exchange->gateway, struct fake_gateway, gateway);
}

void fake_note(struct fake_gateway *gateway, struct slice text) {
    MUST(text.len <= sizeof(gateway->journal) - gateway->journal_len);
    if (text.len > 0) {
        memcpy(gateway->journal + gateway->journal_len, text.at, text.len);
    }
    gateway->journal_len += text.len;
}

struct slice fake_journal(struct fake_gateway *gateway) {
    struct slice journal = slice_of(gateway->journal, gateway->journal_len);
    gateway->journal_len = 0;
    return journal;
}

unsigned fake_open_jobs(const struct fake_gateway *gateway) {
    unsigned open = 0;
    for (size_t i = 0; i < FAKE_JOBS; i++) {
        open += gateway->jobs[i].exchange != NULL;
    }
    return open;
}

/* The exchange is over for the gateway: silence from here on. */
static void end_job(struct fake_gateway *gateway, struct exchange *exchange) {
    struct fake_job *job = exchange->job;
    job->exchange = NULL;
    if (gateway->open == exchange) {
        gateway->open = NULL;
    }
}

/* The job of an event's exchange, which must be one that may still be told something. */
static struct fake_job *told(struct exchange *exchange) {
    struct fake_job *job = exchange->job;
    MUST(!own(exchange)->operating);
    MUST(job && job->exchange == exchange);
    return job;
}

static int seen(struct fake_gateway *gateway, int err) {
    if (err) {
        gateway->err = err;
    }
    return err;
}

int fake_send_head(struct fake_gateway *gateway, struct exchange *exchange,
                   const struct response_head *head) {
    gateway->operating = true;
    int err = exchange_send_head(exchange, head);
    gateway->operating = false;
    return seen(gateway, err);
}

int fake_send_body(struct fake_gateway *gateway, struct exchange *exchange, struct slice bytes,
                   bool last) {
    struct fake_record *record = ((struct fake_job *)exchange->job)->record;
    struct chain chain;
    chain_init(&chain);
    if (bytes.len > 0) {
        struct piece *piece = piece_memory(&exchange->loop->pieces, bytes, NULL, NULL);
        if (!piece) {
            fake_reset(gateway, exchange);
            return seen(gateway, ERR_NOMEM);
        }
        chain_append(&chain, piece);
    }
    gateway->operating = true;
    int err = exchange_send_body(exchange, &chain, last);
    gateway->operating = false;
    MUST(chain_empty(&chain));
    record->sent += err == ERR_ORDER || err == ERR_GONE ? 0 : bytes.len;
    if (last && err != ERR_ORDER && err != ERR_GONE) {
        record->answered = !err || err == ERR_RESPONSE_LONG;
        gateway->answers += record->answered;
        end_job(gateway, exchange);
    } else if (err == ERR_NOMEM) {
        end_job(gateway, exchange);
    }
    return seen(gateway, err);
}

void fake_want_body(struct fake_gateway *gateway, struct exchange *exchange) {
    struct fake_job *job = exchange->job;
    job->want_body = true;
    gateway->operating = true;
    exchange_want_body(exchange);
    gateway->operating = false;
}

/* Notes a piece of the body, however it came. */
static void had(struct fake_gateway *gateway, struct fake_job *job, struct slice piece, bool last) {
    MUST(!job->had_last);
    MUST(piece.len > 0 || last);
    job->had_last = last;
    fake_note(gateway, piece);
    if (last) {
        fake_note(gateway, SLICE("|last\n"));
    }
}

bool fake_take_body(struct fake_gateway *gateway, struct exchange *exchange) {
    struct slice piece;
    bool last;
    gateway->operating = true;
    bool taken = exchange_take_body(exchange, &piece, &last);
    gateway->operating = false;
    if (taken) {
        had(gateway, exchange->job, piece, last);
    }
    return taken;
}

void fake_want_drained(struct fake_gateway *gateway, struct exchange *exchange) {
    struct fake_job *job = exchange->job;
    job->want_drained = true;
    gateway->operating = true;
    exchange_want_drained(exchange);
    gateway->operating = false;
}

void fake_reset(struct fake_gateway *gateway, struct exchange *exchange) {
    end_job(gateway, exchange);
    gateway->operating = true;
    exchange_reset(exchange);
    gateway->operating = false;
}

int fake_send_info(struct fake_gateway *gateway, struct exchange *exchange, int status,
                   const struct response_field *fields, size_t count) {
    gateway->operating = true;
    int err = exchange_send_info(exchange, status, fields, count);
    gateway->operating = false;
    return seen(gateway, err);
}

/* Does the exchange live on behind this error of the last operation of a response? */
static bool lives_on(int err) {
    switch (err) {
    case 0:
    case ERR_NOMEM:
    case ERR_RESPONSE_SHORT:
        return false;
    default:
        return true;
    }
}

int fake_send_trailers(struct fake_gateway *gateway, struct exchange *exchange,
                       const struct response_field *fields, size_t count) {
    struct fake_record *record = ((struct fake_job *)exchange->job)->record;
    gateway->operating = true;
    int err = exchange_send_trailers(exchange, fields, count);
    gateway->operating = false;
    if (!lives_on(err)) {
        record->answered = !err;
        gateway->answers += record->answered;
        end_job(gateway, exchange);
    }
    return seen(gateway, err);
}

void fake_want_abort(struct fake_gateway *gateway, struct exchange *exchange) {
    gateway->operating = true;
    exchange_want_abort(exchange);
    gateway->operating = false;
}

int fake_upgrade(struct fake_gateway *gateway, struct exchange *exchange,
                 const struct response_field *fields, size_t count, struct tunnel *tunnel) {
    gateway->operating = true;
    int err = exchange_upgrade(exchange, SLICE("websocket"), fields, count, tunnel);
    gateway->operating = false;
    if (!err) {
        end_job(gateway, exchange);
    }
    return seen(gateway, err);
}

void fake_answer(struct fake_gateway *gateway, struct exchange *exchange) {
    if (fake_send_head(gateway, exchange, &gateway->head)) {
        fake_reset(gateway, exchange);
        return;
    }
    fake_send_body(gateway, exchange, gateway->body, true);
}

static void on_start(struct exchange *exchange, const struct request *request) {
    struct fake_gateway *gateway = own(exchange);
    MUST(!gateway->operating);
    MUST(exchange->job == NULL);
    struct fake_job *job = gateway->jobs;
    while (job < gateway->jobs + FAKE_JOBS && job->exchange) {
        job++;
    }
    MUST(job < gateway->jobs + FAKE_JOBS);
    struct fake_record *record = &gateway->records[gateway->starts % FAKE_RECORDS];
    *record = (struct fake_record){
        .to_head = slice_equal(head_method(request->head, request->bytes), SLICE("HEAD")),
    };
    *job = (struct fake_job){.exchange = exchange, .record = record};
    exchange->job = job;
    gateway->open = exchange;
    gateway->starts++;
    MUST(request->origin != NULL && request->local != NULL);
    gateway->origin = *request->origin;
    gateway->origin.host = SLICE(""); /* the request ends before */
    fake_note(gateway, SLICE("start "));
    fake_note(gateway, head_method(request->head, request->bytes));
    fake_note(gateway, SLICE(" "));
    fake_note(gateway, head_target(request->head, request->bytes));
    fake_note(gateway, SLICE("\n"));
    if (gateway->watches) {
        fake_want_abort(gateway, exchange);
    }
    if (gateway->reset_at_start) {
        fake_reset(gateway, exchange);
    } else if (gateway->at_start) {
        gateway->at_start(gateway, exchange);
    } else if (gateway->when == FAKE_AT_START) {
        fake_answer(gateway, exchange);
    } else if (gateway->when == FAKE_AFTER_BODY) {
        fake_want_body(gateway, exchange);
    }
}

static void on_body(struct exchange *exchange, struct slice piece, bool last) {
    struct fake_gateway *gateway = own(exchange);
    struct fake_job *job = told(exchange);
    MUST(job->want_body);
    job->want_body = false;
    had(gateway, job, piece, last);
    if (gateway->when == FAKE_AFTER_BODY) {
        if (last) {
            fake_answer(gateway, exchange);
        } else {
            fake_want_body(gateway, exchange);
        }
    } else if (gateway->pulls && !last) {
        fake_want_body(gateway, exchange);
    }
}

static void on_drained(struct exchange *exchange) {
    struct fake_job *job = told(exchange);
    MUST(job->want_drained);
    job->want_drained = false;
    own(exchange)->drains++;
    fake_note(own(exchange), SLICE("drained\n"));
}

static void on_abort(struct exchange *exchange) {
    struct fake_gateway *gateway = own(exchange);
    told(exchange);
    gateway->aborts++;
    fake_note(gateway, SLICE("abort\n"));
    /* nothing can be sent any more */
    MUST(exchange_send_head(exchange, &gateway->head) == ERR_GONE);
    struct chain none;
    chain_init(&none);
    MUST(exchange_send_body(exchange, &none, true) == ERR_GONE);
    struct slice piece;
    bool last;
    MUST(!exchange_take_body(exchange, &piece, &last));
    MUST(exchange_send_info(exchange, 103, NULL, 0) == ERR_GONE);
    MUST(exchange_send_trailers(exchange, NULL, 0) == ERR_GONE);
    MUST(exchange_upgrade(exchange, SLICE("websocket"), NULL, 0, NULL) == ERR_GONE);
    MUST(exchange_unsent(exchange) == 0);
    exchange_want_body(exchange);
    exchange_want_drained(exchange);
    exchange_want_abort(exchange);
    end_job(gateway, exchange);
}

static const struct exchange_events events = {
    .start = on_start,
    .body = on_body,
    .drained = on_drained,
    .abort = on_abort,
};

void fake_gateway_init(struct fake_gateway *gateway) {
    gateway->gateway = (struct gateway){.events = &events, .name = "fake"};
    gateway->when = FAKE_AT_START;
    gateway->head = (struct response_head){.status = 200, .reason = SLICE("OK")};
    gateway->body = SLICE("");
    gateway->reset_at_start = false;
    gateway->pulls = false;
    gateway->watches = false;
    gateway->at_start = NULL;
    gateway->user = NULL;
    gateway->open = NULL;
    memset(gateway->jobs, 0, sizeof(gateway->jobs));
    gateway->starts = 0;
    gateway->answers = 0;
    gateway->drains = 0;
    gateway->aborts = 0;
    gateway->err = 0;
    gateway->operating = false;
    gateway->journal_len = 0;
}
