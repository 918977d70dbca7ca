/* See asgi_response.h. */
#include "gateway/asgi_response.h"

#include <string.h>

#include "base/err.h"
#include "gateway/asgi_awaitable.h"
#include "gateway/asgi_call.h"
#include "gateway/asgi_file.h"
#include "gateway/asgi_message.h"
#include "gateway/py_log.h"
#include "gateway/py_piece.h"
#include "http/status.h"

#include "base/banned.h"

/* Output waiting beyond this: send() waits until it has drained. */
enum { HIGH_WATER = 64 * 1024 };

static void set_state(struct asgi_call *call, enum asgi_response_state to) {
    call->response.state = (uint8_t)to;
}

/* --- the head that is held --- */

/* Holds the fields of `read`, behind those that are held. 0, or -1 with MemoryError. */
static int hold(struct asgi_call *call, const struct asgi_head *read) {
    struct asgi_head *held = call->response.head;
    if (!held) {
        held = slab_take(&call->asgi->heads);
        if (!held) {
            PyErr_NoMemory();
            return -1;
        }
        asgi_head_init(held);
        call->response.head = held;
    }
    return asgi_head_append(held, read);
}

void asgi_response_clear(struct asgi_call *call) {
    struct asgi_head *head = call->response.head;
    call->response.head = NULL;
    if (head) {
        asgi_head_clear(head);
        slab_give(&call->asgi->heads, head);
    }
}

/* --- ends --- */

/* The exchange has ended with the response. */
static void end(struct asgi_call *call) {
    asgi_response_clear(call);
    set_state(call, ASGI_RESPONSE_DONE);
    asgi_call_part(call);
}

/* Raises what an operation of the exchange has returned, where that is an error that leaves it
 * as it was. NULL, for the caller to return. */
static PyObject *refuse(struct asgi_call *call, int err) {
    return err == ERR_GONE ? asgi_call_disconnected(call)
                           : asgi_head_blame(call->response.head, err);
}

/* The response is cut. NULL, for the caller to return. */
static PyObject *raise_cut(int err) {
    PyErr_SetString(err == ERR_NOMEM ? PyExc_MemoryError : PyExc_RuntimeError, err_text(err));
    return NULL;
}

static const char *expected(const struct asgi_call *call) {
    switch ((enum asgi_response_state)call->response.state) {
    case ASGI_RESPONSE_WAIT:
        return "\"http.response.start\"";
    case ASGI_RESPONSE_STARTED:
    case ASGI_RESPONSE_BODY:
        return "\"http.response.body\"";
    case ASGI_RESPONSE_TRAILERS:
        return "\"http.response.trailers\"";
    case ASGI_RESPONSE_DONE:
        break;
    }
    return "nothing: the response is complete";
}

/* --- messages --- */

/* Sends the head that is held, for a body of `length` bytes (-1: not known). 0 or an error. */
static int send_head(struct asgi_call *call, int64_t length) {
    struct asgi_head *held = call->response.head;
    if (call->response.state != ASGI_RESPONSE_STARTED) {
        return 0;
    }
    struct response_head head = {.status = held->status,
                                 .reason = status_reason(held->status),
                                 .fields = held->fields,
                                 .field_count = held->count,
                                 .content_length = length};
    int err = exchange_send_head(call->exchange, &head);
    if (!err) {
        asgi_response_clear(call);
        set_state(call, ASGI_RESPONSE_BODY);
    }
    return err;
}

static bool not_congested(const struct asgi_call *call) {
    return !call->exchange || exchange_unsent(call->exchange) <= HIGH_WATER;
}

int asgi_response_drained(struct asgi_call *call, PyObject **value) {
    if (not_congested(call)) {
        *value = Py_NewRef(Py_None);
        return 1;
    }
    exchange_want_drained(call->exchange);
    return 0;
}

/* What follows a piece with more behind it: the write beat, and room. */
static PyObject *after_piece(struct asgi_call *call) {
    return asgi_wait_new(call->wait_type, call, ASGI_WAIT_SEND, true);
}

