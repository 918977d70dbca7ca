/* The operator's lines, waiting for the run beat; see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Are these eight bytes all printable ASCII without quote and backslash? A sum of what each of the
 * four conditions makes of the high bit of each byte. */
static bool is_plain_word(uint64_t word) {
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t high = 0x8080808080808080u;
    uint64_t quote = word ^ (ones * '"');
    uint64_t slash = word ^ (ones * '\\');
    uint64_t delete = word ^ (ones * 0x7f);
    uint64_t bad = word | (word - ones * 0x20) | (quote - ones) | (slash - ones) | (delete - ones);
    return (bad & high) == 0;
}

static bool is_plain(uint8_t c) {
    return c >= 0x20 && c < 0x7f && c != '\\' && c != '"';
}

static inline size_t escape(char *text, size_t size, struct slice bytes, struct slice prefix) {
    static const char digits[] = "0123456789abcdef";
    size_t len = 0;
    size_t i = 0;
    while (i < bytes.len) {
        uint64_t word;
        if (bytes.len - i >= sizeof(word) && size - len > sizeof(word)) {
            memcpy(&word, bytes.at + i, sizeof(word));
            if (is_plain_word(word)) {
                memcpy(text + len, &word, sizeof(word));
                len += sizeof(word);
                i += sizeof(word);
                continue;
            }
        }
        uint8_t c = bytes.at[i++];
        bool plain = is_plain(c);
        if (len + (plain ? 1 : prefix.len + 2) >= size) {
            break;
        }
        if (plain) {
            text[len++] = (char)c;
        } else {
            memcpy(text + len, prefix.at, prefix.len);
            len += prefix.len;
            text[len++] = digits[c >> 4];
            text[len++] = digits[c & 15];
        }
    }
    if (size > 0) {
        text[len] = '\0';
    }
    return len;
}

size_t log_escape(char *text, size_t size, struct slice bytes) {
    return escape(text, size, bytes, SLICE("\\x"));
}

size_t log_escape_json(char *text, size_t size, struct slice bytes) {
    return escape(text, size, bytes, SLICE("\\u00"));
}
