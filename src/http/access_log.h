/* The access log: one line a response, formatted in C, written in batches in the write beat.
 *
 * Format: the combined log of Apache, as gunicorn writes it, and the time taken in microseconds.
 * What comes from the peer is escaped (CVE-2020-7694). Loop thread. */
#ifndef HTTP_ACCESS_LOG_H
#define HTTP_ACCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "net/loop.h"
#include "net/peer.h"
#include "wire/head.h"

struct access_log {
    int fd; /* read-only; -1: off. [borrows until access_log_release] */
    /* private */
    struct loop *loop;
    struct flushable flushable;
    char *batch;
    size_t len;
    uint64_t lost; /* lines that could not be written */
};

/* What of a request its line needs: kept from `start` to the end of the response. */
struct access_entry {
    uint64_t began; /* µs, monotonic */
    char *text; /* request line, referer and user agent, rendered; NULL where memory was short */
    uint32_t len;
    uint32_t split; /* where the request line ends in text */
};

void access_log_init(struct access_log *log, struct loop *loop, int fd);
void access_log_release(struct access_log *log);

/* Notes the request. Only where fd >= 0. */
void access_log_begin(struct access_entry *entry, const struct head *head, const uint8_t *bytes);

/* Writes the line and ends the entry. */
void access_log_end(struct access_log *log, struct access_entry *entry, const struct peer *peer,
                    int status, uint64_t body_bytes);

/* Ends the entry without a line. */
void access_entry_drop(struct access_entry *entry);

#endif