/* Nothing is sent of a piece, or of trailers, with `more` behind it. [new] what to await. */
static PyObject *drop(struct asgi_call *call, bool more) {
    bool body = call->response.state == ASGI_RESPONSE_BODY;
    if (!more) {
        set_state(call,
                  body && call->response.trailers ? ASGI_RESPONSE_TRAILERS : ASGI_RESPONSE_DONE);
    }
    return asgi_call_done(call);
}

/* Puts out `body` [takes it], behind the head if that is still held. [new] what to await. */
static PyObject *put_body(struct asgi_call *call, struct chain *body, bool more) {
    struct loop *loop = call->asgi->loop;
    bool last = !more && !call->response.trailers;
    int err = send_head(call, last ? (int64_t)body->bytes : -1);
    if (err) {
        chain_drop(body, &loop->pieces, &loop->trash);
        PyObject *raised = refuse(call, err);
        if (err != ERR_GONE && err != ERR_NOMEM) {
            asgi_response_clear(call); /* another start may come */
            set_state(call, ASGI_RESPONSE_WAIT);
        }
        return raised;
    }
    err = exchange_send_body(call->exchange, body, last);
    if (err == ERR_GONE && call->response.whole) {
        exchange_reset(call->exchange);
        asgi_call_part(call);
        return drop(call, more);
    }
    if (err == ERR_GONE) {
        return asgi_call_disconnected(call);
    }
    call->response.whole = err == EXCHANGE_WHOLE;
    if (err == EXCHANGE_ENOUGH || (err == ERR_RESPONSE_LONG && !last)) {
        (void)exchange_send_body(call->exchange, body, true);
    }
    if (err == EXCHANGE_ENOUGH) {
        call->response.enough = true;
        if (!more) {
            set_state(call, ASGI_RESPONSE_TRAILERS);
        }
        asgi_call_part(call);
        return asgi_call_done(call);
    }
    if (last || err < 0) {
        end(call);
    }
    if (err < 0) {
        return raise_cut(err);
    }
    if (last) {
        return asgi_call_done(call);
    }
    if (!more) {
        set_state(call, ASGI_RESPONSE_TRAILERS);
        return asgi_call_done(call);
    }
    return after_piece(call);
}

/* Reads `headers` and a switch of a message. `head` is to be cleared where 0 is returned; -1 with
 * an exception. */
static int read_fields(PyObject *message, const struct asgi_words *words, PyObject *key,
                       bool *truth, struct asgi_head *head) {
    PyObject *headers = asgi_message_get(message, words->headers);
    int failed = (!headers && PyErr_Occurred()) || asgi_message_bool(message, key, truth) < 0;
    asgi_head_init(head);
    if (!failed && headers && asgi_head_add_all(head, headers) < 0) {
        asgi_head_clear(head);
        failed = true;
    }
    Py_XDECREF(headers);
    return failed ? -1 : 0;
}

static PyObject *on_start(struct asgi_call *call, PyObject *message) {
    const struct asgi_words *words = &call->asgi->words;
    int64_t status = 0;
    int there = asgi_message_int(message, words->status, 200, 999, &status);
    if (there <= 0) {
        if (there == 0) {
            PyErr_SetString(PyExc_KeyError, "\"http.response.start\" needs a \"status\"");
        }
        return NULL;
    }
    struct asgi_head head;
    bool trailers;
    if (read_fields(message, words, words->trailers, &trailers, &head) < 0) {
        return NULL;
    }
    int failed = call->exchange ? hold(call, &head) : -1;
    asgi_head_clear(&head);
    if (!call->exchange) {
        return asgi_call_disconnected(call);
    }
    if (failed) {
        asgi_response_clear(call);
        return NULL;
    }
    call->response.head->status = (int)status;
    call->response.trailers = trailers;
    set_state(call, ASGI_RESPONSE_STARTED);
    return asgi_call_done(call);
}

