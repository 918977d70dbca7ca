/* Calls for WebSockets: websocket.connect, .receive, .disconnect; .accept, .send, .close, and a
 * whole response in place of the handshake (websocket.http.response.*).
 *
 *   CONNECT -> OPEN     websocket.accept
 *   CONNECT -> CLOSED   websocket.close (403), a response, or the peer went
 *   OPEN    -> CLOSED   websocket.close, the peer's close, or it went */
#include <string.h>

#include "base/err.h"
#include "gateway/asgi_awaitable.h"
#include "gateway/asgi_call.h"
#include "gateway/asgi_message.h"
#include "gateway/py_log.h"
#include "gateway/py_piece.h"

#include "base/banned.h"

enum { CODE_VANISHED = 1006, CODE_NORMAL = 1000, CODE_FAILED = 1011, REASON_MAX = 123 };

/* --- receive --- */

/* [new] NULL with an exception. */
static PyObject *received(struct asgi_call *call) {
    const struct asgi *asgi = call->asgi;
    PyObject *value = call->ws.message;
    bool text = PyUnicode_Check(value);
    PyObject *message = PyDict_Copy(text ? asgi->text_message : asgi->bytes_message);
    PyObject *key = text ? asgi->words.text : asgi->words.bytes;
    if (!message || PyDict_SetItem(message, key, value) < 0) {
        Py_XDECREF(message);
        return NULL;
    }
    Py_CLEAR(call->ws.message);
    return message;
}

/* Also when the call is over. [new] NULL with an exception. */
static PyObject *disconnected(const struct asgi_ws *ws) {
    int code = ws->code ? ws->code : CODE_VANISHED;
    return ws->reason ? Py_BuildValue("{sssisO}", "type", "websocket.disconnect", "code", code,
                                      "reason", ws->reason)
                      : Py_BuildValue("{sssiss}", "type", "websocket.disconnect", "code", code,
                                      "reason", "");
}

static int ws_receive(struct asgi_call *call, PyObject **message) {
    struct asgi_ws *ws = &call->ws;
    if (call->asgi && !ws->connected) {
        *message = Py_BuildValue("{sO}", "type", call->asgi->words.websocket_connect);
        ws->connected = *message != NULL;
    } else if (ws->message) {
        *message = received(call);
    } else if (ws->websocket && ws->code == 0) {
        if (!ws->asked) {
            ws->asked = true;
            websocket_want_message(ws->websocket);
        }
        return 0;
    } else if (call->exchange) {
        exchange_want_abort(call->exchange);
        return 0;
    } else {
        *message = disconnected(ws);
    }
    return *message ? 1 : -1;
}

/* --- events --- */

static void on_message(void *user, enum websocket_kind kind, struct slice message) {
    struct asgi_call *call = user;
    const char *bytes = (const char *)message.at;
    Py_ssize_t len = (Py_ssize_t)message.len;
    call->ws.asked = false;
    call->ws.message = kind == WEBSOCKET_TEXT ? PyUnicode_DecodeUTF8(bytes, len, NULL)
                                              : PyBytes_FromStringAndSize(bytes, len);
    if (!call->ws.message) {
        py_log_exception(call->asgi->logger, "cannot keep a message of a WebSocket");
        websocket_close(call->ws.websocket, CODE_FAILED, SLICE(""));
        return;
    }
    asgi_wake(call, ASGI_WAIT_RECEIVE);
}

static void on_drained(void *user) {
    struct asgi_call *call = user;
    asgi_wake(call, ASGI_WAIT_SEND);
}

static void on_closed(void *user, uint16_t code, struct slice reason) {
    struct asgi_call *call = user;
    call->ws.asked = false;
    call->ws.state = ASGI_WS_CLOSED;
    call->ws.code = code;
    call->ws.reason =
        PyUnicode_DecodeUTF8((const char *)reason.at, (Py_ssize_t)reason.len, "replace");
    if (!call->ws.reason) {
        PyErr_Clear();
    }
    asgi_wake(call, ASGI_WAIT_RECEIVE);
    asgi_wake(call, ASGI_WAIT_SEND);
}

static const struct websocket_events events = {
    .message = on_message,
    .drained = on_drained,
    .closed = on_closed,
};

/* --- send --- */

static void drop_offer(struct asgi_call *call) {
    PyMem_Free(call->ws.offer);
    call->ws.offer = NULL;
}

/* Adds the field that answers with a subprotocol, where one is chosen. 0, or -1 with an
 * exception. */
static int add_subprotocol(struct asgi_head *head, PyObject *message,
                           const struct asgi_words *words) {
    PyObject *given = asgi_message_get(message, words->subprotocol);
    if (!given) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *name = PyBytes_FromString("sec-websocket-protocol");
    PyObject *value = PyUnicode_Check(given) ? PyUnicode_AsASCIIString(given) : NULL;
    int failed = -1;
    if (!PyUnicode_Check(given)) {
        PyErr_Format(PyExc_TypeError, "\"subprotocol\" must be str, not %.200s",
                     Py_TYPE(given)->tp_name);
    } else if (name && value) {
        failed = asgi_head_add(head, name, value);
    }
    Py_XDECREF(value);
    Py_XDECREF(name);
    Py_DECREF(given);
    return failed;
}

