/* Faults on demand: allocations and system calls of the code under test that fail.
 *
 * A test program that links faults.c with the options of `fault_args` (tests/unit/meson.build)
 * reaches malloc, calloc, realloc, recv, sendmsg, sendfile and accept4 through it: those of its
 * own objects, not those inside of libc and libuv. Calls are counted, so that a test can fail
 * each in turn, and can see that the wraps are in place at all. */
#ifndef UNIT_FAULTS_H
#define UNIT_FAULTS_H

#include <stddef.h>
#include <stdint.h>

enum fault_call {
    FAULT_ALLOC, /* malloc, calloc and realloc together; fails with NULL */
    FAULT_RECV,
    FAULT_SENDMSG,
    FAULT_SENDFILE,
    FAULT_ACCEPT,
    FAULT_COUNT
};

/* What happens to the calls numbered `from` to `to`, from 1 on; nothing where `from` is 0. */
struct fault {
    uint64_t calls; /* so far; set it to 0 to count anew */
    uint64_t from;
    uint64_t to;
    int error;    /* errno of the failure; 0: none. For FAULT_ALLOC any other value is meant */
    size_t limit; /* a transfer is cut to so many bytes; 0: it is not */
};

/* The faults of this program; a test sets the entries and clears them again. */
extern struct fault faults[FAULT_COUNT];

/* All back to none, all counters to 0. */
void faults_clear(void);

#endif
