/* The exchange's events to calls of the application; see asgi.h. */
#include "gateway/asgi.h"

#include <string.h>

#include "base/err.h"
#include "gateway/asgi_awaitable.h"
#include "gateway/asgi_call.h"
#include "gateway/py_log.h"
#include "gateway/py_template.h"
#include "http/status.h"

#include "base/banned.h"

enum { HEADS_KEPT = 64 };

static struct asgi *own(struct exchange *exchange) {
    return LIST_OWNER(exchange->gateway, struct asgi, gateway);
}

/* --- answers in place of a call --- */

/* Answers a WebSocket handshake that breaks a rule (RFC 6455 section 4.2). */
static void refuse_handshake(struct exchange *exchange, const struct request *request, int err) {
    static const struct response_field fields[] = {
        {{(const uint8_t *)"Content-Type", 12}, {(const uint8_t *)"text/plain; charset=utf-8", 25}},
        {{(const uint8_t *)"Sec-WebSocket-Version", 21}, {(const uint8_t *)"13", 2}},
    };
    struct slice text = slice_of(err_text(err), strlen(err_text(err)));
    int status = err_status(err);
    struct response_head head = {.status = status,
                                 .reason = status_reason(status),
                                 .fields = fields,
                                 .field_count = status == 426 ? 2 : 1,
                                 .content_length = (int64_t)text.len};
    char ip[PEER_TEXT];
    const struct peer *client = &request->origin->client;
    (void)peer_ip_text(client, ip);
    py_log(own(exchange)->logger, "warning", "refused a WebSocket of %s:%d with %d: %s",
           client->family == PEER_UNIX ? "unix" : ip, (int)client->port, status, err_text(err));
    exchange_answer(exchange, &head, text);
}

/* Something failed before there was a call; an exception is set. */
static void refuse(struct exchange *exchange) {
    const struct slice text = SLICE("Internal Server Error");
    struct response_head head = {
        .status = 500, .reason = text, .content_length = (int64_t)text.len};
    py_log_exception(own(exchange)->logger, "cannot call the application");
    exchange_answer(exchange, &head, text);
}

/* --- events --- */

static void start_http(struct asgi *asgi, struct exchange *exchange,
                       const struct request *request) {
    PyObject *scope = asgi_scope_make(&asgi->scope, ASGI_SCOPE_HTTP, request);
    struct asgi_call *call = scope ? asgi_call_new(asgi, &asgi_http, exchange, scope) : NULL;
    if (!call) {
        refuse(exchange);
        return;
    }
    call->body.all = request->rules->body == BODY_NONE;
    asgi_call_begin(call);
}

static void start_websocket(struct asgi *asgi, struct exchange *exchange,
                            const struct request *request, const struct ws_offer *offer) {
    struct ws_offer *copy = PyMem_Malloc(sizeof(*copy));
    PyObject *scope =
        copy ? asgi_scope_make(&asgi->scope, ASGI_SCOPE_WEBSOCKET, request) : PyErr_NoMemory();
    struct asgi_call *call = scope ? asgi_call_new(asgi, &asgi_websocket, exchange, scope) : NULL;
    if (!call) {
        PyMem_Free(copy);
        refuse(exchange);
        return;
    }
    *copy = *offer;
    call->ws.offer = copy;
    asgi_call_begin(call);
}

static void on_start(struct exchange *exchange, const struct request *request) {
    struct asgi *asgi = own(exchange);
    struct ws_offer offer;
    int asked = ws_handshake_check(request->head, request->bytes, request->rules, &offer);
    if (asked == 0) {
        start_http(asgi, exchange, request);
    } else if (asked > 0) {
        start_websocket(asgi, exchange, request, &offer);
    } else {
        refuse_handshake(exchange, request, asked);
    }
}

static void on_body(struct exchange *exchange, struct slice piece, bool last) {
    struct asgi_call *call = exchange->job;
    struct asgi_body *body = &call->body;
    body->asked = false;
    body->all = last;
    if (piece.len > 0) {
        body->piece = PyBytes_FromStringAndSize((const char *)piece.at, (Py_ssize_t)piece.len);
        if (!body->piece) {
            py_log_exception(call->asgi->logger, "cannot keep the body of a request");
            exchange_reset(exchange);
            asgi_call_part(call);
            return;
        }
    }
    asgi_wake(call, ASGI_WAIT_RECEIVE);
}

static void on_drained(struct exchange *exchange) {
    struct asgi_call *call = exchange->job;
    asgi_wake(call, ASGI_WAIT_SEND);
}

