/* The loop's side of jobs: the exchange's events in, heads and pieces out; see wsgi.h.
 *
 * What a job waits for, on this side:
 *
 *   GATHERING   the request's body; next: CALLED
 *   CALLED      the application's side; next: SENDING, AGAIN or CLOSING
 *   AGAIN       a later turn, because it had nothing to send; next: CALLED (one thread only)
 *   SENDING     `drained`; next: CALLED
 *   CLOSING     the write beat to pass, so that the peer has the response before close() runs
 *
 * `abort` may come in any of them but CLOSING, which has no exchange any more. */
#include "gateway/wsgi.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "gateway/py_log.h"
#include "gateway/py_piece.h"
#include "gateway/wsgi_errors.h"
#include "gateway/wsgi_input.h"
#include "gateway/wsgi_job.h"

#include "base/banned.h"

enum { JOBS_KEPT = 256 };

static void run_here(struct wsgi_job *job);

static bool has_pool(const struct wsgi *wsgi) {
    return wsgi->threads > 1;
}

static struct wsgi *own(struct exchange *exchange) {
    return LIST_OWNER(exchange->gateway, struct wsgi, gateway);
}

/* --- answers --- */

/* Answers with 500 in place of the application; the reason is in the log. */
static void answer_500(struct exchange *exchange) {
    static const struct response_field fields[] = {
        {{(const uint8_t *)"Content-Type", 12}, {(const uint8_t *)"text/plain", 10}},
    };
    const struct slice text = SLICE("Internal Server Error\n");
    struct response_head head = {.status = 500,
                                 .reason = SLICE("Internal Server Error"),
                                 .fields = fields,
                                 .field_count = 1,
                                 .content_length = (int64_t)text.len};
    exchange_answer(exchange, &head, text);
}

/* The output's pieces and range. 0 or ERR_NOMEM; `chain` is the caller's in either case. */
static int fill(struct chain *chain, struct loop *loop, struct wsgi_output *output) {
    PyObject *pieces = output->pieces;
    int err = 0;
    if (pieces && PyBytes_Check(pieces)) {
        err = py_piece_bytes(chain, &loop->pieces, pieces);
    } else if (pieces) {
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(pieces) && !err; i++) {
            err = py_piece_bytes(chain, &loop->pieces, PySequence_Fast_GET_ITEM(pieces, i));
        }
    }
    if (!err && output->range.fd >= 0) {
        err = py_piece_file(chain, &loop->pieces, output->range.fd, output->range.offset,
                            (size_t)output->range.len);
        output->range.fd = err ? output->range.fd : -1;
    }
    return err;
}

/* The protocol has refused what the application answered; a header is blamed by its name. */
static void log_refused(const struct wsgi_job *job, int err) {
    char name[128];
    PyObject *path = wsgi_job_path(job);
    wsgi_head_blame(&job->head, name, sizeof(name));
    py_log(job->wsgi->logger, "error", "the response to %U %U: %s%s%s", job->method, path,
           err_text(err), name[0] ? ": " : "", name);
    Py_DECREF(path);
}

/* The exchange has ended: the job has none any more. */
static void end_exchange(struct wsgi_job *job) {
    job->exchange->job = NULL;
    job->exchange = NULL;
}

/* Sends the head if it was not sent. False where that ended the exchange. */
static bool send_head(struct wsgi_job *job) {
    if (job->head_sent) {
        return true;
    }
    struct response_head head = {.status = job->head.status,
                                 .reason = job->head.reason,
                                 .fields = job->head.fields,
                                 .field_count = job->head.count,
                                 .content_length = job->output.length};
    int err = exchange_send_head(job->exchange, &head);
    if (err == ERR_GONE) {
        exchange_reset(job->exchange);
    } else if (err) {
        log_refused(job, err);
        answer_500(job->exchange);
    } else {
        job->head_sent = true;
        return true;
    }
    end_exchange(job);
    return false;
}

/* Sends the output's pieces. */
static void send_pieces(struct wsgi_job *job, bool last) {
    struct loop *loop = job->wsgi->loop;
    struct chain body = {0};
    if (fill(&body, loop, &job->output)) {
        log_refused(job, ERR_NOMEM);
        chain_drop(&body, &loop->pieces, &loop->trash);
        exchange_reset(job->exchange);
        end_exchange(job);
        return;
    }
    int err = exchange_send_body(job->exchange, &body, last);
    /* What a file has beyond the Content-Length is no mistake. */
    if (err < 0 && err != ERR_GONE && !(err == ERR_RESPONSE_LONG && job->wrapped)) {
        log_refused(job, err);
    }
    if ((err == ERR_RESPONSE_LONG || err == EXCHANGE_ENOUGH) && !last) {
        (void)exchange_send_body(job->exchange, &body, true);
    } else if (err == ERR_GONE && !last) {
        exchange_reset(job->exchange);
    }
    if (last || (err && err != EXCHANGE_WHOLE)) {
        end_exchange(job);
    }
}

