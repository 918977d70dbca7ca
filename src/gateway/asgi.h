/* The ASGI gateway: exchanges to calls of a Python application (ASGI 3, HTTP and WebSocket specs
 * 2.5), and its messages back.
 *
 * asgi.c takes the exchange's events and starts calls; asgi_call is one call of the application:
 * the coroutine that a task runs; asgi_http and asgi_websocket are the two kinds of it: what
 * receive() gives and send() takes; asgi_scope makes scopes; asgi_head reads response heads;
 * asgi_awaitable is what receive() and send() return. Used by ext/.
 *
 * What an application can expect beyond the specification:
 * - Its call is a task of its own with a copy of the context, begun in the run beat: where it
 *   never waits for anything, it is over in that beat.
 * - Nothing is cancelled because a client has left; asgi_cancel at the server's end does.
 * - Whatever exception leaves it, SystemExit and KeyboardInterrupt too, is logged and answered
 *   with 500, or the connection is cut where the head has gone. CancelledError goes on to its
 *   task. */
#ifndef GATEWAY_ASGI_H
#define GATEWAY_ASGI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slab.h"
#include "gateway/asgi_scope.h"
#include "gateway/asgi_types.h"
#include "gateway/asgi_words.h"
#include "gateway/py_compat.h"
#include "http/exchange.h"
#include "http/websocket.h"

/* Begins a task on the event loop and runs its first step, if the loop can, before it returns.
 * Filled by ext/. */
struct asgi_tasks {
    /* [new] the task, finished or not; NULL with an exception. [borrows coroutine] */
    PyObject *(*begin)(void *arg, PyObject *coroutine);
    /* Has the loop call callback(argument) soon, in the context. 0, or -1 with an exception. */
    int (*call_soon)(void *arg, PyObject *callback, PyObject *argument, PyObject *context);
    PyObject *loop; /* the event loop [borrows as long as arg] */
    void *arg;
};

struct asgi_config {
    PyObject *app;         /* [borrows for the call] */
    PyObject *logger;      /* freastal.error [borrows for the call] */
    PyObject *state;       /* the lifespan's, a dict, or NULL [borrows for the call] */
    const char *root_path; /* UTF-8 [borrows for the call] */
    struct asgi_tasks tasks;
    struct websocket_config websocket;
    uint32_t listeners;
};

struct asgi {
    struct gateway gateway; /* give &gateway to server_init */
    /* read-only */
    struct loop *loop;
    uint32_t calls; /* that are not over */
    /* private to gateway/asgi* */
    bool ready; /* asgi_init has been called */
    PyObject *app;
    PyObject *logger;
    struct asgi_tasks tasks;
    PyObject *cancelled; /* asyncio.CancelledError */
    PyObject *done;      /* what a send() that need not wait returns */
    /* Templates (py_template.h) of messages: */
    PyObject *request_message; /* http.request without a body */
    PyObject *text_message;    /* websocket.receive, with None for its value */
    PyObject *bytes_message;
    struct asgi_types types;
    struct asgi_words words;
    struct asgi_scope scope;
    struct slab heads; /* of struct asgi_head */
    struct websocket_config websocket;
    struct websocket_pool *websockets;
    struct list live; /* of struct asgi_call */
};

/* In zeroed memory. 0, or -1 with an exception; to be released in either case. */
int asgi_init(struct asgi *asgi, struct loop *loop, const struct asgi_types *types,
              const struct asgi_config *config);

/* Cancels the task of every call that is not over (task.cancel()). Returns how many. */
uint32_t asgi_cancel(struct asgi *asgi);

/* Gives up every call that is not over: their exchanges end, their coroutines are closed. While
 * the loop can still turn. */
void asgi_abandon(struct asgi *asgi);

/* Drops all references; when every call is over and the loop that sent its answers has been
 * released. */
void asgi_release(struct asgi *asgi);

/* For the garbage collector. */
int asgi_traverse(const struct asgi *asgi, visitproc visit, void *arg);

#endif
