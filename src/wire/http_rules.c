/* The rules of HTTP that every protocol shares, request side first, then response side.
 *
 * Each request is judged in one fixed order, so that the error is the same on every path: the
 * request line, then field after field, then what the fields say together. */
#include "wire/http_rules.h"

#include "base/err.h"
#include "wire/authority.h"
#include "wire/byte_class.h"
#include "wire/field_list.h"

#include "base/banned.h"

#define LENGTH_DIGITS_MAX 19

/* What the fields have said so far. */
struct findings {
    bool content_type;
    bool transfer_encoding;
    bool upgrade_field;
    bool token_close;
    bool token_keep_alive;
    bool token_upgrade;
    bool expect_continue;
};

int http_rules_content_length(struct slice value, uint64_t *length) {
    if (value.len == 0 || value.len > LENGTH_DIGITS_MAX) {
        return ERR_CONTENT_LENGTH;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (!byte_is_digit(value.at[i])) {
            return ERR_CONTENT_LENGTH;
        }
        sum = sum * 10 + (uint64_t)(value.at[i] - '0'); /* 19 digits fit 64 bits */
    }
    if (sum > INT64_MAX) {
        return ERR_CONTENT_LENGTH; /* no body is that long, and signed sums with it are safe */
    }
    *length = sum;
    return 0;
}

/* RFC 9112 sections 6.1 and 6.3. The one value served is "chunked". A list that does not end in
 * it leaves the body's length unknown (400); one that does asks for a coding that is not
 * implemented (501). */
static int judge_transfer_encoding(struct slice value) {
    unsigned codings = 0;
    unsigned chunked = 0;
    bool last_chunked = false;
    struct slice element;
    while (list_next(&value, &element)) {
        if (!is_token(element)) {
            return ERR_TRANSFER_CODING; /* an empty element or a parameter */
        }
        last_chunked = slice_equal_nocase(element, SLICE("chunked"));
        chunked += last_chunked;
        codings++;
    }
    if (chunked != 1 || !last_chunked) {
        return ERR_TRANSFER_CODING;
    }
    return codings == 1 ? 0 : ERR_CODING_UNKNOWN;
}

/* RFC 9110 section 7.6.1. What cannot be read as a list of tokens asks to close, to be safe. */
static void note_connection(struct slice value, struct findings *found) {
    struct slice element;
    while (list_next(&value, &element)) {
        if (slice_equal_nocase(element, SLICE("keep-alive"))) {
            found->token_keep_alive = true;
        } else if (slice_equal_nocase(element, SLICE("upgrade"))) {
            found->token_upgrade = true;
        } else if (slice_equal_nocase(element, SLICE("close")) ||
                   (element.len > 0 && !is_token(element))) {
            found->token_close = true;
        }
    }
}

static int judge_host(struct slice value, uint32_t index, struct request_rules *rules) {
    if (rules->host_field != UINT32_MAX) {
        return ERR_HOST_REPEATED;
    }
    rules->host_field = index;
    /* An empty value is legal: it says that the target has no authority (RFC 9112 sections 3.2
     * and 3.3), and the listener's own name takes its place. */
    if (value.len > 0 && !authority_is_valid(value)) {
        return ERR_HOST_VALUE;
    }
    if (rules->form != TARGET_ABSOLUTE) {
        rules->authority = value; /* an absolute target's own wins: RFC 9112 section 3.2.2 */
    }
    return 0;
}

static int judge_field(const struct field *field, const uint8_t *bytes, const struct head *head,
                       struct request_rules *rules, struct findings *found) {
    struct slice value = field_value(field, bytes);
    switch (field->id) {
    case HEADER_HOST:
        return judge_host(value, (uint32_t)(field - head->fields), rules);
    case HEADER_CONTENT_LENGTH:
        if (rules->has_content_length) {
            return ERR_CONTENT_LENGTH_REPEATED;
        }
        rules->has_content_length = true;
        return http_rules_content_length(value, &rules->content_length);
    case HEADER_TRANSFER_ENCODING:
        if (head->minor == 0) {
            return ERR_CODING_HTTP10; /* RFC 9112 section 6.1: its framing is faulty */
        }
        if (found->transfer_encoding) {
            return ERR_TRANSFER_CODING;
        }
        found->transfer_encoding = true;
        return judge_transfer_encoding(value);
    case HEADER_CONTENT_TYPE:
        if (found->content_type) {
            return ERR_CONTENT_TYPE_REPEATED;
        }
        found->content_type = true;
        return 0;
    case HEADER_CONNECTION:
        note_connection(value, found);
        return 0;
    case HEADER_EXPECT:
        if (head->minor == 0) {
            return 0; /* RFC 9110 section 10.1.1 */
        }
        found->expect_continue = slice_equal_nocase(value, SLICE("100-continue"));
        return found->expect_continue ? 0 : ERR_EXPECT;
    case HEADER_UPGRADE:
        found->upgrade_field = true;
        return 0;
    default:
        return 0;
    }
}

/* Cuts path and query out of `rest`, which begins at the path. A fragment never belongs into a
 * request (RFC 9112 section 3.2), and recipients that cut it off and such that do not see
 * different paths. */
