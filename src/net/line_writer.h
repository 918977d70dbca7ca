/* Lines to a descriptor that may block, for a loop that must not wait: a thread writes them.
 *
 * Whether a write blocks cannot be known before: O_NONBLOCK would be everybody's who has the same
 * open file (standard output is the shell's too), after poll() another worker may fill the pipe,
 * and a disk that is busy blocks without any sign. DECISIONS 67.
 *
 * Laws
 * 1. line_writer_put does not wait for the descriptor. It takes whole lines.
 * 2. What is taken is written in its order, once, whole; short lines (PIPE_BUF) in a pipe never mix
 *    with those of other processes.
 * 3. Where the descriptor takes nothing (a slow reader, a full disk, nobody there) lines wait, up
 *    to LINE_WRITER_BYTES twice, and it is tried again. What comes then is not taken.
 * 4. A datagram socket gets a datagram a line, `prefix` in place of its end.
 * 5. The descriptor is used by its number: who puts another file there (dup2) has the lines go
 *    there from the next write on, and none is lost.
 *
 * Loop thread, but for the thread's own part. */
#ifndef NET_LINE_WRITER_H
#define NET_LINE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/slice.h"

enum { LINE_WRITER_BYTES = 128 * 1024 };

struct line_buffer {
    char *bytes;
    size_t len;
};

struct line_writer {
    /* private */
    int fd;
    bool pipe;
    bool datagrams;
    struct slice prefix;
    struct sockaddr_storage address; /* of the socket's peer, for when it comes again */
    socklen_t address_len;
    uv_thread_t thread;
    uv_mutex_t lock; /* guards all below */
    uv_cond_t more;  /* something to write, or the end */
    uv_cond_t done;  /* nothing is left, or it cannot be written */
    struct line_buffer coming;
    struct line_buffer going; /* the thread's own, but for its length */
    size_t gone;              /* bytes of `going` that are written */
    uint64_t refused;         /* lines that no datagram can hold */
    bool asleep;              /* the thread waits for lines */
    bool failing;             /* the last write failed */
    bool ending;
};

/* [borrows fd, prefix until line_writer_release] 0, ERR_NOMEM or ERR_SYSTEM; then there is
 * nothing to release. */
int line_writer_init(struct line_writer *writer, int fd, struct slice prefix);

/* Takes as many of these lines, each with its '\n', as there is room for. How many it did not. */
size_t line_writer_put(struct line_writer *writer, struct slice lines);

/* Waits until all is written, `ms` at the most, and not for what fails. */
void line_writer_settle(struct line_writer *writer, unsigned ms);

/* Ends the thread, with what it can write within `ms`. How many lines it could not, in its life,
 * beside those it did not take. */
uint64_t line_writer_release(struct line_writer *writer, unsigned ms);

#endif
