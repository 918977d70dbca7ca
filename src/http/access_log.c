/* The access log; see access_log.h. */
#include "http/access_log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/size.h"
#include "http/exchange.h"
#include "wire/base64.h"

#include "base/banned.h"

/* A batch is handed over when the write beat comes, or when the next line might not fit. */
enum { BATCH = ACCESS_LINE };

/* How long the end waits for what has not been written. */
enum { SETTLE_MS = 1000 };

/* A user and a password, decoded, at the most. */
enum { CREDENTIALS = 1024 };

/* --- handing over --- */

/* Once in a while: how many lines are lost. */
static void tell(struct access_log *log, bool now) {
    uint64_t lost = *log->dropped - log->dropped_told;
    if (lost == 0 || (!now && loop_now(log->loop) < log->tell_due)) {
        return;
    }
    log_write(log->told, LOG_LEVEL_WARNING,
              "%llu lines of the access log are lost: it cannot be written fast enough, or at all",
              (unsigned long long)lost);
    log->dropped_told = *log->dropped;
    log->tell_due = loop_now(log->loop) + ACCESS_TELL_MS;
}

static void hand_over(struct access_log *log) {
    if (log->len > 0) {
        *log->dropped += line_writer_put(&log->writer, slice_of(log->batch, log->len));
        log->len = 0;
    }
}

static void flush(struct flushable *flushable) {
    struct access_log *log = LIST_OWNER(flushable, struct access_log, flushable);
    hand_over(log);
    tell(log, false);
}

int access_log_init(struct access_log *log, struct loop *loop, struct log *told, uint64_t *dropped,
                    const struct access_config *config) {
    struct slice wrong;
    struct slice text = config->format.len > 0 ? config->format : SLICE(ACCESS_FORMAT_DEFAULT);
    *log = (struct access_log){.loop = loop, .told = told, .dropped = dropped, .stamp = -1};
    flushable_init(&log->flushable, flush);
    if (config->fd < 0) {
        return 0;
    }
    int err = access_format_init(&log->format, text, &wrong);
    if (err) {
        return err;
    }
    log->batch = malloc(BATCH);
    log->scratch = malloc(log->format.most + log->format.count * sizeof(uint32_t));
    err = log->batch && log->scratch ? line_writer_init(&log->writer, config->fd, config->prefix)
                                     : ERR_NOMEM;
    log->on = err == 0;
    if (err) {
        free(log->batch);
        free(log->scratch);
        access_format_release(&log->format);
    }
    return err;
}

void access_log_release(struct access_log *log) {
    if (!log->on) {
        return;
    }
    log->on = false;
    hand_over(log);
    list_remove(&log->flushable.link);
    *log->dropped += line_writer_release(&log->writer, SETTLE_MS);
    tell(log, true);
    free(log->batch);
    free(log->scratch);
    access_format_release(&log->format);
}

/* --- what is noted --- */

static struct slice value_of(const struct head *head, const uint8_t *bytes, enum header_id id,
                             struct slice name) {
    for (uint32_t i = 0; i < head->field_count; i++) {
        const struct field *field = &head->fields[i];
        if (field->id == id &&
            (id != HEADER_OTHER || slice_equal_nocase(field_name(field, bytes), name))) {
            return field_value(field, bytes);
        }
    }
    return slice_of(NULL, 0);
}

/* The user of `Authorization: Basic …` (RFC 7617), decoded into `room`; empty where there is none.
 */
static struct slice user_of(const struct head *head, const uint8_t *bytes,
                            uint8_t room[CREDENTIALS]) {
    struct slice value = value_of(head, bytes, HEADER_AUTHORIZATION, SLICE(""));
    struct slice scheme = SLICE("Basic ");
    if (value.len <= scheme.len || !slice_equal_nocase(slice_of(value.at, scheme.len), scheme)) {
        return slice_of(NULL, 0);
    }
    value = slice_of(value.at + scheme.len, value.len - scheme.len);
    ssize_t len = base64_decode(value, room, CREDENTIALS);
    const uint8_t *colon = len > 0 ? memchr(room, ':', (size_t)len) : NULL;
    return slice_of(room, colon ? (size_t)(colon - room) : 0);
}

/* METHOD SP TARGET SP VERSION. The length. */
static size_t put_request_line(const struct access_format *format, char *at,
                               const struct head *head, const uint8_t *bytes) {
    static const char versions[][10] = {" HTTP/1.0", " HTTP/1.1"};
    enum { VERSION = sizeof(versions[0]) - 1 };
    char *text = at;
    at += access_format_escape(format, at, ACCESS_TEXT / 4, head_method(head, bytes));
    *at++ = ' ';
    at += access_format_escape(format, at, ACCESS_TEXT - VERSION - (size_t)(at - text),
                               head_target(head, bytes));
    memcpy(at, versions[head->minor & 1], VERSION);
    return (size_t)(at - text) + VERSION;
}