/* Carries the output to the exchange; `job->exchange` is NULL afterwards where that has ended. */
static void deliver(struct wsgi_job *job) {
    struct wsgi_output *output = &job->output;
    bool failed = output->kind == OUTPUT_FAILED;
    if (job->exchange && failed && !job->head_given) {
        answer_500(job->exchange);
        end_exchange(job);
    } else if (job->exchange && (!failed || output->pieces) && send_head(job)) {
        send_pieces(job, output->last && !failed);
    }
    if (job->exchange && failed) {
        exchange_reset(job->exchange);
        end_exchange(job);
    }
    wsgi_output_clear(output);
}

/* --- one thread --- */

static void close_here(struct wsgi_job *job) {
    wsgi_job_close(job);
    wsgi_job_free(job);
}

/* Write beat. */
static void on_flushed(struct flushable *flushable) {
    struct wsgi_job *job = LIST_OWNER(flushable, struct wsgi_job, flushable);
    loop_queue(job->wsgi->loop, &job->runnable);
}

/* Run beat: AGAIN or CLOSING is over. */
static void on_turn(struct runnable *runnable) {
    struct wsgi_job *job = LIST_OWNER(runnable, struct wsgi_job, runnable);
    if (job->exchange) {
        run_here(job);
    } else {
        close_here(job);
    }
}

static void run_here(struct wsgi_job *job) {
    struct loop *loop = job->wsgi->loop;
    wsgi_job_step(job);
    if (job->output.kind == OUTPUT_NOTHING) {
        loop_queue(loop, &job->runnable);
        return;
    }
    deliver(job);
    if (job->exchange) {
        exchange_want_drained(job->exchange);
    } else if (wsgi_job_must_close(job)) {
        flushable_init(&job->flushable, on_flushed);
        loop_flush_later(loop, &job->flushable);
    } else {
        close_here(job);
    }
}

/* --- the pool --- */

/* The exchange is over before the application is. */
static void give_up(struct wsgi_job *job) {
    if (wsgi_pool_give_up(&job->wsgi->pool, job)) {
        close_here(job);
    }
}

/* Run beat: a thread has something for the loop. */
static void on_mail(struct runnable *runnable) {
    struct wsgi_job *job = LIST_OWNER(runnable, struct wsgi_job, runnable);
    struct wsgi_mail mail = wsgi_pool_receive(&job->wsgi->pool, job);
    if (mail.handed) {
        bool last = job->output.last;
        deliver(job);
        if (job->exchange) {
            exchange_want_drained(job->exchange);
        } else if (!last) {
            give_up(job);
        }
    }
    if (mail.closed) {
        wsgi_job_free(job);
    }
}

/* --- events --- */

/* Something failed before the application was called; an exception is set. */
static void refuse(struct wsgi *wsgi, struct exchange *exchange, const char *what) {
    py_log_exception(wsgi->logger, "%s", what);
    answer_500(exchange);
}

static void call(struct wsgi_job *job) {
    runnable_init(&job->runnable, has_pool(job->wsgi) ? on_mail : on_turn);
    if (has_pool(job->wsgi)) {
        wsgi_pool_submit(&job->wsgi->pool, job);
    } else {
        run_here(job);
    }
}

static void on_start(struct exchange *exchange, const struct request *request) {
    struct wsgi *wsgi = own(exchange);
    struct wsgi_request made;
    if (wsgi_environ_make(&wsgi->environ, request, &made)) {
        refuse(wsgi, exchange, "cannot make an environ");
        return;
    }
    struct wsgi_job *job = wsgi_job_new(wsgi, &made);
    if (!job) {
        refuse(wsgi, exchange, "cannot call the application");
        return;
    }
    job->exchange = exchange;
    exchange->job = job;
    if (request->rules->body == BODY_NONE) {
        call(job);
        return;
    }
    job->expected = request->rules->content_length;
    job->chunked = request->rules->body == BODY_CHUNKED;
    exchange_want_body(exchange);
}

/* The gathered body becomes wsgi.input. 0, or -1 with an exception. */
static int put_input(struct wsgi_job *job) {
    struct wsgi *wsgi = job->wsgi;
    uint64_t len = job->body.len;
    if (job->chunked) {
        /* RFC 3875 section 4.1.2: the length once transfer codings are removed. Frameworks that
         * know no wsgi.input_terminated (Django) would see no body without it. */
        PyObject *number = PyUnicode_FromFormat("%llu", (unsigned long long)len);
        int failed =
            number ? PyDict_SetItem(job->environ, wsgi->environ.keys.content_length, number) : -1;
        Py_XDECREF(number);
        if (failed) {
            return -1;
        }
    }
    PyObject *input = wsgi_input_new(wsgi->types.input, &job->body);
    int failed = input ? PyDict_SetItem(job->environ, wsgi->environ.keys.wsgi_input, input) : -1;
    Py_XDECREF(input);
    return failed;
}

