/* method SP request-target SP HTTP-version CRLF, one byte at a time: RFC 9112 section 3. */
#include "wire/head_line.h"

#include "base/err.h"
#include "wire/byte_class.h"

#include "base/banned.h"

static const char version[] = "HTTP/1.";

#define VERSION_DIGIT 7 /* where the minor version stands */

static int on_method(struct head *head, uint32_t pos, uint8_t c) {
    uint32_t len = pos - head->line;
    if (byte_is_token(c)) {
        return len < METHOD_MAX ? 0 : ERR_METHOD;
    }
    if (c != ' ') {
        return c == '\r' ? ERR_REQUEST_LINE : ERR_METHOD;
    }
    head->method = head->line;
    head->method_len = len;
    head->target = pos + 1;
    head->phase = PHASE_TARGET;
    return len > 0 ? 0 : ERR_METHOD;
}

static int on_target(struct head *head, uint32_t pos, uint8_t c) {
    if (c > ' ' && c < 0x7F) {
        return 0;
    }
    head->target_len = pos - head->target;
    head->phase = PHASE_VERSION;
    if (c == ' ') {
        return head->target_len > 0 ? 0 : ERR_REQUEST_LINE;
    }
    return c == '\r' ? ERR_REQUEST_LINE : ERR_TARGET;
}

/* RFC 9112 section 2.3. Versions other than 1.0 and 1.1 are told from what is none at all. */
static int on_version(struct head *head, uint32_t pos, uint8_t c) {
    uint32_t i = pos - (head->target + head->target_len + 1);
    if (i < VERSION_DIGIT) {
        return c == (uint8_t)version[i] ? 0 : i < 5 ? ERR_REQUEST_LINE : ERR_VERSION;
    }
    head->minor = c - '0';
    head->phase = PHASE_LINE_CR;
    return c == '0' || c == '1' ? 0 : ERR_VERSION;
}

static int on_byte(struct head *head, uint32_t pos, uint8_t c) {
    switch ((enum phase)head->phase) {
    case PHASE_METHOD:
        return on_method(head, pos, c);
    case PHASE_TARGET:
        return on_target(head, pos, c);
    case PHASE_VERSION:
        return on_version(head, pos, c);
    case PHASE_LINE_CR:
        head->phase = PHASE_LINE_LF;
        return c == '\r' ? 0 : byte_is_digit(c) ? ERR_VERSION : ERR_REQUEST_LINE;
    case PHASE_START_LF: /* RFC 9112 section 2.2: one empty line is skipped */
        head->line = pos + 1;
        head->phase = PHASE_METHOD;
        return c == '\n' ? 0 : ERR_LINE_END;
    default: /* PHASE_LINE_LF */
        head->line = pos + 1;
        head->phase = PHASE_NAME;
        return c == '\n' ? 0 : ERR_LINE_END;
    }
}

int head_line(struct head *head, const uint8_t *bytes, size_t end,
              const struct head_limits *limits) {
    while (head->scan < end && head->phase < PHASE_NAME) {
        uint32_t pos = head->scan;
        uint8_t c = bytes[pos];
        if (head->phase == PHASE_START) {
            head->phase = c == '\r' ? PHASE_START_LF : PHASE_METHOD;
            head->scan += c == '\r';
            continue;
        }
        bool ends = head->phase == PHASE_START_LF || head->phase == PHASE_LINE_LF;
        bool last = head->phase == PHASE_LINE_CR && c == '\r';
        if (!ends && !last && pos - head->line >= limits->line) {
            return ERR_LINE_TOO_LONG;
        }
        if (!ends && c == '\n') {
            return ERR_LINE_END;
        }
        int err = on_byte(head, pos, c);
        if (err < 0) {
            return err;
        }
        head->scan = pos + 1;
    }
    return 0;
}