static struct slice request_value(const struct access_part *part, const struct head *head,
                                  const struct request_rules *rules, const uint8_t *bytes,
                                  uint8_t room[CREDENTIALS]) {
    switch (part->atom) {
    case ACCESS_METHOD:
        return head_method(head, bytes);
    case ACCESS_PATH:
        return rules->path;
    case ACCESS_QUERY:
        return rules->query;
    case ACCESS_PROTOCOL:
        return head->minor ? SLICE("HTTP/1.1") : SLICE("HTTP/1.0");
    case ACCESS_REFERER:
        return value_of(head, bytes, HEADER_REFERER, SLICE(""));
    case ACCESS_AGENT:
        return value_of(head, bytes, HEADER_USER_AGENT, SLICE(""));
    case ACCESS_USER:
        return user_of(head, bytes, room);
    default:
        return value_of(head, bytes, part->id, part->text);
    }
}

/* Escaped, or what stands for nothing. The length. */
static size_t put_value(const struct access_format *format, char *at, struct slice value) {
    if (value.len > 0) {
        return access_format_escape(format, at, ACCESS_TEXT, value);
    }
    *at = '-';
    return format->json ? 0 : 1;
}

/* Each note stands behind its length. */
static char *put_note(char *at, uint32_t len) {
    memcpy(at, &len, sizeof(len));
    return at + sizeof(len) + len;
}

/* A copy of what stands in scratch; NULL where memory is short. */
static char *keep(const struct access_log *log, const char *end) {
    size_t len = (size_t)(end - log->scratch);
    char *copy = malloc(len > 0 ? len : 1);
    if (copy) {
        memcpy(copy, log->scratch, len);
    }
    return copy;
}

void access_log_begin(struct access_log *log, struct access_entry *entry, const struct head *head,
                      const struct request_rules *rules, const uint8_t *bytes) {
    const struct access_format *format = &log->format;
    uint8_t room[CREDENTIALS];
    char *at = log->scratch;
    entry->began = uv_hrtime() / 1000;
    for (size_t i = 0; i < format->count; i++) {
        const struct access_part *part = &format->parts[i];
        char *text = at + sizeof(uint32_t);
        if (part->when != ACCESS_REQUEST) {
            continue;
        }
        size_t len = part->atom == ACCESS_LINE_1
                         ? put_request_line(format, text, head, bytes)
                         : put_value(format, text, request_value(part, head, rules, bytes, room));
        at = put_note(at, (uint32_t)len);
    }
    entry->notes = keep(log, at);
}

void access_log_head(struct access_log *log, struct access_entry *entry,
                     const struct response_field *fields, size_t count) {
    const struct access_format *format = &log->format;
    char *at = log->scratch;
    if (!format->has_head) {
        return;
    }
    for (size_t i = 0; i < format->count; i++) {
        const struct access_part *part = &format->parts[i];
        if (part->when != ACCESS_HEAD) {
            continue;
        }
        struct slice value = {NULL, 0};
        for (size_t j = 0; j < count && value.len == 0; j++) {
            value = slice_equal_nocase(fields[j].name, part->text) ? fields[j].value : value;
        }
        at = put_note(at, (uint32_t)put_value(format, at + sizeof(uint32_t), value));
    }
    free(entry->answer);
    entry->answer = keep(log, at);
}

void access_entry_drop(struct access_entry *entry) {
    free(entry->notes);
    free(entry->answer);
    entry->notes = NULL;
    entry->answer = NULL;
}

/* --- the line --- */

static char *put(char *at, struct slice text) {
    memcpy(at, text.at, text.len);
    return at + text.len;
}

static char *put_text(char *at, const char *text) {
    return put(at, slice_of(text, strlen(text)));
}

/* At least `width` digits. */
static char *put_number(char *at, uint64_t number, size_t width) {
    char digits[20];
    size_t n = sizeof(digits);
    do {
        digits[--n] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || sizeof(digits) - n < width);
    return put(at, slice_of(digits + n, sizeof(digits) - n));
}

