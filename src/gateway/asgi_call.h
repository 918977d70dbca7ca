/* One call of the application: the coroutine that its task runs, and receive and send.
 *
 * The object runs the application's coroutine inside itself, so that the end of it, by return or
 * by exception, is seen in that very step. Its two kinds differ in what their messages are.
 *
 * A call is over when the application has returned. An exchange is over when `exchange` (and, for
 * a WebSocket, its websocket) is NULL; that may come before or by the call's end, never after.
 * `receive` and `send` may outlive the call: they then say that the client has gone. With the
 * GIL, loop thread. */
#ifndef GATEWAY_ASGI_CALL_H
#define GATEWAY_ASGI_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "gateway/asgi.h"
#include "gateway/asgi_awaitable.h"
#include "gateway/asgi_response.h"
#include "gateway/py_compat.h"
#include "http/exchange.h"
#include "http/websocket.h"

/* What the two kinds of call do differently. */
struct asgi_kind {
    const char *name;
    asgi_ready_fn *receive; /* the next message for receive() */
    asgi_ready_fn *drained; /* None, once there is room for more output */
    /* Takes a message of send(), a dict. [new] what to await; NULL with an exception.
     * What the message holds may run Python code when it is read: the call may be over then, and
     * its worker gone. */
    PyObject *(*send)(struct asgi_call *call, PyObject *message);
    /* The application has returned (`failed`: by an exception, which has been logged). Ends what
     * has not ended. */
    void (*finish)(struct asgi_call *call, bool failed);
    /* The exchange has been aborted; `call->exchange` is NULL already. */
    void (*gone)(struct asgi_call *call);
    /* Drops what it holds of Python. */
    void (*clear)(struct asgi_call *call);
};

/* The request's body on its way to receive(). */
struct asgi_body {
    bool asked;      /* a piece has been asked for and has not come */
    bool all;        /* its end has come */
    bool given;      /* … and was received */
    PyObject *piece; /* bytes that wait for receive(); or NULL */
};

enum asgi_ws_state { ASGI_WS_CONNECT, ASGI_WS_OPEN, ASGI_WS_CLOSED };

struct asgi_ws {
    uint8_t state;               /* enum asgi_ws_state */
    bool connected;              /* websocket.connect was received */
    bool asked;                  /* a message has been asked for and has not come */
    uint16_t code;               /* of websocket.disconnect; 0: not known yet */
    PyObject *reason;            /* of websocket.disconnect; or NULL */
    PyObject *message;           /* str or bytes that waits for receive(); or NULL */
    struct websocket *websocket; /* NULL before it is accepted and once it is over */
    struct ws_offer *offer;      /* owned, until it is accepted or rejected */
};

/* What the application gets for receive, or for send: a callable. */
struct asgi_channel {
    PyObject ob_base;
    vectorcallfunc vectorcall;
};

/* The garbage collector has no use for calls: a call that is not over is held by its worker, and
 * one that is holds nothing. */
struct asgi_call {
    PyObject ob_base;
    struct list link;  /* in asgi->live, until it is over */
    struct asgi *asgi; /* NULL once it is over */
    const struct asgi_kind *kind;
    struct exchange *exchange;          /* NULL once that is over */
    PyObject *scope;                    /* owned; until the first step */
    PyObject *coroutine;                /* owned; NULL before the first step and once it is over */
    PyObject *task;                     /* owned; NULL once it is over */
    PyTypeObject *wait_type;            /* owned: what receive() returns, also when it is over */
    PyObject *disconnected;             /* owned: what send() raises */
    struct list waits[ASGI_WAIT_KINDS]; /* of struct asgi_wait that sleep */
    struct asgi_channel receive;        /* alive from the first step on */
    struct asgi_channel send;
    bool running; /* a step of the application is under way */
    bool reading; /* send() reads a message */
    struct asgi_response response;
    union {
        struct asgi_body body;
        struct asgi_ws ws;
    };
};

extern const struct asgi_kind asgi_http;
extern const struct asgi_kind asgi_websocket;

/* The types, of `module`. [new] NULL with an exception. */
PyTypeObject *asgi_call_type(PyObject *module);
PyTypeObject *asgi_receive_type(PyObject *module);
PyTypeObject *asgi_send_type(PyObject *module);

/* [new] A call for `exchange`, whose job it becomes; NULL with an exception. [steals scope] */
struct asgi_call *asgi_call_new(struct asgi *asgi, const struct asgi_kind *kind,
                                struct exchange *exchange, PyObject *scope);

/* Begins its task. Runs Python code, often the whole of the application. Where that fails, the
 * exchange has been answered and the reason logged. */
void asgi_call_begin(struct asgi_call *call);

/* The exchange has ended, by whatever way: receivers and senders are told. */
void asgi_call_part(struct asgi_call *call);

/* Gives up a call whose application has not returned: its worker goes. */
void asgi_call_abandon(struct asgi_call *call);

/* Sets freastal.ClientDisconnected. NULL, for the caller to return. */
PyObject *asgi_call_disconnected(const struct asgi_call *call);

/* The awaitable that is complete. [new] */
PyObject *asgi_call_done(const struct asgi_call *call);

#endif