/* Fields of the handshake that are the server's to say (RFC 6455 section 4.2.2). 0, or -1 with an
 * exception. */
static int check_fields(const struct asgi_head *head, size_t first) {
    static const char *const names[] = {
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
    };
    for (size_t i = first; i < head->count; i++) {
        struct slice name = head->fields[i].name;
        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
            if (slice_equal_nocase(name, slice_of(names[n], strlen(names[n])))) {
                PyErr_Format(PyExc_ValueError,
                             "the header %s of websocket.accept is the server's: a subprotocol is "
                             "said by \"subprotocol\"",
                             names[n]);
                return -1;
            }
        }
    }
    return 0;
}

/* The fields of websocket.accept. 0, or -1 with an exception. */
static int read_accept(struct asgi_call *call, PyObject *message, struct asgi_head *head) {
    const struct asgi_words *words = &call->asgi->words;
    if (add_subprotocol(head, message, words) < 0) {
        return -1;
    }
    size_t ours = head->count;
    PyObject *headers = asgi_message_get(message, words->headers);
    int failed = headers ? asgi_head_add_all(head, headers) : PyErr_Occurred() ? -1 : 0;
    Py_XDECREF(headers);
    return failed ? -1 : check_fields(head, ours);
}

static PyObject *on_accept(struct asgi_call *call, PyObject *message) {
    struct asgi *asgi = call->asgi;
    struct asgi_head head;
    PyObject *result = NULL;
    asgi_head_init(&head);
    if (read_accept(call, message, &head) == 0) {
        int err =
            call->exchange && call->ws.offer
                ? websocket_accept(asgi->websockets, call->exchange, call->ws.offer, head.fields,
                                   head.count, &events, call, &call->ws.websocket)
                : ERR_GONE;
        if (err == 0) {
            call->ws.state = ASGI_WS_OPEN;
            drop_offer(call);
            asgi_call_part(call);
            result = asgi_call_done(call);
        } else if (err == ERR_GONE) {
            asgi_call_disconnected(call);
        } else {
            asgi_head_blame(&head, err);
        }
    }
    asgi_head_clear(&head);
    return result;
}

static int ws_drained(struct asgi_call *call, PyObject **value) {
    if (call->exchange) {
        return asgi_response_drained(call, value); /* a response in place of the handshake */
    }
    if (!call->ws.websocket || !websocket_congested(call->ws.websocket)) {
        *value = Py_NewRef(Py_None);
        return 1;
    }
    websocket_want_drained(call->ws.websocket);
    return 0;
}

static void release_owner(struct piece *piece) {
    Py_DECREF((PyObject *)piece->owner);
}

/* One message, whose bytes `owner` keeps. [borrows owner] [new] what to await. */
static PyObject *put(struct asgi_call *call, enum websocket_kind kind, PyObject *owner,
                     struct slice bytes) {
    struct websocket *websocket = call->ws.websocket;
    int err;
    if (!websocket) {
        return asgi_call_disconnected(call);
    }
    if (websocket_takes_piece(websocket, bytes.len)) {
        struct piece *piece = piece_memory(&call->asgi->loop->pieces, bytes, release_owner, owner);
        if (!piece) {
            return PyErr_NoMemory();
        }
        Py_INCREF(owner);
        err = websocket_send_piece(websocket, kind, piece);
    } else {
        err = websocket_send(websocket, kind, bytes);
    }
    if (err == ERR_NOMEM) {
        return PyErr_NoMemory();
    }
    if (err) {
        return asgi_call_disconnected(call);
    }
    return websocket_congested(websocket)
               ? asgi_wait_new(call->wait_type, call, ASGI_WAIT_SEND, false)
               : asgi_call_done(call);
}

static PyObject *on_send(struct asgi_call *call, PyObject *message) {
    const struct asgi_words *words = &call->asgi->words;
    PyObject *text = asgi_message_get(message, words->text);
    PyObject *result = NULL;
    if (text) {
        Py_ssize_t len;
        const char *utf8 = NULL;
        if (PyUnicode_Check(text)) {
            utf8 = PyUnicode_AsUTF8AndSize(text, &len);
        } else {
            PyErr_Format(PyExc_TypeError, "\"text\" must be str, not %.200s",
                         Py_TYPE(text)->tp_name);
        }
        if (utf8) {
            result = put(call, WEBSOCKET_TEXT, text, slice_of(utf8, (size_t)len));
        }
        Py_DECREF(text);
        return result;
    }
    PyObject *bytes = PyErr_Occurred() ? NULL : asgi_message_bytes(message, words->bytes);
    if (bytes) {
        result = put(call, WEBSOCKET_BINARY, bytes,
                     slice_of(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)));
        Py_DECREF(bytes);
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "\"websocket.send\" needs \"text\" or \"bytes\"");
    }
    return result;
}