/* "2026-11-24" with the two dashes as they are asked for, day last. */
static void render_time(struct access_log *log, time_t now) {
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm = {0};
    gmtime_r(&now, &tm);
    char *at = log->time;
    *at++ = '[';
    at = put_number(at, (uint64_t)tm.tm_mday, 2);
    *at++ = '/';
    at = put_text(at, months[tm.tm_mon % 12]);
    *at++ = '/';
    at = put_number(at, (uint64_t)tm.tm_year + 1900, 4);
    char *iso = put_number(log->iso_time, (uint64_t)tm.tm_year + 1900, 4);
    *iso++ = '-';
    iso = put_number(iso, (uint64_t)tm.tm_mon + 1, 2);
    *iso++ = '-';
    iso = put_number(iso, (uint64_t)tm.tm_mday, 2);
    *iso++ = 'T';
    char *clock = iso;
    iso = put_number(iso, (uint64_t)tm.tm_hour, 2);
    *iso++ = ':';
    iso = put_number(iso, (uint64_t)tm.tm_min, 2);
    *iso++ = ':';
    iso = put_number(iso, (uint64_t)tm.tm_sec, 2);
    *at++ = ':';
    at = put(at, slice_of(clock, (size_t)(iso - clock)));
    *put_text(at, " +0000]") = '\0';
    *put_text(iso, "Z") = '\0';
}

static void look_at_clock(struct access_log *log) {
    time_t now = time(NULL);
    if (now != log->stamp) {
        render_time(log, now);
        log->stamp = now;
    }
}

static char *put_peer(struct access_log *log, char *at, const struct peer *peer) {
    if (log->peer_text[0] == '\0' || !peer_equal(peer, &log->peer)) {
        log->peer = *peer;
        if (peer_ip_text(peer, log->peer_text) == 0) {
            *put_text(log->peer_text, "unix") = '\0';
        }
    }
    return put_text(at, log->peer_text);
}

static char *put_end(struct access_log *log, char *at, enum access_atom atom,
                     const struct access_end *end, uint64_t took) {
    switch (atom) {
    case ACCESS_CLIENT:
        return put_peer(log, at, end->client);
    case ACCESS_TIME:
        look_at_clock(log);
        return put_text(at, log->time);
    case ACCESS_ISO_TIME:
        look_at_clock(log);
        return put_text(at, log->iso_time);
    case ACCESS_STATUS:
        return put_number(at, (uint64_t)end->status, 3);
    case ACCESS_BYTES_OR_DASH:
        return end->bytes > 0 ? put_number(at, end->bytes, 1) : put_text(at, "-");
    case ACCESS_BYTES:
        return put_number(at, end->bytes, 1);
    case ACCESS_SECONDS:
        return put_number(at, took / 1000000, 1);
    case ACCESS_MILLIS:
        return put_number(at, took / 1000, 1);
    case ACCESS_MICROS:
        return put_number(at, took, 1);
    case ACCESS_DECIMAL:
        at = put_number(at, took / 1000000, 1);
        *at++ = '.';
        return put_number(at, took % 1000000, 6);
    default:
        return at + put_value(&log->format, at, end->request_id);
    }
}

/* Takes the next note; where there is none, it is as if the value were missing. */
static char *put_noted(const struct access_format *format, char *at, const char **notes) {
    uint32_t len;
    if (!*notes) {
        return at + put_value(format, at, slice_of(NULL, 0));
    }
    memcpy(&len, *notes, sizeof(len));
    at = put(at, slice_of(*notes + sizeof(len), len));
    *notes += sizeof(len) + len;
    return at;
}

void access_log_end(struct access_log *log, struct access_entry *entry,
                    const struct access_end *end) {
    const struct access_format *format = &log->format;
    uint64_t took = uv_hrtime() / 1000 - entry->began;
    const char *notes = entry->notes;
    const char *answer = entry->answer;
    if (!notes) {
        ++*log->dropped;
        access_entry_drop(entry);
        return;
    }
    if (log->len + format->most > BATCH) {
        hand_over(log);
    }
    char *at = log->batch + log->len;
    for (size_t i = 0; i < format->count; i++) {
        const struct access_part *part = &format->parts[i];
        switch (part->when) {
        case ACCESS_ALWAYS:
            at = put(at, part->text);
            break;
        case ACCESS_REQUEST:
            at = put_noted(format, at, &notes);
            break;
        case ACCESS_HEAD:
            at = put_noted(format, at, &answer);
            break;
        case ACCESS_END:
            at = put_end(log, at, part->atom, end, took);
            break;
        }
    }
    *at++ = '\n';
    log->len = (size_t)(at - log->batch);
    loop_flush_later(log->loop, &log->flushable);
    access_entry_drop(entry);
}
