/* The pool of threads; see wsgi_pool.h. */
#include "gateway/wsgi_pool.h"

#include <assert.h>

#include "gateway/py_log.h"
#include "gateway/wsgi.h"
#include "gateway/wsgi_errors.h"
#include "gateway/wsgi_job.h"

#include "base/banned.h"

/* A thread inside its main function; stands on its stack. */
struct wsgi_thread {
    unsigned long ident;
    PyObject *errors;
    pthread_cond_t wake; /* `drained` or `gone` of its job has changed */
};

void wsgi_pool_init(struct wsgi_pool *pool) {
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->left, NULL);
    list_init(&pool->queue);
    list_init(&pool->running);
    pool->board = NULL;
    pool->alive = 0;
    pool->busy = 0;
    pool->stopping = false;
}

void wsgi_pool_release(struct wsgi_pool *pool) {
    assert(pool->alive == 0 && list_empty(&pool->queue));
    pthread_cond_destroy(&pool->left);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
}

/* --- which calls run; the lock is held --- */

static struct wsgi_job *oldest(const struct wsgi_pool *pool) {
    return list_empty(&pool->running) ? NULL
                                      : LIST_OWNER(pool->running.next, struct wsgi_job, running);
}

static void show_oldest(const struct wsgi_pool *pool) {
    if (pool->board) {
        const struct wsgi_job *job = oldest(pool);
        board_call(pool->board, job ? job->began : 0);
    }
}

/* The application's code begins to run, or goes on. */
static void begin_running(struct wsgi_pool *pool, struct wsgi_job *job) {
    job->began = uv_hrtime() / 1000000;
    list_append(&pool->running, &job->running);
    show_oldest(pool);
}

static void end_running(struct wsgi_pool *pool, struct wsgi_job *job) {
    list_remove(&job->running);
    show_oldest(pool);
}

/* --- the loop's side --- */