static PyObject *on_body(struct asgi_call *call, PyObject *message) {
    const struct asgi_words *words = &call->asgi->words;
    struct chain chain = {0};
    bool more;
    if (asgi_message_bool(message, words->more_body, &more) < 0) {
        return NULL;
    }
    PyObject *body = call->exchange ? asgi_message_bytes(message, words->body) : NULL;
    if (!body && PyErr_Occurred()) {
        return NULL;
    }
    if (!call->exchange) {
        Py_XDECREF(body);
        return asgi_call_disconnected(call);
    }
    int err = body ? py_piece_bytes(&chain, &call->asgi->loop->pieces, body) : 0;
    Py_XDECREF(body);
    return err ? PyErr_NoMemory() : put_body(call, &chain, more);
}

/* A range of a file as a body, or as a piece of one. */
static PyObject *put_file(struct asgi_call *call, struct asgi_file *file, bool more) {
    struct chain chain = {0};
    if (!call->exchange) {
        asgi_file_close(file);
        return asgi_call_disconnected(call);
    }
    struct piece_pool *pool = &call->asgi->loop->pieces;
    if (py_piece_file(&chain, pool, file->fd, file->offset, file->len)) {
        asgi_file_close(file);
        return PyErr_NoMemory();
    }
    return put_body(call, &chain, more);
}

static PyObject *on_pathsend(struct asgi_call *call, PyObject *message) {
    struct asgi_file file;
    PyObject *path = asgi_message_get(message, call->asgi->words.path);
    if (!path) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_KeyError, "\"http.response.pathsend\" needs a \"path\"");
        }
        return NULL;
    }
    int failed = asgi_file_open(&file, path);
    Py_DECREF(path);
    return failed ? NULL : put_file(call, &file, false);
}

static PyObject *on_zerocopysend(struct asgi_call *call, PyObject *message) {
    const struct asgi_words *words = &call->asgi->words;
    struct asgi_file file;
    int64_t offset = -1;
    int64_t count = -1;
    bool more;
    PyObject *object = asgi_message_get(message, words->file);
    if (!object) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_KeyError, "\"http.response.zerocopysend\" needs a \"file\"");
        }
        return NULL;
    }
    bool failed = asgi_message_int(message, words->offset, 0, INT64_MAX, &offset) < 0 ||
                  asgi_message_int(message, words->count, 0, INT64_MAX, &count) < 0 ||
                  asgi_message_bool(message, words->more_body, &more) < 0 ||
                  asgi_file_share(&file, object, offset, count) < 0;
    Py_DECREF(object);
    return failed ? NULL : put_file(call, &file, more);
}

static PyObject *on_trailers(struct asgi_call *call, PyObject *message) {
    const struct asgi_words *words = &call->asgi->words;
    struct asgi_head read;
    bool more;
    if (read_fields(message, words, words->more_trailers, &more, &read) < 0) {
        return NULL;
    }
    int failed = call->exchange ? hold(call, &read) : -1;
    asgi_head_clear(&read);
    if (!call->exchange) {
        return asgi_call_disconnected(call);
    }
    if (failed || more) {
        return failed ? NULL : asgi_call_done(call);
    }
    const struct asgi_head *head = call->response.head;
    int err = exchange_send_trailers(call->exchange, head->fields, head->count);
    if (err == 0) {
        end(call);
        return asgi_call_done(call);
    }
    if (err == ERR_NOMEM || err == ERR_RESPONSE_SHORT) {
        end(call);
        return raise_cut(err);
    }
    PyObject *raised = refuse(call, err);
    asgi_response_clear(call); /* other trailers may come */
    return raised;
}

/* 103 with a Link field for each of `links` (RFC 8297). */
static PyObject *on_early_hint(struct asgi_call *call, PyObject *message) {
    PyObject *links = asgi_message_get(message, call->asgi->words.links);
    PyObject *fast =
        links ? PySequence_Fast(links, "\"links\" must be an iterable of bytes") : NULL;
    PyObject *name = fast ? PyBytes_FromString("link") : NULL;
    PyObject *result = NULL;
    struct asgi_head head;
    int failed = !name;
    asgi_head_init(&head);
    if (!links && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_KeyError, "\"http.response.early_hint\" needs \"links\"");
    }
    for (Py_ssize_t i = 0; !failed && i < PySequence_Fast_GET_SIZE(fast); i++) {
        PyObject *link = PySequence_Fast_GET_ITEM(fast, i); /* borrowed: bytes run no code */
        if (!PyBytes_Check(link)) {
            PyErr_Format(PyExc_TypeError, "a link must be bytes, not %.200s",
                         Py_TYPE(link)->tp_name);
            failed = -1;
        } else {
            failed = asgi_head_add(&head, name, link);
        }
    }
    if (!failed && !call->exchange) {
        asgi_call_disconnected(call);
    } else if (!failed) {
        int err = exchange_send_info(call->exchange, 103, head.fields, head.count);
        result =
            !err ? asgi_call_done(call)
                 : (err == ERR_GONE ? asgi_call_disconnected(call) : asgi_head_blame(&head, err));
    }
    asgi_head_clear(&head);
    Py_XDECREF(name);
    Py_XDECREF(fast);
    Py_XDECREF(links);
    return result;
}

