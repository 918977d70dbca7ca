/* The access log: one line a response, formatted in C. A turn's lines are handed over together, in
 * the write beat, to a thread that writes them (net/line_writer.h): no request waits for a log.
 *
 * What the line needs of a request is noted when its head is complete, because its bytes go; the
 * rest is known at the end. What comes from outside is escaped (CVE-2020-7694). Lines that could
 * not be written are counted, and told in the operator's log every ACCESS_TELL_MS at the most.
 * Loop thread. */
#ifndef HTTP_ACCESS_LOG_H
#define HTTP_ACCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/slice.h"
#include "http/access_format.h"
#include "net/line_writer.h"
#include "net/loop.h"
#include "net/peer.h"
#include "wire/head.h"
#include "wire/http_rules.h"

struct response_field;

enum { ACCESS_TELL_MS = 10000 };

/* What somebody asks for. */
struct access_config {
    int fd;              /* -1: no log. [borrows until access_log_release] */
    struct slice format; /* as access_format_init has it; empty: ACCESS_FORMAT_DEFAULT */
    struct slice prefix; /* of datagrams. [borrows until access_log_release] */
};

struct access_log {
    bool on; /* read-only */
    /* private */
    struct loop *loop;
    struct log *told; /* the operator's */
    struct flushable flushable;
    struct access_format format;
    struct line_writer writer;
    char *batch;   /* lines of this turn */
    char *scratch; /* for notes, before their length is known */
    size_t len;    /* of the batch */
    uint64_t *dropped;
    uint64_t dropped_told;
    uint64_t tell_due; /* ms */
    int64_t stamp;     /* the second that the texts below are of */
    char time[32];
    char iso_time[24];
    struct peer peer; /* whom peer_text is of */
    char peer_text[PEER_TEXT];
};

/* What of a request its line needs: kept from the end of its head to the end of the response.
 * Zeroed memory is an empty one. */
struct access_entry {
    uint64_t began; /* µs, monotonic */
    char *notes;    /* values of the request, each behind its length; NULL where memory was short */
    char *answer;   /* those of the response's head */
};

/* What is known of a response at its end. */
struct access_end {
    const struct peer *client;
    struct slice request_id; /* empty: it has none */
    int status;
    uint64_t bytes; /* of its body */
};

/* `told` and `dropped` (the number of lines that are lost) [borrows until access_log_release].
 * 0; what access_format_init and line_writer_init return: then there is nothing to release. */
int access_log_init(struct access_log *log, struct loop *loop, struct log *told, uint64_t *dropped,
                    const struct access_config *config);

/* Waits until what there is has been written, for a second at the most, tells of lines that were
 * lost, and ends it. Zeroed memory is none. */
void access_log_release(struct access_log *log);

/* Notes the request. Only where the log is on. */
void access_log_begin(struct access_log *log, struct access_entry *entry, const struct head *head,
                      const struct request_rules *rules, const uint8_t *bytes);

/* Notes the application's fields of the response; the last ones count. */
void access_log_head(struct access_log *log, struct access_entry *entry,
                     const struct response_field *fields, size_t count);

/* Writes the line and ends the entry. */
void access_log_end(struct access_log *log, struct access_entry *entry,
                    const struct access_end *end);

/* Ends the entry without a line. */
void access_entry_drop(struct access_entry *entry);

#endif
