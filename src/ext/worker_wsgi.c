/* A worker's gateway is WSGI; see worker.h. */
#include "ext/worker.h"

#include "base/banned.h"

static int init(struct worker *worker, struct state *state, const struct worker_args *args) {
    Py_ssize_t listeners = PyObject_Size(args->sockets);
    if (listeners < 0) {
        return -1;
    }
    struct wsgi_config config = {.app = args->app,
                                 .logger = worker->logger,
                                 .software = "freastal/" FREASTAL_VERSION,
                                 .threads = (uint32_t)args->options.threads,
                                 .listeners = (uint32_t)listeners,
                                 .multiprocess = args->multiprocess};
    return wsgi_init(&worker->is.wsgi, &worker->loop->loop, &state->wsgi, &config);
}

static struct gateway *gateway(struct worker *worker) {
    return &worker->is.wsgi.gateway;
}

static int begin(struct worker *worker) {
    return wsgi_begin(&worker->is.wsgi, (PyObject *)worker);
}

static void end(struct worker *worker) {
    wsgi_end(&worker->is.wsgi);
}

static void release(struct worker *worker) {
    wsgi_release(&worker->is.wsgi);
}

static int traverse(struct worker *worker, visitproc visit, void *arg) {
    return wsgi_traverse(&worker->is.wsgi, visit, arg);
}

static uint32_t calls(const struct worker *worker) {
    return worker->is.wsgi.jobs.live;
}

/* A thread inside an application cannot be cancelled. */
static void cancel(struct worker *worker) {
    (void)worker;
}

static PyObject *oldest_call(struct worker *worker) {
    return wsgi_pool_oldest(&worker->is.wsgi.pool);
}

static void live(const struct worker *worker,
                 void (*each)(void *arg, const char *name, uint64_t value), void *arg) {
    each(arg, "calls", calls(worker));
}

const struct worker_gateway worker_wsgi = {
    .interface = "wsgi",
    .has_threads = true,
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
