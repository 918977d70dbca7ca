/* The access log; see access_log.h. */
#include "http/access_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/size.h"

#include "base/banned.h"

/* A batch is written when the write beat comes or when the next line might not fit. */
enum { BATCH = 64 * 1024 };

/* Of the request line, the referer and the user agent, escaped, each. */
enum { PART = 2048 };

/* The rest of a line: address, time, status, size, duration. */
enum { REST = 256 };

static void write_batch(struct access_log *log) {
    size_t written = 0;
    while (written < log->len) {
        ssize_t n = write(log->fd, log->batch + written, log->len - written);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            log->lost++;
            break;
        }
        written += (size_t)n;
    }
    log->len = 0;
}

static void flush(struct flushable *flushable) {
    write_batch(LIST_OWNER(flushable, struct access_log, flushable));
}

void access_log_init(struct access_log *log, struct loop *loop, int fd) {
    *log = (struct access_log){.fd = fd, .loop = loop};
    flushable_init(&log->flushable, flush);
}

void access_log_release(struct access_log *log) {
    if (log->batch) {
        write_batch(log);
    }
    list_remove(&log->flushable.link);
    free(log->batch);
    log->batch = NULL;
}

static struct slice value_of(const struct head *head, const uint8_t *bytes, enum header_id id) {
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (head->fields[i].id == id) {
            return field_value(&head->fields[i], bytes);
        }
    }
    return SLICE("-");
}

void access_log_begin(struct access_entry *entry, const struct head *head, const uint8_t *bytes) {
    entry->began = uv_hrtime() / 1000;
    entry->len = 0;
    entry->text = malloc(3 * PART + 64);
    if (!entry->text) {
        return;
    }
    char *at = entry->text;
    *at++ = '"';
    at += log_escape(at, 64, head_method(head, bytes));
    *at++ = ' ';
    at += log_escape(at, PART - 64, head_target(head, bytes));
    int n = snprintf(at, 16, " HTTP/1.%d\"", head->minor);
    at += n > 0 ? n : 0;
    entry->split = (uint32_t)(at - entry->text);
    *at++ = '"';
    at += log_escape(at, PART, value_of(head, bytes, HEADER_REFERER));
    *at++ = '"';
    *at++ = ' ';
    *at++ = '"';
    at += log_escape(at, PART, value_of(head, bytes, HEADER_USER_AGENT));
    *at++ = '"';
    entry->len = (uint32_t)(at - entry->text);
    char *small = realloc(entry->text, entry->len);
    entry->text = small ? small : entry->text;
}

void access_entry_drop(struct access_entry *entry) {
    free(entry->text);
    entry->text = NULL;
    entry->len = 0;
}

/* Room for `need` bytes more in the batch; false where memory is short. */
static bool make_room(struct access_log *log, size_t need) {
    if (!log->batch) {
        log->batch = malloc(BATCH);
    }
    if (log->batch && log->len + need > BATCH) {
        write_batch(log);
    }
    return log->batch != NULL && need <= BATCH;
}

void access_log_end(struct access_log *log, struct access_entry *entry, const struct peer *peer,
                    int status, uint64_t body_bytes) {
    if (!entry->text || !make_room(log, entry->len + REST)) {
        log->lost++;
        access_entry_drop(entry);
        return;
    }
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char ip[PEER_TEXT];
    time_t now = time(NULL);
    struct tm tm = {0};
    gmtime_r(&now, &tm);
    uint64_t took = uv_hrtime() / 1000 - entry->began;
    int n = snprintf(log->batch + log->len, entry->len + REST,
                     "%s - - [%02d/%s/%04d:%02d:%02d:%02d +0000] %.*s %d %llu %.*s %llu\n",
                     peer_ip_text(peer, ip) > 0 ? ip : "unix", tm.tm_mday, months[tm.tm_mon % 12],
                     tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)entry->split,
                     entry->text, status, (unsigned long long)body_bytes,
                     (int)(entry->len - entry->split), entry->text + entry->split,
                     (unsigned long long)took);
    if (n > 0 && (size_t)n < entry->len + REST) {
        log->len += (size_t)n;
        loop_flush_later(log->loop, &log->flushable);
    } else {
        log->lost++;
    }
    access_entry_drop(entry);
}