/* The code of websocket.close. 0, or -1 with an exception. */
static int read_code(struct asgi_call *call, PyObject *message, uint16_t *code) {
    int64_t given = CODE_NORMAL;
    if (asgi_message_int(message, call->asgi->words.code, 0, UINT16_MAX, &given) < 0) {
        return -1;
    }
    *code = (uint16_t)given;
    if (!ws_close_code_sendable(*code)) {
        PyErr_Format(PyExc_ValueError,
                     "\"code\" is %d: allowed is 1000 to 1003, 1007 to 1014, 3000 to 4999",
                     (int)given);
        return -1;
    }
    return 0;
}

static PyObject *on_close(struct asgi_call *call, PyObject *message) {
    const struct asgi_words *words = &call->asgi->words;
    uint16_t code;
    Py_ssize_t len = 0;
    if (read_code(call, message, &code) < 0) {
        return NULL;
    }
    PyObject *reason = asgi_message_get(message, words->reason);
    const char *text = "";
    if (reason && !PyUnicode_Check(reason)) {
        PyErr_Format(PyExc_TypeError, "\"reason\" must be str, not %.200s",
                     Py_TYPE(reason)->tp_name);
        text = NULL;
    } else if (reason) {
        text = PyUnicode_AsUTF8AndSize(reason, &len);
    } else if (PyErr_Occurred()) {
        return NULL;
    }
    if (text && len > REASON_MAX) {
        PyErr_Format(PyExc_ValueError, "\"reason\" has %zd bytes of UTF-8: allowed are %d", len,
                     REASON_MAX);
        text = NULL;
    }
    if (text && call->ws.websocket) {
        websocket_close(call->ws.websocket, code, slice_of(text, (size_t)len));
    }
    Py_XDECREF(reason);
    call->ws.state = text ? ASGI_WS_CLOSED : call->ws.state;
    return text ? asgi_call_done(call) : NULL;
}

/* websocket.close in place of websocket.accept. */
static PyObject *on_reject(struct asgi_call *call) {
    call->ws.state = ASGI_WS_CLOSED;
    drop_offer(call);
    asgi_response_answer(call, 403);
    return asgi_call_done(call);
}

static PyObject *send_connecting(struct asgi_call *call, const char *type, PyObject *message) {
    static const char response[] = "websocket.http.response.";
    if (strncmp(type, response, sizeof(response) - 1) == 0) {
        return asgi_response_send(call, type, sizeof(response) - 1, message);
    }
    bool accept = strcmp(type, "websocket.accept") == 0;
    if (call->response.state != ASGI_RESPONSE_WAIT ||
        (!accept && strcmp(type, "websocket.close") != 0)) {
        return asgi_message_unexpected(type, call->response.state == ASGI_RESPONSE_WAIT
                                                 ? "\"websocket.accept\", \"websocket.close\" or "
                                                   "\"websocket.http.response.start\""
                                                 : "\"websocket.http.response.body\"");
    }
    if (!call->exchange) {
        return asgi_call_disconnected(call);
    }
    return accept ? on_accept(call, message) : on_reject(call);
}

static PyObject *ws_send(struct asgi_call *call, PyObject *message) {
    if (!call->asgi) {
        return asgi_call_disconnected(call);
    }
    const char *type = asgi_message_type(message, call->asgi->words.type);
    if (!type) {
        return NULL;
    }
    if (call->ws.state == ASGI_WS_CONNECT) {
        return send_connecting(call, type, message);
    }
    bool close = strcmp(type, "websocket.close") == 0;
    if (!close && strcmp(type, "websocket.send") != 0) {
        return asgi_message_unexpected(type, "\"websocket.send\" or \"websocket.close\"");
    }
    if (call->ws.state == ASGI_WS_OPEN) {
        return close ? on_close(call, message) : on_send(call, message);
    }
    /* Closing what the peer has closed is what tidy applications do at their end. */
    return close && call->ws.code ? asgi_call_done(call) : asgi_call_disconnected(call);
}

/* --- ends --- */

static void ws_finish(struct asgi_call *call, bool failed) {
    if (call->ws.websocket) {
        websocket_close(call->ws.websocket, failed ? CODE_FAILED : CODE_NORMAL, SLICE(""));
        websocket_release(call->ws.websocket);
        call->ws.websocket = NULL;
    } else {
        asgi_response_finish(call, failed);
    }
    call->ws.state = ASGI_WS_CLOSED;
}

static void ws_gone(struct asgi_call *call) {
    call->ws.code = CODE_VANISHED;
    call->ws.state = ASGI_WS_CLOSED;
}

static void ws_clear(struct asgi_call *call) {
    drop_offer(call);
    Py_CLEAR(call->ws.message);
    Py_CLEAR(call->ws.reason);
}

const struct asgi_kind asgi_websocket = {
    .name = "websocket",
    .receive = ws_receive,
    .drained = ws_drained,
    .send = ws_send,
    .finish = ws_finish,
    .gone = ws_gone,
    .clear = ws_clear,
};
