/* The format of access log lines, from gunicorn's notation to a list of parts, once at the start.
 * Not for the lines: access_log.c fills them in.
 *
 * `%(h)s` is an atom, `%({name}i)s` one with a name, `%%` a percent sign; all else stands for
 * itself. ACCESS_ATOMS below has them all. `common`, `combined` and `json` are ready-made formats.
 *
 * Laws
 * 1. An atom that is not in the table, or not closed, is refused, and told.
 * 2. A format that begins with "{" writes JSON: what comes from outside is escaped as JSON
 *    strings are, every byte beyond ASCII as U+0080 to U+00FF (Latin-1, which is what HTTP's fields
 *    are; RFC 9110 section 5.5), so that a line is valid JSON whatever a peer sends. Else it is
 *    escaped as \xNN. Either way a line is printable ASCII.
 * 3. What is not there is "-"; in JSON "".
 * 4. No line is longer than ACCESS_LINE: a format that could make one is refused. */
#ifndef HTTP_ACCESS_FORMAT_H
#define HTTP_ACCESS_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "wire/header_id.h"

/* Bytes of a value that comes from outside, escaped, at the most; of any other; of a line. */
enum { ACCESS_TEXT = 2048, ACCESS_NUMBER = 48, ACCESS_LINE = 64 * 1024 };

/* When the value of a part is known: by the request, by the response's head, or at its end. */
enum access_when { ACCESS_ALWAYS, ACCESS_REQUEST, ACCESS_HEAD, ACCESS_END };

/* Part, how it is written, when it is known, what it is. Those written "{}x" have a name. */
#define ACCESS_ATOMS(X)                                                                            \
    X(ACCESS_CLIENT, "h", ACCESS_END, "address of the client")                                     \
    X(ACCESS_DASH, "l", ACCESS_ALWAYS, "a dash")                                                   \
    X(ACCESS_USER, "u", ACCESS_REQUEST, "user of Basic authentication")                            \
    X(ACCESS_TIME, "t", ACCESS_END, "time of the line, UTC, as in [24/Nov/2026:10:30:00 +0000]")   \
    X(ACCESS_ISO_TIME, "time", ACCESS_END, "the same as in 2026-11-24T10:30:00Z")                  \
    X(ACCESS_LINE_1, "r", ACCESS_REQUEST, "request line")                                          \
    X(ACCESS_METHOD, "m", ACCESS_REQUEST, "method")                                                \
    X(ACCESS_PATH, "U", ACCESS_REQUEST, "path, without the query")                                 \
    X(ACCESS_QUERY, "q", ACCESS_REQUEST, "query")                                                  \
    X(ACCESS_PROTOCOL, "H", ACCESS_REQUEST, "protocol")                                            \
    X(ACCESS_STATUS, "s", ACCESS_END, "status")                                                    \
    X(ACCESS_BYTES, "B", ACCESS_END, "bytes of the response's body")                               \
    X(ACCESS_BYTES_OR_DASH, "b", ACCESS_END, "the same, a dash for 0")                             \
    X(ACCESS_REFERER, "f", ACCESS_REQUEST, "Referer")                                              \
    X(ACCESS_AGENT, "a", ACCESS_REQUEST, "User-Agent")                                             \
    X(ACCESS_SECONDS, "T", ACCESS_END, "time taken, in seconds")                                   \
    X(ACCESS_MILLIS, "M", ACCESS_END, "the same in milliseconds")                                  \
    X(ACCESS_MICROS, "D", ACCESS_END, "the same in microseconds")                                  \
    X(ACCESS_DECIMAL, "L", ACCESS_END, "the same in seconds with six decimals")                    \
    X(ACCESS_PID, "p", ACCESS_ALWAYS, "process id of the worker")                                  \
    X(ACCESS_REQUEST_ID, "I", ACCESS_END, "request id (--request-id)")                             \
    X(ACCESS_IN, "{}i", ACCESS_REQUEST, "a field of the request")                                  \
    X(ACCESS_OUT, "{}o", ACCESS_HEAD, "a field of the application's response")                     \
    X(ACCESS_ENV, "{}e", ACCESS_ALWAYS, "a variable of the request (HTTP_ACCEPT) or of the process")

enum access_atom {
    ACCESS_LITERAL,
#define X(atom, text, when, help) atom,
    ACCESS_ATOMS(X)
#undef X
};

struct access_part {
    enum access_atom atom;
    enum access_when when;
    enum header_id id; /* of a named field; HEADER_OTHER where the name is not known */
    struct slice text; /* of ACCESS_LITERAL: itself; of a named one: its name */
};

struct access_format {
    /* read-only */
    struct access_part *parts;
    size_t count;
    size_t most;   /* bytes of a line, with its end, at the most; of noted values no more */
    bool json;     /* law 2 */
    bool has_head; /* a part is known by the response's head */
    /* private */
    char *memory;
};

/* What is written where nothing else is asked for: gunicorn's default and the time taken in
 * microseconds. */
#define ACCESS_FORMAT_DEFAULT                                                                      \
    "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\" %(D)s"

/* Reads a format, or the name of a ready-made one. What is always the same (process id,
 * environment) is taken now. 0; ERR_NOMEM; ERR_LOG_ATOM: `*wrong` [borrows text] is what is not
 * known; ERR_LOG_LINE: law 4. After an error, nothing is left. */
int access_format_init(struct access_format *format, struct slice text, struct slice *wrong);

/* Zeroed memory is nothing. */
void access_format_release(struct access_format *format);

/* Writes `bytes` into `text`, of `size` bytes, escaped as the format asks for, cut between two
 * escapes; no NUL. The length. */
size_t access_format_escape(const struct access_format *format, char *text, size_t size,
                            struct slice bytes);

#endif
