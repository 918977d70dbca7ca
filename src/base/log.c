/* The operator's lines, waiting for the run beat; see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/banned.h"

void log_init(struct log *log, struct log_sink sink) {
    *log = (struct log){.sink = sink};
}

void log_release(struct log *log) {
    free(log->lines);
    *log = (struct log){0};
}

void log_write(struct log *log, enum log_level level, const char *format, ...) {
    if (!log->lines) {
        log->lines = calloc(LOG_LINES, sizeof(*log->lines));
    }
    if (!log->lines || log->count == LOG_LINES) {
        log->dropped++;
        return;
    }
    struct log_line *line = &log->lines[(log->first + log->count) % LOG_LINES];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line->text, sizeof(line->text), format, args);
    va_end(args);
    if (len < 0) {
        log->dropped++;
        return;
    }
    line->level = level;
    line->len = len < LOG_LINE ? (uint16_t)len : LOG_LINE - 1;
    if (log->count++ == 0) {
        log->sink.wake(log->sink.arg);
    }
}

const struct log_line *log_next(struct log *log) {
    if (log->count == 0) {
        return NULL;
    }
    const struct log_line *line = &log->lines[log->first];
    log->first = (log->first + 1) % LOG_LINES;
    log->count--;
    return line;
}

size_t log_escape(char *text, size_t size, struct slice bytes) {
    static const char digits[] = "0123456789abcdef";
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t c = bytes.at[i];
        bool plain = c >= 0x20 && c < 0x7f && c != '\\' && c != '"';
        if (len + (plain ? 1 : 4) >= size) {
            break;
        }
        if (plain) {
            text[len++] = (char)c;
        } else {
            text[len++] = '\\';
            text[len++] = 'x';
            text[len++] = digits[c >> 4];
            text[len++] = digits[c & 15];
        }
    }
    if (size > 0) {
        text[len] = '\0';
    }
    return len;
}