void wsgi_pool_submit(struct wsgi_pool *pool, struct wsgi_job *job) {
    pthread_mutex_lock(&pool->lock);
    list_append(&pool->queue, &job->link);
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

struct wsgi_mail wsgi_pool_receive(struct wsgi_pool *pool, struct wsgi_job *job) {
    pthread_mutex_lock(&pool->lock);
    struct wsgi_mail mail = {.handed = job->handed, .closed = job->closed};
    job->posted = false;
    job->handed = false;
    pthread_mutex_unlock(&pool->lock);
    return mail;
}

void wsgi_pool_go_on(struct wsgi_pool *pool, struct wsgi_job *job) {
    pthread_mutex_lock(&pool->lock);
    job->drained = true;
    if (job->thread) {
        pthread_cond_signal(&job->thread->wake);
    }
    pthread_mutex_unlock(&pool->lock);
}

bool wsgi_pool_give_up(struct wsgi_pool *pool, struct wsgi_job *job) {
    pthread_mutex_lock(&pool->lock);
    bool waiting = !list_empty(&job->link);
    list_remove(&job->link);
    job->gone = true;
    if (job->thread) {
        pthread_cond_signal(&job->thread->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    return waiting;
}

/* --- the application's side --- */

/* Tells the loop that the job has something for it; the lock is held. */
static void post(struct wsgi_job *job) {
    if (!job->posted) {
        job->posted = true;
        loop_post(job->wsgi->loop, &job->runnable);
    }
}

bool wsgi_pool_hand_over(struct wsgi_pool *pool, struct wsgi_job *job) {
    bool last = job->output.last;
    bool gone;
    Py_BEGIN_ALLOW_THREADS;
    pthread_mutex_lock(&pool->lock);
    if (!job->gone) {
        job->handed = true;
        job->drained = false;
        post(job);
    }
    end_running(pool, job);
    while (!last && !job->drained && !job->gone) {
        pthread_cond_wait(&job->thread->wake, &pool->lock);
    }
    begin_running(pool, job);
    gone = job->gone;
    pthread_mutex_unlock(&pool->lock);
    Py_END_ALLOW_THREADS;
    return !gone && !last;
}

bool wsgi_pool_is_mine(const struct wsgi_job *job) {
    return job->thread && job->thread->ident == PyThread_get_thread_ident();
}

PyObject *wsgi_pool_errors(const struct wsgi_job *job) {
    return job->thread ? job->thread->errors : job->wsgi->errors;
}

/* The next job; NULL: the thread is to go. With the GIL, which is released meanwhile. */
static struct wsgi_job *take(struct wsgi_pool *pool, struct wsgi_thread *thread) {
    struct wsgi_job *job = NULL;
    Py_BEGIN_ALLOW_THREADS;
    pthread_mutex_lock(&pool->lock);
    while (list_empty(&pool->queue) && !pool->stopping) {
        pthread_cond_wait(&pool->work, &pool->lock);
    }
    if (!list_empty(&pool->queue)) {
        job = LIST_OWNER(list_take(&pool->queue), struct wsgi_job, link);
        job->thread = thread;
        begin_running(pool, job);
        pool->busy++;
    }
    pthread_mutex_unlock(&pool->lock);
    Py_END_ALLOW_THREADS;
    return job;
}

/* The thread has closed the job; it may not touch it afterwards. */
static void done(struct wsgi_pool *pool, struct wsgi_job *job) {
    pthread_mutex_lock(&pool->lock);
    job->thread = NULL;
    job->closed = true;
    end_running(pool, job);
    pool->busy--;
    post(job);
    pthread_cond_signal(&pool->left);
    pthread_mutex_unlock(&pool->lock);
}

/* A whole job: the same steps that wsgi.c takes when there is one thread. */
static void work(struct wsgi *wsgi, struct wsgi_job *job) {
    PyObject *key = wsgi->environ.keys.wsgi_errors;
    bool more = true;
    if (PyDict_SetItem(job->environ, key, job->thread->errors)) {
        PyErr_WriteUnraisable(job->environ); /* the loop's stream stays in its place */
    }
    while (more) {
        wsgi_job_step(job);
        if (job->output.kind == OUTPUT_NOTHING) {
            more = !job->gone;
        } else {
            more = wsgi_pool_hand_over(&wsgi->pool, job);
        }
    }
    wsgi_job_close(job);
    done(&wsgi->pool, job);
}

static const char capsule_name[] = "freastal.wsgi";

/* What a threading.Thread runs; `capsule` holds the gateway. */
static PyObject *thread_main(PyObject *capsule, PyObject *unused) {
    (void)unused;
    struct wsgi *wsgi = PyCapsule_GetPointer(capsule, capsule_name);
    struct wsgi_thread thread = {.ident = PyThread_get_thread_ident()};
    struct wsgi_job *job;
    if (!wsgi) {
        return NULL;
    }
    thread.errors = wsgi_errors_new(wsgi->types.errors, wsgi->logger);
    if (!thread.errors) {
        return NULL;
    }
    pthread_cond_init(&thread.wake, NULL);
    while ((job = take(&wsgi->pool, &thread)) != NULL) {
        work(wsgi, job);
    }
    pthread_mutex_lock(&wsgi->pool.lock);
    wsgi->pool.alive--;
    pthread_cond_signal(&wsgi->pool.left);
    pthread_mutex_unlock(&wsgi->pool.lock);
    pthread_cond_destroy(&thread.wake);
    Py_DECREF(thread.errors);
    Py_RETURN_NONE;
}

static PyMethodDef thread_def = {"serve", thread_main, METH_NOARGS, NULL};

static void drop_owner(PyObject *capsule) {
    Py_XDECREF((PyObject *)PyCapsule_GetContext(capsule));
}

/* A callable around thread_main that keeps `owner` alive. [new] */
static PyObject *make_target(struct wsgi *wsgi, PyObject *owner) {
    PyObject *capsule = PyCapsule_New(wsgi, capsule_name, drop_owner);
    if (!capsule) {
        return NULL;
    }
    PyCapsule_SetContext(capsule, Py_NewRef(owner));
    PyObject *target = PyCFunction_New(&thread_def, capsule);
    Py_DECREF(capsule);
    return target;
}

/* 0, or -1 with an exception. */
static int start_one(struct wsgi *wsgi, PyObject *type, PyObject *target, uint32_t number) {
    PyObject *name = PyUnicode_FromFormat("freastal-%u", number);
    PyObject *args = PyTuple_New(0);
    PyObject *kwargs =
        name ? Py_BuildValue("{sOsOsO}", "target", target, "name", name, "daemon", Py_True) : NULL;
    PyObject *thread = args && kwargs ? PyObject_Call(type, args, kwargs) : NULL;
    PyObject *started = NULL;
    if (thread) {
        wsgi->pool.alive++; /* the thread has no GIL yet */
        started = PyObject_CallMethod(thread, "start", NULL);
        if (!started) {
            wsgi->pool.alive--;
        }
    }
    int failed = started ? 0 : -1;
    Py_XDECREF(started);
    Py_XDECREF(thread);
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    Py_XDECREF(name);
    return failed;
}

int wsgi_pool_start(struct wsgi *wsgi, PyObject *owner, uint32_t count) {
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *type = threading ? PyObject_GetAttrString(threading, "Thread") : NULL;
    PyObject *target = type ? make_target(wsgi, owner) : NULL;
    int failed = target ? 0 : -1;
    wsgi->pool.board = wsgi->loop->board;
    for (uint32_t i = 1; i <= count && !failed; i++) {
        failed = start_one(wsgi, type, target, i);
    }
    Py_XDECREF(target);
    Py_XDECREF(type);
    Py_XDECREF(threading);
    return failed;
}

void wsgi_pool_stop(struct wsgi_pool *pool) {
    Py_BEGIN_ALLOW_THREADS;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    while (pool->alive > pool->busy) {
        pthread_cond_wait(&pool->left, &pool->lock);
    }
    pool->board = NULL;
    pthread_mutex_unlock(&pool->lock);
    Py_END_ALLOW_THREADS;
}

PyObject *wsgi_pool_oldest(struct wsgi_pool *pool) {
    PyObject *method = NULL;
    PyObject *target = NULL;
    uint64_t began = 0;
    pthread_mutex_lock(&pool->lock);
    const struct wsgi_job *job = oldest(pool);
    if (job) {
        method = Py_NewRef(job->method);
        target = Py_NewRef(job->uri);
        began = job->began;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!method) {
        Py_RETURN_NONE;
    }
    PyObject *path = wsgi_target_path(target);
    PyObject *result =
        path ? Py_BuildValue("(dOO)", (double)(uv_hrtime() / 1000000 - began) / 1000, method, path)
             : NULL;
    Py_XDECREF(path);
    Py_DECREF(target);
    Py_DECREF(method);
    return result;
}