static void on_abort(struct exchange *exchange) {
    struct asgi_call *call = exchange->job;
    call->exchange = NULL;
    exchange->job = NULL;
    call->kind->gone(call);
    asgi_call_part(call);
}

static const struct exchange_events asgi_events = {
    .start = on_start,
    .body = on_body,
    .drained = on_drained,
    .abort = on_abort,
};

/* --- life --- */

/* An attribute of asyncio. [new] NULL with an exception. */
static PyObject *from_asyncio(const char *name) {
    PyObject *module = PyImport_ImportModule("asyncio");
    PyObject *found = module ? PyObject_GetAttrString(module, name) : NULL;
    Py_XDECREF(module);
    return found;
}

/* [new] a template, NULL with an exception. [steals dict] */
static PyObject *template_of(PyObject *dict) {
    PyObject *made = dict ? py_template_make(dict, 1) : NULL;
    Py_XDECREF(dict);
    return made;
}

/* 0, or -1 with an exception. */
static int make_messages(struct asgi *asgi) {
    const struct asgi_words *words = &asgi->words;
    asgi->request_message = template_of(
        Py_BuildValue("{sOsysO}", "type", words->http_request, "body", "", "more_body", Py_False));
    asgi->text_message =
        template_of(Py_BuildValue("{sOsO}", "type", words->websocket_receive, "text", Py_None));
    asgi->bytes_message =
        template_of(Py_BuildValue("{sOsO}", "type", words->websocket_receive, "bytes", Py_None));
    return asgi->request_message && asgi->text_message && asgi->bytes_message ? 0 : -1;
}

int asgi_init(struct asgi *asgi, struct loop *loop, const struct asgi_types *types,
              const struct asgi_config *config) {
    asgi->gateway = (struct gateway){.events = &asgi_events, .name = "asgi"};
    asgi->ready = true;
    asgi->loop = loop;
    asgi->app = Py_NewRef(config->app);
    asgi->logger = Py_NewRef(config->logger);
    asgi->tasks = config->tasks;
    asgi->websocket = config->websocket;
    list_init(&asgi->live);
    slab_init(&asgi->heads, sizeof(struct asgi_head), HEADS_KEPT);
    asgi_types_share(&asgi->types, types);
    asgi->cancelled = from_asyncio("CancelledError");
    if (!asgi->cancelled || asgi_words_init(&asgi->words) < 0) {
        return -1;
    }
    asgi->done = asgi_done_new(asgi->types.done);
    if (!asgi->done || make_messages(asgi) < 0) {
        return -1;
    }
    asgi->websockets = websocket_pool_new(&asgi->websocket);
    if (!asgi->websockets) {
        PyErr_NoMemory();
        return -1;
    }
    return asgi_scope_init(&asgi->scope, &asgi->words, config->root_path, config->state,
                           config->listeners);
}

uint32_t asgi_cancel(struct asgi *asgi) {
    uint32_t count = 0;
    struct list *node = asgi->live.next;
    while (node != &asgi->live) {
        struct asgi_call *call = LIST_OWNER(node, struct asgi_call, link);
        node = node->next;
        if (call->task) {
            PyObject *done = PyObject_CallMethodNoArgs(call->task, asgi->words.cancel);
            if (!done) {
                PyErr_WriteUnraisable(call->task);
            }
            Py_XDECREF(done);
            count++;
        }
    }
    return count;
}

void asgi_abandon(struct asgi *asgi) {
    while (asgi->ready && !list_empty(&asgi->live)) {
        asgi_call_abandon(LIST_OWNER(asgi->live.next, struct asgi_call, link));
    }
}

void asgi_release(struct asgi *asgi) {
    if (!asgi->ready) {
        return;
    }
    asgi->ready = false;
    if (asgi->websockets) {
        websocket_pool_free(asgi->websockets);
    }
    asgi_scope_release(&asgi->scope);
    slab_release(&asgi->heads);
    Py_CLEAR(asgi->request_message);
    Py_CLEAR(asgi->text_message);
    Py_CLEAR(asgi->bytes_message);
    Py_CLEAR(asgi->done);
    asgi_words_clear(&asgi->words);
    Py_CLEAR(asgi->cancelled);
    asgi_types_clear(&asgi->types);
    Py_CLEAR(asgi->logger);
    Py_CLEAR(asgi->app);
}

int asgi_traverse(const struct asgi *asgi, visitproc visit, void *arg) {
    Py_VISIT(asgi->app);
    Py_VISIT(asgi->logger);
    Py_VISIT(asgi->cancelled);
    Py_VISIT(asgi->scope.state);
    return asgi_types_traverse(&asgi->types, visit, arg);
}
