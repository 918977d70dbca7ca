/* What stands above HTTP in its tests: a gateway that answers by plan, writes down what it is told
 * and watches the laws of http/exchange.h. */
#ifndef UNIT_HTTP_FAKE_GATEWAY_H
#define UNIT_HTTP_FAKE_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>

#include "http/exchange.h"

/* When it answers. */
enum fake_when {
    FAKE_AT_START,   /* inside of `start` */
    FAKE_AFTER_BODY, /* when it has been given the whole body, for which it asks */
    FAKE_NEVER,      /* the test does, by the functions below */
};

/* One exchange, as the gateway knows it: exchange->job. */
struct fake_job {
    struct exchange *exchange; /* NULL: over */
    bool want_body;
    bool want_drained;
    bool had_last;
    struct fake_record *record;
};

/* What became of an exchange, kept when it is over. */
struct fake_record {
    bool to_head;
    bool answered; /* send_body with `last` was taken */
    size_t sent;   /* bytes given to send_body */
};

enum { FAKE_JOBS = 64, FAKE_RECORDS = 2048, FAKE_JOURNAL = 256 * 1024 };

struct fake_gateway {
    struct gateway gateway;
    /* the plan */
    enum fake_when when;
    struct response_head head;
    struct slice body;
    bool reset_at_start;
    bool pulls;   /* asks for the next piece of the body while it still reads the last */
    bool watches; /* exchange_want_abort at each start */
    /* what `start` does besides; NULL: as `when` says */
    void (*at_start)(struct fake_gateway *gateway, struct exchange *exchange);
    void *user; /* the test's */
    /* what happened */
    struct exchange *open; /* the last that was started and is not over; else NULL */
    struct fake_job jobs[FAKE_JOBS];
    struct fake_record records[FAKE_RECORDS]; /* of the first of them */
    struct origin origin;                     /* of the last that was started, less its host */
    unsigned starts;
    unsigned answers; /* responses ended by send_body with `last` */
    unsigned drains;
    unsigned aborts;
    int err; /* of the last operation that failed */
    bool operating;
    /* "start GET /a\n", body bytes as they come or are taken, "|last\n", "drained\n", "abort\n" */
    char journal[FAKE_JOURNAL];
    size_t journal_len;
};

/* Answers 200 with an empty body of length 0, at start. */
void fake_gateway_init(struct fake_gateway *gateway);

/* Sends the head and the whole body by plan. */
void fake_answer(struct fake_gateway *gateway, struct exchange *exchange);

/* The operations, watched. Each gives the error. `bytes` [borrows until they are sent]. */
int fake_send_head(struct fake_gateway *gateway, struct exchange *exchange,
                   const struct response_head *head);
int fake_send_body(struct fake_gateway *gateway, struct exchange *exchange, struct slice bytes,
                   bool last);
void fake_want_body(struct fake_gateway *gateway, struct exchange *exchange);
bool fake_take_body(struct fake_gateway *gateway, struct exchange *exchange);
void fake_want_drained(struct fake_gateway *gateway, struct exchange *exchange);
int fake_send_info(struct fake_gateway *gateway, struct exchange *exchange, int status,
                   const struct response_field *fields, size_t count);
int fake_send_trailers(struct fake_gateway *gateway, struct exchange *exchange,
                       const struct response_field *fields, size_t count);
void fake_want_abort(struct fake_gateway *gateway, struct exchange *exchange);
int fake_upgrade(struct fake_gateway *gateway, struct exchange *exchange,
                 const struct response_field *fields, size_t count, struct tunnel *tunnel);
void fake_reset(struct fake_gateway *gateway, struct exchange *exchange);

/* Writes into the journal. */
void fake_note(struct fake_gateway *gateway, struct slice text);

/* The journal so far; it begins anew. [borrows until the next event] */
struct slice fake_journal(struct fake_gateway *gateway);

/* Exchanges that are not over. */
unsigned fake_open_jobs(const struct fake_gateway *gateway);

#endif
