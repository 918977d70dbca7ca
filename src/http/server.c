/* What the connections of a worker share; see server.h.
 *
 * Stopping: SERVING -> STOPPING (server_stop) -> STOPPED (no connection and no listener left, and
 * no exchange whose gateway has not been told).
 * What the kernel has queued is accepted first; idle connections are closed one read beat later,
 * so that a request whose bytes had arrived is still served. */
#include "http/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/size.h"
#include "http/http1.h"

#include "base/banned.h"

/* Connections and exchanges kept for reuse. */
enum { KEEP = 1024 };

/* Between two lines that tell that accepting rests, in ms. */
enum { REST_QUIET_MS = 60000 };

static void on_accept(struct listener *listener, int fd, const struct peer *peer) {
    struct server *server = listener->user;
    http1_open(server, fd, peer, (uint32_t)(listener - server->listeners));
}

static void on_rest(struct listener *listener, const char *why) {
    struct server *server = listener->user;
    uint64_t now = loop_now(server->loop);
    if (now < server->rest_due) {
        return;
    }
    server->rest_due = now + REST_QUIET_MS;
    log_write(&server->log, LOG_LEVEL_ERROR,
              "cannot accept connections: %s; %u are open, others wait until one is closed", why,
              server->connections);
}

void server_settle(struct server *server) {
    if (server->state == SERVER_STOPPING && server->swept && server->connections == 0 &&
        server->listeners_open == 0 && server->exchange_slab.live == 0) {
        loop_timer_stop(server->loop, &server->deadline);
        server->state = SERVER_STOPPED;
    }
}

void server_opened(struct server *server) {
    server->connections++;
    server->counters.accepted++;
    figures_add(loop_figures(server->loop)->accepted, 1);
    uint32_t limit = server->config.connections;
    if (limit > 0 && server->connections >= limit && server->state == SERVER_SERVING) {
        for (uint32_t i = 0; i < server->listener_count; i++) {
            listener_pause(&server->listeners[i]);
        }
    }
}

void server_closed(struct server *server, enum close_why why) {
    server->connections--;
    server->counters.closed[why]++;
    figures_add(&loop_figures(server->loop)->closed[why], 1);
    if (server->state == SERVER_SERVING) {
        for (uint32_t i = 0; i < server->listener_count; i++) {
            listener_resume(&server->listeners[i]);
        }
    }
    server_settle(server);
}

static void for_each_conn(struct server *server, void (*act)(struct http1 *conn)) {
    struct list *node = server->conns.next;
    while (node != &server->conns) {
        struct list *next = node->next;
        act(LIST_OWNER(node, struct http1, link));
        node = next;
    }
}

static void on_idle_sweep(struct runnable *runnable) {
    struct server *server = LIST_OWNER(runnable, struct server, idle_sweep);
    server->swept = true;
    for_each_conn(server, http1_stop);
    server_settle(server);
}

static void on_deadline(struct loop_timer *timer) {
    struct server *server = LIST_OWNER(timer, struct server, deadline);
    for_each_conn(server, http1_abandon);
}

static void on_listener_closed(struct listener *listener) {
    struct server *server = listener->user;
    close(listener->fd);
    server->listeners_open--;
    server_settle(server);
}

void server_stop(struct server *server, uint64_t grace) {
    if (server->state == SERVER_STOPPED) {
        return;
    }
    uint64_t due = loop_now(server->loop) + grace;
    if (server->state == SERVER_STOPPING) {
        if (due < server->deadline.timer.due) {
            loop_timer_set(server->loop, &server->deadline, due);
        }
        return;
    }
    server->state = SERVER_STOPPING;
    loop_timer_set(server->loop, &server->deadline, due);
    for (uint32_t i = 0; i < server->listener_count; i++) {
        listener_resume(&server->listeners[i]);
        listener_drain(&server->listeners[i]);
        listener_close(&server->listeners[i], on_listener_closed);
    }
    loop_post(server->loop, &server->idle_sweep);
}