static void on_body(struct exchange *exchange, struct slice piece, bool last) {
    struct wsgi_job *job = exchange->job;
    struct wsgi *wsgi = job->wsgi;
    int err =
        wsgi_body_append(&job->body, piece, job->expected, PyBytes_AS_STRING(wsgi->directory));
    if (!err && !last) {
        exchange_want_body(exchange);
        return;
    }
    if (err == ERR_NOMEM) {
        PyErr_NoMemory();
    } else if (err) {
        PyErr_SetFromErrno(PyExc_OSError);
    }
    if (err || put_input(job)) {
        refuse(wsgi, exchange, "cannot keep the body of a request");
        end_exchange(job);
        close_here(job);
        return;
    }
    call(job);
}

static void on_drained(struct exchange *exchange) {
    struct wsgi_job *job = exchange->job;
    if (has_pool(job->wsgi)) {
        wsgi_pool_go_on(&job->wsgi->pool, job);
    } else {
        run_here(job);
    }
}

static void on_abort(struct exchange *exchange) {
    struct wsgi_job *job = exchange->job;
    bool called = job->runnable.run != NULL;
    end_exchange(job);
    if (!called || !has_pool(job->wsgi)) {
        if (called) {
            runnable_cancel(&job->runnable);
        }
        close_here(job);
    } else {
        give_up(job);
    }
}

static const struct exchange_events wsgi_events = {
    .start = on_start,
    .body = on_body,
    .drained = on_drained,
    .abort = on_abort,
};

/* --- life --- */

/* Where temporary files go, as bytes. [new] */
static PyObject *find_directory(void) {
    PyObject *tempfile = PyImport_ImportModule("tempfile");
    PyObject *name = tempfile ? PyObject_CallMethod(tempfile, "gettempdir", NULL) : NULL;
    PyObject *bytes = NULL;
    if (name && PyUnicode_FSConverter(name, &bytes) == 0) {
        bytes = NULL;
    }
    Py_XDECREF(name);
    Py_XDECREF(tempfile);
    return bytes;
}

static int init_environ(struct wsgi *wsgi, const struct wsgi_config *config) {
    struct wsgi_body empty;
    wsgi_body_init(&empty);
    PyObject *input = wsgi_input_new(wsgi->types.input, &empty);
    if (!input) {
        return -1;
    }
    struct wsgi_constants constants = {.software = config->software,
                                       .multithread = config->threads > 1,
                                       .multiprocess = config->multiprocess,
                                       .empty_input = input,
                                       .errors = wsgi->errors,
                                       .file_wrapper = (PyObject *)wsgi->types.file};
    int failed = wsgi_environ_init(&wsgi->environ, &constants, config->listeners);
    Py_DECREF(input);
    return failed;
}

int wsgi_init(struct wsgi *wsgi, struct loop *loop, const struct wsgi_types *types,
              const struct wsgi_config *config) {
    wsgi->gateway = (struct gateway){.events = &wsgi_events, .name = "wsgi"};
    wsgi->ready = true;
    wsgi->loop = loop;
    wsgi->threads = config->threads;
    wsgi->app = Py_NewRef(config->app);
    wsgi->logger = Py_NewRef(config->logger);
    slab_init(&wsgi->jobs, sizeof(struct wsgi_job), JOBS_KEPT);
    wsgi_pool_init(&wsgi->pool);
    wsgi_types_share(&wsgi->types, types);
    wsgi->errors = wsgi_errors_new(wsgi->types.errors, wsgi->logger);
    wsgi->directory = wsgi->errors ? find_directory() : NULL;
    return wsgi->directory ? init_environ(wsgi, config) : -1;
}

int wsgi_begin(struct wsgi *wsgi, PyObject *owner) {
    return has_pool(wsgi) ? wsgi_pool_start(wsgi, owner, wsgi->threads) : 0;
}

void wsgi_end(struct wsgi *wsgi) {
    wsgi_pool_stop(&wsgi->pool);
}

void wsgi_release(struct wsgi *wsgi) {
    if (!wsgi->ready) {
        return;
    }
    wsgi->ready = false;
    wsgi_pool_release(&wsgi->pool);
    wsgi_environ_release(&wsgi->environ);
    slab_release(&wsgi->jobs);
    Py_CLEAR(wsgi->spare_start_response);
    Py_CLEAR(wsgi->spare_write);
    Py_CLEAR(wsgi->context);
    Py_CLEAR(wsgi->errors);
    Py_CLEAR(wsgi->directory);
    wsgi_types_clear(&wsgi->types);
    Py_CLEAR(wsgi->logger);
    Py_CLEAR(wsgi->app);
}

int wsgi_traverse(const struct wsgi *wsgi, visitproc visit, void *arg) {
    Py_VISIT(wsgi->app);
    Py_VISIT(wsgi->logger);
    Py_VISIT(wsgi->errors);
    Py_VISIT(wsgi->context);
    return wsgi_types_traverse(&wsgi->types, visit, arg);
}
