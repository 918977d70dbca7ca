/* The response of a call: http.response.* messages of send(), and the same with websocket.http.
 * before them, to operations of the exchange.
 *
 *   WAIT     -> STARTED   http.response.start: the head is held, so that it leaves with the body
 *   STARTED  -> BODY      the first body message with more behind it
 *   STARTED, BODY -> TRAILERS   the body's end, where trailers were promised
 *   any      -> DONE      its end; or nobody is there any more
 *
 * With the GIL, loop thread. */
#ifndef GATEWAY_ASGI_RESPONSE_H
#define GATEWAY_ASGI_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/asgi_head.h"
#include "gateway/py_compat.h"

struct asgi_call;

enum asgi_response_state {
    ASGI_RESPONSE_WAIT,
    ASGI_RESPONSE_STARTED,
    ASGI_RESPONSE_BODY,
    ASGI_RESPONSE_TRAILERS,
    ASGI_RESPONSE_DONE,
};

struct asgi_response {
    uint8_t state;          /* enum asgi_response_state */
    bool trailers;          /* promised by the start */
    bool enough;            /* it has no body (HEAD, 204, 304): what more comes is dropped */
    bool whole;             /* all that its Content-Length says has been sent */
    struct asgi_head *head; /* from STARTED to the head's leaving; of trailers while they gather */
};

/* Takes a message of type `type`, whose first `skip` bytes are "http.response." (or the same behind
 * "websocket."). [borrows both] [new] what to await; NULL with an exception, and nothing was
 * sent. */
PyObject *asgi_response_send(struct asgi_call *call, const char *type, size_t skip,
                             PyObject *message);

/* Is there room for more of the response? An asgi_ready_fn. */
int asgi_response_drained(struct asgi_call *call, PyObject **value);

/* The application has returned: what is not complete becomes a 500 or is cut, and logged unless
 * `failed`, where it has been. */
void asgi_response_finish(struct asgi_call *call, bool failed);

/* Answers with a status and its phrase in place of the application, and ends the exchange. */
void asgi_response_answer(struct asgi_call *call, int status);

/* Drops the head that is held. */
void asgi_response_clear(struct asgi_call *call);

#endif
