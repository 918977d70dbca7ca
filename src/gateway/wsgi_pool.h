/* The threads that call the application where --threads is more than one.
 *
 * Python threads (threading.Thread, daemons). One takes a job from the queue, first come first
 * served, and stays with it to its close(), as frameworks bind connections and context to their
 * thread. It never touches an exchange: outputs go to the loop by loop_post, and the thread
 * waits, without the GIL, until the loop says that they have drained or that nobody listens.
 *
 * Nobody takes the GIL while holding the pool's lock, so the lock may be taken with the GIL. */
#ifndef GATEWAY_WSGI_POOL_H
#define GATEWAY_WSGI_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "gateway/py_compat.h"

struct wsgi;
struct wsgi_job;

struct wsgi_pool {
    /* private, guarded by lock */
    pthread_mutex_t lock;
    pthread_cond_t work; /* the queue or `stopping` has changed */
    pthread_cond_t left; /* `alive` or `busy` has changed */
    struct list queue;   /* of struct wsgi_job */
    struct list running; /* of struct wsgi_job: the application's code runs; the oldest first */
    struct board *board; /* where the oldest is shown [borrowed]; NULL: nowhere */
    uint32_t alive;      /* threads inside their main function */
    uint32_t busy;       /* of them: with a job */
    bool stopping;
};

void wsgi_pool_init(struct wsgi_pool *pool);
void wsgi_pool_release(struct wsgi_pool *pool);

/* Starts `count` threads, each with a reference to `owner`, in which `wsgi` stands. 0, or -1
 * with an exception; threads that were started stay. */
int wsgi_pool_start(struct wsgi *wsgi, PyObject *owner, uint32_t count);

/* Lets the threads go when they have no job, and waits for those that have none now; nothing is
 * shown any more. With the GIL, which is released meanwhile. */
void wsgi_pool_stop(struct wsgi_pool *pool);

/* Of the calls that run, the one that has done so longest without handing anything over: a tuple
 * of seconds, method and path; None where none runs. [new] With the GIL. NULL with MemoryError. */
PyObject *wsgi_pool_oldest(struct wsgi_pool *pool);

/* --- the loop's side --- */

/* Puts a job into the queue. */
void wsgi_pool_submit(struct wsgi_pool *pool, struct wsgi_job *job);

/* What a thread has posted about a job. */
struct wsgi_mail {
    bool handed; /* an output is there */
    bool closed; /* the thread is done with the job */
};

struct wsgi_mail wsgi_pool_receive(struct wsgi_pool *pool, struct wsgi_job *job);

/* The job's output has drained: its thread may go on. */
void wsgi_pool_go_on(struct wsgi_pool *pool, struct wsgi_job *job);

/* Nobody listens to the job any more: its thread will close it. True where no thread has it: it
 * was in the queue and is the caller's now. */
bool wsgi_pool_give_up(struct wsgi_pool *pool, struct wsgi_job *job);

/* --- the application's side --- */

/* Hands the output to the loop and waits until more is welcome. Called with the GIL, which is
 * released meanwhile. False: nobody listens any more, or it was the last. */
bool wsgi_pool_hand_over(struct wsgi_pool *pool, struct wsgi_job *job);

/* Is the calling thread the one that works on the job? */
bool wsgi_pool_is_mine(const struct wsgi_job *job);

/* wsgi.errors of the thread that works on the job: of the pool's, or the loop's. [borrowed] */
PyObject *wsgi_pool_errors(const struct wsgi_job *job);

#endif
