/* The fields of proxies; see forwarded.h. */
#include "wire/forwarded.h"

#include <string.h>

#include "base/err.h"
#include "base/ip_text.h"
#include "wire/authority.h"
#include "wire/byte_class.h"

#include "base/banned.h"

static struct slice from(struct slice text, size_t at) {
    return slice_of(text.at + at, text.len - at);
}

static struct slice trimmed(struct slice text) {
    while (text.len > 0 && byte_is_space(text.at[0])) {
        text = from(text, 1);
    }
    while (text.len > 0 && byte_is_space(text.at[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* --- nodes, RFC 7239 section 6 --- */

/* Digits only, five at the most; 0 to 65535. */
static bool read_number(struct slice text, uint32_t *number) {
    *number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!byte_is_digit(text.at[i])) {
            return false;
        }
        *number = *number * 10 + (uint32_t)(text.at[i] - '0');
    }
    return text.len > 0 && text.len <= 5 && *number <= UINT16_MAX;
}

/* "_" and letters, digits, ".", "_", "-" */
static bool is_obfuscated(struct slice text) {
    for (size_t i = 1; i < text.len; i++) {
        uint8_t c = ascii_lower(text.at[i]);
        if (!(c >= 'a' && c <= 'z') && !byte_is_digit(c) && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return text.len > 1 && text.at[0] == '_';
}

/* The port of a node, or a name that hides it. */
static bool read_node_port(struct slice text, uint16_t *port) {
    uint32_t number = 0;
    if (is_obfuscated(text)) {
        return true;
    }
    bool good = read_number(text, &number);
    *port = (uint16_t)number;
    return good;
}

static bool is_hiding(struct slice name) {
    return slice_equal_nocase(name, SLICE("unknown")) || is_obfuscated(name);
}

/* An address without brackets, or a name that hides it. */
static bool read_node_name(struct slice name, struct node *node) {
    if (ip_text_v4(name, node->ip)) {
        node->kind = NODE_IPV4;
        return true;
    }
    return is_hiding(name);
}

static bool read_node_v6(struct slice text, struct node *node) {
    if (!ip_text_v6(text, node->ip)) {
        return false;
    }
    node->kind = NODE_IPV6;
    return true;
}

static bool read_node(struct slice text, struct node *node) {
    *node = (struct node){.kind = NODE_HIDDEN};
    bool bracket = text.len > 0 && text.at[0] == '[';
    const uint8_t *stop = text.len > 0 ? memchr(text.at, bracket ? ']' : ':', text.len) : NULL;
    if (bracket && !stop) {
        return false;
    }
    size_t len = stop ? (size_t)(stop - text.at) : text.len;
    bool good = bracket ? read_node_v6(slice_of(text.at + 1, len - 1), node)
                        : read_node_name(slice_of(text.at, len), node);
    size_t used = len + bracket;
    if (!good || used == text.len) {
        return good;
    }
    return text.at[used] == ':' && read_node_port(from(text, used + 1), &node->port);
}

/* --- Forwarded, RFC 7239 section 4 --- */

/* forwarded-pair = token "=" ( token / quoted-string ). Gives the value without its quotes;
 * `escaped`: it has a quoted-pair, and so stands for other bytes. */
static bool next_pair(struct slice *rest, struct slice *name, struct slice *value, bool *escaped) {
    size_t i = 0;
    *escaped = false;
    while (i < rest->len && byte_is_token(rest->at[i])) {
        i++;
    }
    *name = slice_of(rest->at, i);
    if (i == 0 || i == rest->len || rest->at[i++] != '=') {
        return false;
    }
    size_t start = i;
    if (i < rest->len && rest->at[i] == '"') {
        for (i++; i < rest->len && rest->at[i] != '"'; i++) {
            if (rest->at[i] == '\\') {
                *escaped = true;
                i++;
            }
        }
        if (i >= rest->len) {
            return false;
        }
        *value = slice_of(rest->at + start + 1, i - start - 1);
        *rest = from(*rest, i + 1);
        return true;
    }
    while (i < rest->len && byte_is_token(rest->at[i])) {
        i++;
    }
    *value = slice_of(rest->at + start, i - start);
    *rest = from(*rest, i);
    return value->len > 0;
}

/* The parameters of an element that count, each at most once; a set. */
enum { SEEN_FOR = 1, SEEN_PROTO = 2, SEEN_HOST = 4 };

static bool note(unsigned *seen, unsigned which) {
    bool first = !(*seen & which);
    *seen |= which;
    return first;
}

static bool take_pair(struct slice name, struct slice value, bool escaped, unsigned *seen,
                      struct hop *hop) {
    if (slice_equal_nocase(name, SLICE("for"))) {
        return !escaped && note(seen, SEEN_FOR) && read_node(value, &hop->node);
    }
    if (slice_equal_nocase(name, SLICE("proto"))) {
        return !escaped && note(seen, SEEN_PROTO) && forwarded_proto(value, &hop->scheme) == 0;
    }
    if (slice_equal_nocase(name, SLICE("host"))) {
        hop->host = value;
        return !escaped && note(seen, SEEN_HOST) && authority_is_valid(value);
    }
    return true; /* "by" and extensions */
}

static struct slice skip_space(struct slice text) {
    while (text.len > 0 && byte_is_space(text.at[0])) {
        text = from(text, 1);
    }
    return text;
}

/* White space around ";" is not of the grammar, but written by many. */
static bool read_element(struct slice *rest, struct hop *hop) {
    unsigned seen = 0;
    while (rest->len > 0 && rest->at[0] != ',') {
        struct slice name;
        struct slice value;
        bool escaped;
        if (rest->at[0] != ';' && (!next_pair(rest, &name, &value, &escaped) ||
                                   !take_pair(name, value, escaped, &seen, hop))) {
            return false;
        }
        *rest = skip_space(*rest);
        if (rest->len > 0 && rest->at[0] == ';') {
            *rest = skip_space(from(*rest, 1));
        } else if (rest->len > 0 && rest->at[0] != ',') {
            return false;
        }
    }
    return true;
}

bool forwarded_next(struct slice *rest, struct hop *hop, int *err) {
    *hop = (struct hop){.host = SLICE("")};
    *err = 0;
    *rest = skip_space(*rest);
    while (rest->len > 0 && rest->at[0] == ',') {
        *rest = skip_space(from(*rest, 1)); /* an empty element: RFC 9110 section 5.6.1.2 */
    }
    if (rest->len == 0) {
        return false;
    }
    if (!read_element(rest, hop)) {
        *err = ERR_FORWARDED;
    }
    return *err == 0;
}

/* --- X-Forwarded-* --- */

bool forwarded_for_last(struct slice *rest, struct node *node, int *err) {
    struct slice last = SLICE("");
    *err = 0;
    while (rest->len > 0 && last.len == 0) {
        size_t start = rest->len;
        while (start > 0 && rest->at[start - 1] != ',') {
            start--;
        }
        last = trimmed(from(*rest, start));
        rest->len = start > 0 ? start - 1 : 0;
    }
    if (last.len == 0) {
        return false;
    }
    /* An address of IPv6 mostly stands here without its brackets, and is nothing else. */
    if (!read_node(last, node) && !read_node_v6(last, node)) {
        *err = ERR_FORWARDED_FOR;
    }
    return *err == 0;
}

int forwarded_proto(struct slice value, enum forwarded_scheme *scheme) {
    if (slice_equal_nocase(value, SLICE("https")) || slice_equal_nocase(value, SLICE("wss"))) {
        *scheme = SCHEME_HTTPS;
    } else if (slice_equal_nocase(value, SLICE("http")) || slice_equal_nocase(value, SLICE("ws"))) {
        *scheme = SCHEME_HTTP;
    } else {
        return ERR_FORWARDED_PROTO;
    }
    return 0;
}

int forwarded_port(struct slice value, uint16_t *port) {
    uint32_t number;
    bool good = read_number(value, &number) && number > 0;
    *port = good ? (uint16_t)number : 0;
    return good ? 0 : ERR_FORWARDED_PORT;
}

void forwarded_split(struct slice authority, struct slice *name, uint16_t *port) {
    bool bracket = authority.len > 0 && authority.at[0] == '[';
    const uint8_t *from_here = authority.at;
    if (bracket) {
        from_here = memchr(authority.at, ']', authority.len);
    }
    size_t rest = authority.len - (size_t)(from_here - authority.at);
    const uint8_t *colon = rest > 0 ? memchr(from_here, ':', rest) : NULL;
    *port = 0;
    *name = authority;
    if (colon) {
        name->len = (size_t)(colon - authority.at);
        (void)forwarded_port(from(authority, name->len + 1), port);
    }
}