static bool init_slabs(struct server *server) {
    bool named = server->config.request_id.mode != REQUEST_ID_OFF;
    size_t exchange = http1_exchange_size(server->config.head.fields, named);
    slab_init(&server->conn_slab, sizeof(struct http1), KEEP);
    if (exchange > 0) {
        slab_init(&server->exchange_slab, exchange, KEEP);
    }
    return exchange > 0;
}

static void on_listener_undone(struct listener *listener) {
    struct server *server = listener->user;
    server->listeners_open--;
}

/* Closes the first `count` listeners again; their descriptors stay the caller's. */
static void unlisten(struct server *server, uint32_t count) {
    server->state = SERVER_STOPPING;
    server->listeners_open = count;
    for (uint32_t i = 0; i < count; i++) {
        listener_close(&server->listeners[i], on_listener_undone);
    }
    while (server->listeners_open > 0) {
        uv_run(&server->loop->uv, UV_RUN_ONCE);
    }
    free(server->listeners);
    server->listeners = NULL;
}

int server_init(struct server *server, const struct server_place *place,
                const struct server_config *config, const int *fds, uint32_t count) {
    *server = (struct server){.loop = place->loop,
                              .transport = place->transport,
                              .gateway = place->gateway,
                              .health = place->health,
                              .config = *config,
                              .parser = head_parser_best(),
                              .listener_count = count,
                              .listeners_open = count};
    list_init(&server->conns);
    loop_timer_init(&server->deadline, on_deadline);
    runnable_init(&server->idle_sweep, on_idle_sweep);
    server->listeners = calloc(count > 0 ? count : 1, sizeof(*server->listeners));
    if (!server->listeners || !init_slabs(server)) {
        free(server->listeners);
        server->listeners = NULL;
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (listener_init(&server->listeners[i], place->loop, fds[i], server, on_accept)) {
            unlisten(server, i);
            return ERR_SYSTEM;
        }
        server->listeners[i].shared = config->shared;
        server->listeners[i].rests = on_rest;
    }
    log_init(&server->log, place->log);
    int err = access_log_init(&server->access_log, place->loop, &server->log,
                              &server->counters.log_lines_dropped, &config->access_log);
    if (err) {
        unlisten(server, count);
    }
    return err;
}

void server_end_log(struct server *server) {
    access_log_release(&server->access_log);
}

void server_release(struct server *server) {
    access_log_release(&server->access_log);
    log_release(&server->log);
    slab_release(&server->exchange_slab);
    slab_release(&server->conn_slab);
    free(server->listeners);
    server->listeners = NULL;
}

/* RFC 9110 section 5.6.7; strftime would follow the locale. */
static void render_date(struct server *server) {
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm tm = {0};
    gmtime_r(&now, &tm);
    int len = snprintf(server->lines, sizeof(server->lines),
                       "Server: freastal\r\nDate: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                       days[tm.tm_wday % 7], tm.tm_mday, months[tm.tm_mon % 12], tm.tm_year + 1900,
                       tm.tm_hour, tm.tm_min, tm.tm_sec);
    server->lines_len = len > 0 && (size_t)len < sizeof(server->lines) ? (size_t)len : 0;
}

struct slice server_lines(struct server *server) {
    uint64_t now = loop_now(server->loop);
    if (now >= server->lines_due) {
        render_date(server);
        server->lines_due = now + 1000;
    }
    return slice_of(server->lines, server->lines_len);
}

void server_live(const struct server *server,
                 void (*each)(void *arg, const char *name, uint64_t value), void *arg) {
    each(arg, "connections", server->conn_slab.live);
    each(arg, "streams", transport_live(server->transport));
    each(arg, "exchanges", server->exchange_slab.live);
    each(arg, "buffers", buf_pool_live(&server->loop->bufs));
    each(arg, "pieces", piece_pool_live(&server->loop->pieces));
}
