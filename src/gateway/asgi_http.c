/* Calls for HTTP requests: http.request and http.disconnect, and the response. */
#include <string.h>

#include "gateway/asgi_call.h"
#include "gateway/asgi_message.h"

#include "base/banned.h"

/* The next piece of the body, or its end. [new] NULL with an exception. */
static PyObject *body_message(struct asgi_call *call) {
    const struct asgi_words *words = &call->asgi->words;
    struct asgi_body *body = &call->body;
    PyObject *message = PyDict_Copy(call->asgi->request_message);
    if (!message || (body->piece && PyDict_SetItem(message, words->body, body->piece) < 0) ||
        (!body->all && PyDict_SetItem(message, words->more_body, Py_True) < 0)) {
        Py_XDECREF(message);
        return NULL;
    }
    Py_CLEAR(body->piece);
    body->given = body->all;
    return message;
}

/* Keeps the next piece of the body where it has come already. 1: it has; 0: not yet; -1 with an
 * exception. */
static int take_body(struct asgi_call *call) {
    struct asgi_body *body = &call->body;
    struct slice piece;
    bool last;
    if (!exchange_take_body(call->exchange, &piece, &last)) {
        return 0;
    }
    body->all = last;
    if (piece.len > 0) {
        body->piece = PyBytes_FromStringAndSize((const char *)piece.at, (Py_ssize_t)piece.len);
        if (!body->piece) {
            exchange_reset(call->exchange); /* bytes are lost: it cannot go on */
            asgi_call_part(call);
            return -1;
        }
    }
    return 1;
}

/* Also when the call is over. [new] NULL with an exception. */
static PyObject *disconnect_message(void) {
    return Py_BuildValue("{ss}", "type", "http.disconnect");
}

static int http_receive(struct asgi_call *call, PyObject **message) {
    struct asgi_body *body = &call->body;
    if (call->response.state == ASGI_RESPONSE_DONE) {
        *message = disconnect_message(); /* as the specification says, whatever was not read */
        return *message ? 1 : -1;
    }
    if (call->exchange && !body->all && !body->asked && !body->piece && take_body(call) < 0) {
        return -1;
    }
    if (call->asgi && (body->piece || (body->all && !body->given))) {
        *message = body_message(call);
    } else if (!call->exchange) {
        *message = disconnect_message();
    } else {
        if (body->given) {
            exchange_want_abort(call->exchange);
        } else if (!body->asked) {
            body->asked = true;
            exchange_want_body(call->exchange);
        }
        return 0;
    }
    return *message ? 1 : -1;
}

static PyObject *http_send(struct asgi_call *call, PyObject *message) {
    static const char prefix[] = "http.response.";
    if (!call->asgi) {
        return asgi_call_disconnected(call);
    }
    const char *type = asgi_message_type(message, call->asgi->words.type);
    if (!type) {
        return NULL;
    }
    if (strncmp(type, prefix, sizeof(prefix) - 1) != 0) {
        return asgi_message_unexpected(type, "a message of \"http.response.*\"");
    }
    return asgi_response_send(call, type, sizeof(prefix) - 1, message);
}

static void http_gone(struct asgi_call *call) {
    (void)call; /* that there is no exchange says it all */
}

static void http_clear(struct asgi_call *call) {
    Py_CLEAR(call->body.piece);
}

const struct asgi_kind asgi_http = {
    .name = "http",
    .receive = http_receive,
    .drained = asgi_response_drained,
    .send = http_send,
    .finish = asgi_response_finish,
    .gone = http_gone,
    .clear = http_clear,
};
