/* What all connections of a worker share: limits, listeners, the gateway, the counters; and how
 * a worker starts and stops serving. Not for a request's life: that is http1. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/log.h"
#include "base/slab.h"
#include "http/access_log.h"
#include "http/exchange.h"
#include "http/request_id.h"
#include "net/close_why.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/transport.h"
#include "wire/head.h"

/* Limits and time-outs; 0 turns one off unless said otherwise. Times in milliseconds. */
struct server_config {
    struct head_limits head;     /* none may be 0 */
    uint64_t body;               /* bytes of a request body */
    uint32_t connections;        /* beyond: accepting pauses */
    uint32_t timeout_headers;    /* from accept, or a later request's first byte, to its head */
    uint32_t timeout_body;       /* of a wanted body without progress */
    uint32_t timeout_keep_alive; /* idle between requests */
    uint32_t timeout_write;      /* of waiting output without progress */
    struct access_config access_log;
    struct request_id_rules request_id;
    bool shared; /* other processes accept from the same sockets */
    /* [borrows all until server_release] */
    const struct origin_rules *origin; /* whose fields are believed; NULL: nobody's */
    const struct trust *prefaced;      /* who may connect where connections begin with a preface
                                          (net/preface.h); NULL: they do not, and all may */
    struct slice health_path;          /* answered by server_place.health; empty: none */
};

/* Totals and live objects; one row for each. Live ones are zero when nothing is served. */
#define SERVER_TOTALS(X)                                                                           \
    X(accepted)                                                                                    \
    X(requests)                                                                                    \
    X(refused)                                                                                     \
    X(bytes_read)                                                                                  \
    X(bytes_written)                                                                               \
    X(log_lines_dropped)

struct server_counters {
#define X(name) uint64_t name;
    SERVER_TOTALS(X)
#undef X
    uint64_t closed[CLOSE_COUNT];
};

enum server_state { SERVER_SERVING, SERVER_STOPPING, SERVER_STOPPED };

struct server {
    /* read-only */
    struct loop *loop;
    struct transport *transport;
    struct gateway *gateway;
    struct gateway *health;
    struct server_config config;
    enum server_state state;
    uint32_t connections; /* open */
    struct server_counters counters;
    const struct head_parser *parser;
    struct log log;
    struct access_log access_log;
    /* private to http/ */
    uint64_t lines_due; /* ms: when `lines` is rendered again */
    char lines[128];    /* see server_lines */
    size_t lines_len;
    struct list conns; /* of struct http1 */
    struct slab conn_slab;
    struct slab exchange_slab;
    struct request_id_store ids;
    struct listener *listeners;
    uint32_t listener_count;
    uint32_t listeners_open;
    uint64_t rest_due;          /* ms: when it may be said again that accepting rests */
    struct loop_timer deadline; /* of a graceful stop */
    struct runnable idle_sweep; /* closes idle connections of a graceful stop */
    bool swept;                 /* it has */
};

/* What stands around a server. [borrows all until server_release] */
struct server_place {
    struct loop *loop;
    struct transport *transport; /* opens its connections */
    struct gateway *gateway;     /* answers its exchanges */
    struct gateway *health;      /* … those for config.health_path; NULL: there is none */
    struct log_sink log;
};

/* Readies a server. `fds`: `count` listening sockets; [takes them] on success, and closes each
 * once a graceful stop has drained it. Accepts from the next turn on.
 * 0, ERR_NOMEM or ERR_SYSTEM; after an error, nothing is left. */
int server_init(struct server *server, const struct server_place *place,
                const struct server_config *config, const int *fds, uint32_t count);

/* Stops gracefully: takes what the kernel has queued, then accepts no more; closes idle
 * connections; lets requests in flight finish for `grace` ms, then closes them. A second call
 * can only shorten the time. `state` says when it is over: the loop must go on turning. */
void server_stop(struct server *server, uint64_t grace);

/* What the access log still has is written, waiting for a second at most; then it is off. Only when
 * SERVER_STOPPED, between two turns; without it server_release does the same. */
void server_end_log(struct server *server);

/* Frees; only when SERVER_STOPPED. */
void server_release(struct server *server);

/* The lines `Server: freastal` and `Date: …` now, the date rendered once a second.
 * [borrows until the next call] */
struct slice server_lines(struct server *server);

enum { SERVER_NAME_LINE = sizeof("Server: freastal\r\n") - 1 };

/* http/ only: a connection has been opened or closed; pauses and resumes accepting. */
void server_opened(struct server *server);
void server_closed(struct server *server, enum close_why why);

/* http/ only: a connection, a listener or an exchange has gone: is a graceful stop over? */
void server_settle(struct server *server);

/* Live C objects: connections, exchanges, streams, buffers and pieces not given back. `each` is
 * called with each name and number. */
void server_live(const struct server *server,
                 void (*each)(void *arg, const char *name, uint64_t value), void *arg);

#endif