static int judge_path(struct slice rest, struct request_rules *rules) {
    const uint8_t *end = rest.at + rest.len;
    const uint8_t *mark = end;
    for (const uint8_t *at = rest.at; at < end; at++) {
        if (*at == '#') {
            return ERR_TARGET;
        }
        if (*at == '?' && mark == end) {
            mark = at;
        }
    }
    rules->path = slice_of(rest.at, (size_t)(mark - rest.at));
    rules->query = mark < end ? slice_of(mark + 1, (size_t)(end - mark - 1)) : slice_of(end, 0);
    if (rules->path.len == 0) {
        rules->path = SLICE("/"); /* an absolute target without one */
    }
    return 0;
}

/* RFC 9112 section 3.2.2; only the schemes that a server can be asked for. */
static int judge_absolute(struct slice target, struct request_rules *rules) {
    static const struct slice schemes[] = {
        {(const uint8_t *)"http://", 7},
        {(const uint8_t *)"https://", 8},
    };
    rules->form = TARGET_ABSOLUTE;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t start = schemes[i].len;
        if (target.len < start || !slice_equal_nocase(slice_of(target.at, start), schemes[i])) {
            continue;
        }
        size_t end = start;
        while (end < target.len && target.at[end] != '/' && target.at[end] != '?' &&
               target.at[end] != '#') {
            end++;
        }
        rules->authority = slice_of(target.at + start, end - start);
        if (!authority_is_valid(rules->authority)) {
            return ERR_TARGET; /* an empty one too: RFC 9110 section 4.2.1 */
        }
        return judge_path(slice_of(target.at + end, target.len - end), rules);
    }
    return ERR_TARGET;
}

static int judge_target(struct slice method, struct slice target, struct request_rules *rules) {
    if (slice_equal(method, SLICE("CONNECT"))) {
        return ERR_CONNECT;
    }
    if (target.at[0] == '/') {
        rules->form = TARGET_ORIGIN;
        return judge_path(target, rules);
    }
    if (slice_equal(target, SLICE("*"))) {
        rules->form = TARGET_ASTERISK;
        rules->path = target;
        rules->query = slice_of(target.at + 1, 0);
        return slice_equal(method, SLICE("OPTIONS")) ? 0 : ERR_TARGET;
    }
    return judge_absolute(target, rules);
}

int http_rules_request(const struct head *head, const uint8_t *bytes, struct request_rules *rules) {
    *rules = (struct request_rules){.host_field = UINT32_MAX, .authority = {bytes, 0}};
    struct slice method = head_method(head, bytes);
    int err = judge_target(method, head_target(head, bytes), rules);
    struct findings found = {0};
    for (uint32_t i = 0; i < head->field_count && err == 0; i++) {
        err = judge_field(&head->fields[i], bytes, head, rules, &found);
    }
    if (err < 0) {
        return err;
    }
    if (found.transfer_encoding && rules->has_content_length) {
        return ERR_LENGTH_AND_CODING; /* RFC 9112 section 6.1 allows to refuse it: do */
    }
    if (head->minor == 1 && rules->host_field == UINT32_MAX) {
        return ERR_HOST_MISSING; /* RFC 9112 section 3.2 */
    }
    if (found.transfer_encoding) {
        rules->body = BODY_CHUNKED;
    } else if (rules->content_length > 0) {
        rules->body = BODY_LENGTH;
    }
    /* RFC 9112 section 9.3: "close" wins over all, HTTP/1.0 must ask to stay. */
    rules->persistent = !found.token_close && (head->minor == 1 || found.token_keep_alive);
    rules->expect_continue = found.expect_continue && rules->body != BODY_NONE;
    /* RFC 9110 section 7.8: ignored in HTTP/1.0. */
    rules->upgrade = found.upgrade_field && found.token_upgrade && head->minor == 1;
    rules->is_head = slice_equal(method, SLICE("HEAD"));
    return 0;
}

int http_rules_response_field(struct slice name, struct slice value, enum header_id *id) {
    *id = header_id_of(name);
    if (*id == HEADER_OTHER && !is_token(name)) {
        return ERR_RESPONSE_NAME;
    }
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.at[i];
        if (c <= '\r' && (c == '\r' || c == '\n' || c == '\0')) {
            return ERR_RESPONSE_VALUE;
        }
    }
    switch (*id) {
    case HEADER_CONNECTION:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_KEEP_ALIVE:
    case HEADER_UPGRADE:
    case HEADER_TE:
    case HEADER_TRAILER:
        return ERR_RESPONSE_HOP;
    default:
        break;
    }
    bool proxy = name.len >= 6 && slice_equal_nocase(slice_of(name.at, 6), SLICE("proxy-"));
    return proxy ? ERR_RESPONSE_HOP : 0;
}

int http_rules_reason(struct slice reason) {
    for (size_t i = 0; i < reason.len; i++) {
        if (!byte_is_value(reason.at[i])) {
            return ERR_RESPONSE_REASON;
        }
    }
    return 0;
}
