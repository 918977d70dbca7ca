/* A worker's gateway is ASGI; see worker.h. */
#include "ext/worker.h"

#include "base/banned.h"

static int init(struct worker *worker, struct state *state, const struct worker_args *args) {
    struct worker_asgi_part *self = &worker->is.asgi;
    const struct options *options = &args->options;
    Py_ssize_t listeners = PyObject_Size(args->sockets);
    if (listeners < 0 || asyncio_load(&state->asyncio) < 0 ||
        tasks_init(&self->tasks, &state->asyncio, state->loop_type, args->tasks) < 0) {
        return -1;
    }
    struct asgi_config config = {
        .app = args->app,
        .logger = worker->logger,
        .state = args->state,
        .root_path = args->root_path,
        .tasks = tasks_table(&self->tasks),
        .websocket = {.max_size = (uint64_t)options->ws_max_size,
                      .max_queue = (uint32_t)options->ws_max_queue,
                      .ping_interval = options_milliseconds(options->ws_ping_interval),
                      .ping_timeout = options_milliseconds(options->ws_ping_timeout),
                      .deflate = options->ws_per_message_deflate},
        .listeners = (uint32_t)listeners,
    };
    return asgi_init(&self->asgi, &worker->loop->loop, &state->asgi, &config);
}

static struct gateway *gateway(struct worker *worker) {
    return &worker->is.asgi.asgi.gateway;
}

static int begin(struct worker *worker) {
    (void)worker;
    return 0;
}

/* Calls that go on have no connection any more; what their WebSockets were is freed at the end of
 * a turn. */
static void end(struct worker *worker) {
    struct asgi *asgi = &worker->is.asgi.asgi;
    asgi_abandon(asgi);
    if (websocket_pool_live(asgi->websockets) > 0 && py_loop_turn(worker->loop, false) < 0) {
        PyErr_WriteUnraisable((PyObject *)worker);
    }
}

static void release(struct worker *worker) {
    asgi_release(&worker->is.asgi.asgi);
    tasks_release(&worker->is.asgi.tasks);
}

static int traverse(struct worker *worker, visitproc visit, void *arg) {
    int result = tasks_traverse(&worker->is.asgi.tasks, visit, arg);
    return result ? result : asgi_traverse(&worker->is.asgi.asgi, visit, arg);
}

static uint32_t calls(const struct worker *worker) {
    return worker->is.asgi.asgi.calls;
}

static void cancel(struct worker *worker) {
    (void)asgi_cancel(&worker->is.asgi.asgi);
}

/* They take turns on the loop's thread. */
static PyObject *oldest_call(struct worker *worker) {
    (void)worker;
    Py_RETURN_NONE;
}

static void live(const struct worker *worker,
                 void (*each)(void *arg, const char *name, uint64_t value), void *arg) {
    each(arg, "calls", calls(worker));
    each(arg, "websockets", websocket_pool_live(worker->is.asgi.asgi.websockets));
}

const struct worker_gateway worker_asgi = {
    .interface = "asgi",
    .needs_loop = true,
    .init = init,
    .gateway = gateway,
    .begin = begin,
    .end = end,
    .release = release,
    .traverse = traverse,
    .calls = calls,
    .cancel = cancel,
    .oldest_call = oldest_call,
    .live = live,
};
