/* Lines for the operator, from rooms that may not touch Python: they wait in a bounded buffer
 * and the sink takes them in the run beat. Not the access log. Loop thread. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

/* Who takes the lines. */
struct log_sink {
    void (*wake)(void *arg); /* a first line waits: arrange that log_drain is called */
    void *arg;
};

enum { LOG_LINES = 64, LOG_LINE = 512 };

struct log_line {
    enum log_level level;
    uint16_t len;
    char text[LOG_LINE];
};

struct log {
    struct log_sink sink;
    struct log_line *lines; /* private: LOG_LINES of them, allocated with the first line */
    uint32_t first;         /* private */
    uint32_t count;         /* private */
    uint64_t dropped;       /* lines lost because the buffer was full or memory short */
};

void log_init(struct log *log, struct log_sink sink);
void log_release(struct log *log);

/* Queues a line; printf's format. A full buffer drops and counts. */
void log_write(struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes the next line out; NULL where none waits. [borrows until the next call] */
const struct log_line *log_next(struct log *log);

/* Writes `bytes` into `text` with every byte that is not printable ASCII, and every backslash and
 * quote, as \xNN, cut to what fits with its NUL. Returns the length. */
size_t log_escape(char *text, size_t size, struct slice bytes);

/* The same, for the inside of a JSON string: as \u00NN, whatever encoding the bytes are in (RFC
 * 8259 section 7). */
size_t log_escape_json(char *text, size_t size, struct slice bytes);

#endif