/* What each message does, and in which states it may come. */
struct row {
    const char *type; /* behind "http.response." */
    PyObject *(*act)(struct asgi_call *call, PyObject *message);
    unsigned states;
};

#define IN(state) (1u << (state))

static const struct row rows[] = {
    {"body", on_body, IN(ASGI_RESPONSE_STARTED) | IN(ASGI_RESPONSE_BODY)},
    {"start", on_start, IN(ASGI_RESPONSE_WAIT)},
    {"pathsend", on_pathsend, IN(ASGI_RESPONSE_STARTED)},
    {"zerocopysend", on_zerocopysend, IN(ASGI_RESPONSE_STARTED) | IN(ASGI_RESPONSE_BODY)},
    {"trailers", on_trailers, IN(ASGI_RESPONSE_TRAILERS)},
    {"early_hint", on_early_hint, IN(ASGI_RESPONSE_WAIT)},
};

/* A piece of a body, or trailers, that are not sent: HEAD, 204, 304, or a client that has gone
 * with the whole body. */
static PyObject *swallow(struct asgi_call *call, PyObject *message) {
    const struct asgi_words *words = &call->asgi->words;
    bool body = call->response.state == ASGI_RESPONSE_BODY;
    bool more;
    if (asgi_message_bool(message, body ? words->more_body : words->more_trailers, &more) < 0) {
        return NULL;
    }
    if (!call->asgi) {
        return asgi_call_disconnected(call);
    }
    return drop(call, more);
}

PyObject *asgi_response_send(struct asgi_call *call, const char *type, size_t skip,
                             PyObject *message) {
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(type + skip, rows[i].type) == 0 && (rows[i].states & IN(call->response.state))) {
            /* A client that has all of a response may go before its application ends it. */
            if (call->response.enough || (!call->exchange && call->response.whole)) {
                return swallow(call, message);
            }
            return call->exchange ? rows[i].act(call, message) : asgi_call_disconnected(call);
        }
    }
    return asgi_message_unexpected(type, expected(call));
}

/* --- in place of the application --- */

void asgi_response_answer(struct asgi_call *call, int status) {
    static const struct response_field fields[] = {
        {{(const uint8_t *)"Content-Type", 12}, {(const uint8_t *)"text/plain; charset=utf-8", 25}},
    };
    struct slice reason = status_reason(status);
    struct response_head head = {.status = status,
                                 .reason = reason,
                                 .fields = fields,
                                 .field_count = 1,
                                 .content_length = (int64_t)reason.len};
    exchange_answer(call->exchange, &head, reason);
    end(call);
}

static const char *missing(const struct asgi_call *call) {
    switch ((enum asgi_response_state)call->response.state) {
    case ASGI_RESPONSE_WAIT:
        return "starting a response";
    case ASGI_RESPONSE_TRAILERS:
        return "sending the trailers that it promised";
    default:
        return "completing its response";
    }
}

void asgi_response_finish(struct asgi_call *call, bool failed) {
    if (!call->exchange) {
        return;
    }
    if (!failed) {
        py_log(call->asgi->logger, "error", "the ASGI application returned without %s",
               missing(call));
    }
    if (call->response.state == ASGI_RESPONSE_WAIT ||
        call->response.state == ASGI_RESPONSE_STARTED) {
        asgi_response_answer(call, 500);
    } else {
        exchange_reset(call->exchange);
        end(call);
    }
}
