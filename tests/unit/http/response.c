/* A strict reader of responses; see response.h. RFC 9112, of which it takes only what this server
 * may send. */
#include "http/response.h"

#include <string.h>

static bool starts_with(struct slice bytes, struct slice prefix) {
    return bytes.len >= prefix.len && memcmp(bytes.at, prefix.at, prefix.len) == 0;
}

static void skip(struct slice *bytes, size_t len) {
    bytes->at += len;
    bytes->len -= len;
}

/* Takes a line without its CRLF off `bytes`: false where none is whole. */
static bool take_line(struct slice *bytes, struct slice *line) {
    for (size_t i = 0; i + 1 < bytes->len; i++) {
        if (bytes->at[i] == '\r' && bytes->at[i + 1] == '\n') {
            *line = slice_of(bytes->at, i);
            skip(bytes, i + 2);
            return true;
        }
    }
    return false;
}

static int digit(uint8_t c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* All of `text` as a number; false where it is none. */
static bool number(struct slice text, int base, size_t *value) {
    *value = 0;
    for (size_t i = 0; i < text.len; i++) {
        int d = digit(text.at[i]);
        if (d < 0 || d >= base || *value > (SIZE_MAX - 15) / 16) {
            return false;
        }
        *value = *value * (size_t)base + (size_t)d;
    }
    return text.len > 0;
}

static bool status_line(struct slice line, int *status) {
    size_t value;
    if (!starts_with(line, SLICE("HTTP/1.1 ")) || line.len < 13 || line.at[12] != ' ' ||
        !number(slice_of(line.at + 9, 3), 10, &value)) {
        return false;
    }
    *status = (int)value;
    return true;
}

/* "Name: value", by its name; false where the line is something else. */
static bool field(struct slice line, struct response *response) {
    const uint8_t *colon = line.len ? memchr(line.at, ':', line.len) : NULL;
    if (!colon || colon == line.at || colon + 1 == line.at + line.len || colon[1] != ' ') {
        return false;
    }
    for (size_t i = 0; i < line.len; i++) {
        if (line.at[i] < 0x20 && line.at[i] != '\t') {
            return false;
        }
    }
    struct slice name = slice_of(line.at, (size_t)(colon - line.at));
    struct slice value = slice_of(colon + 2, (size_t)(line.at + line.len - colon - 2));
    if (slice_equal_nocase(name, SLICE("content-length"))) {
        bool again = response->has_length;
        response->has_length = true;
        return !again && number(value, 10, &response->content_length);
    }
    if (slice_equal_nocase(name, SLICE("transfer-encoding"))) {
        bool again = response->chunked;
        response->chunked = true;
        return !again && slice_equal(value, SLICE("chunked"));
    }
    if (slice_equal_nocase(name, SLICE("connection"))) {
        response->closes = slice_equal(value, SLICE("close"));
        bool switches = response->status == 101 && slice_equal(value, SLICE("Upgrade"));
        return response->closes || switches || slice_equal(value, SLICE("keep-alive"));
    }
    return true;
}

/* The trailer section and the empty line: 1: whole, 0: not yet, -1: malformed. */
static int trailers(struct slice *bytes) {
    struct response none = {0};
    struct slice line;
    while (take_line(bytes, &line)) {
        if (line.len == 0) {
            return 1;
        }
        if (!field(line, &none) || none.has_length || none.chunked || none.closes) {
            return -1;
        }
    }
    return 0;
}

/* 1: whole, 0: not yet, -1: malformed. */
static int chunks(struct slice *bytes, struct response *response) {
    struct slice line;
    size_t size;
    for (;;) {
        if (!take_line(bytes, &line)) {
            return bytes->len > 18 ? -1 : 0;
        }
        if (!number(line, 16, &size)) {
            return -1;
        }
        if (size == 0) {
            return trailers(bytes);
        }
        if (bytes->len < size || bytes->len - size < 2) {
            return 0;
        }
        if (bytes->at[size] != '\r' || bytes->at[size + 1] != '\n') {
            return -1;
        }
        response->body_len += size;
        skip(bytes, size + 2);
    }
}

/* 1: whole, 0: not yet, -1: malformed. RFC 9112 section 6.3. */
static int body(struct slice *bytes, bool to_head, bool ended, struct response *response) {
    const uint8_t *start = bytes->at;
    int status = response->status;
    int whole = 1;
    if ((status >= 100 && status < 200) || status == 204) {
        whole = response->chunked || response->has_length ? -1 : 1;
    } else if (to_head || status == 304) {
        whole = 1;
    } else if (response->chunked) {
        whole = response->has_length ? -1 : chunks(bytes, response);
    } else if (response->has_length) {
        whole = bytes->len >= response->content_length;
        if (whole) {
            response->body_len = response->content_length;
            skip(bytes, response->content_length);
        }
    } else {
        response->until_close = true;
        whole = !response->closes ? -1 : ended;
        response->body_len = bytes->len;
        skip(bytes, bytes->len);
    }
    response->body = slice_of(start, (size_t)(bytes->at - start));
    return whole;
}

ssize_t response_read(struct slice bytes, bool to_head, bool ended, struct response *response) {
    *response = (struct response){0};
    struct slice rest = bytes;
    struct slice line;
    if (!take_line(&rest, &line)) {
        return 0;
    }
    if (!status_line(line, &response->status)) {
        return -1;
    }
    for (;;) {
        if (!take_line(&rest, &line)) {
            return 0;
        }
        if (line.len == 0) {
            break;
        }
        if (!field(line, response)) {
            return -1;
        }
    }
    int whole = body(&rest, to_head, ended, response);
    return whole > 0 ? (ssize_t)(bytes.len - rest.len) : whole;
}
