/* A listening socket: accepts in the read beat, in bounded batches, and can pause. Who shares the
 * socket with others takes one at a time, and none in a turn that has requests to run (but not for
 * long), so that whoever is idle gets it.
 *
 * The descriptor belongs to the caller before and after; a paused or closed listener leaves
 * connections in the kernel's queue. Out of descriptors or memory it rests: for a second, or until
 * listener_resume. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <stdbool.h>
#include <uv.h>

#include "net/loop.h"
#include "net/peer.h"

struct listener {
    /* read-only */
    struct loop *loop;
    void *user;
    int fd;
    struct peer local; /* the address it listens on */
    bool shared;       /* with other processes; to be set before the first turn */
    /* Told why it rests, each time; to be set before the first turn. NULL: nobody is. */
    void (*rests)(struct listener *listener, const char *why);
    bool paused;
    bool closed;
    uint64_t accepted;
    uint64_t exhausted; /* times that accept rested: no descriptor, no memory, a bad socket */
    /* private */
    void (*accept)(struct listener *listener, int fd, const struct peer *peer);
    void (*after_close)(struct listener *listener);
    uv_poll_t poll;
    struct loop_timer retry;
    struct readable behind; /* shared: looks again when the connections have been read */
    unsigned passed;        /* shared: turns in a row in which the others were let go first */
};

/* `fd`: listening, non-blocking [borrows until listener_close has called back]. `accept` is
 * called in the read beat with each new socket, non-blocking, close-on-exec [gives fd]; it may
 * pause or close the listener. 0, or a negative libuv error. */
int listener_init(struct listener *listener, struct loop *loop, int fd, void *user,
                  void (*accept)(struct listener *listener, int fd, const struct peer *peer));

void listener_pause(struct listener *listener);

/* Ends a pause, and a rest: there may be a descriptor again. */
void listener_resume(struct listener *listener);

/* Accepts what the kernel has queued now, beyond any batch, unless paused. */
void listener_drain(struct listener *listener);

/* Stops for good; `after_close` is called once, when the memory is the caller's again. */
void listener_close(struct listener *listener, void (*after_close)(struct listener *listener));

#endif
