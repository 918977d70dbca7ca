/* Addresses, from text; see ip_text.h. */
#include "base/ip_text.h"

#include <string.h>

#include "base/banned.h"

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

/* -1 where it is none. */
static int hex_value(uint8_t c) {
    if (is_digit(c)) {
        return c - '0';
    }
    uint8_t lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool ip_text_v4(struct slice text, uint8_t ip[4]) {
    uint8_t parts[4];
    size_t i = 0;
    for (unsigned part = 0; part < 4; part++) {
        if (part > 0 && (i == text.len || text.at[i++] != '.')) {
            return false;
        }
        unsigned number = 0;
        size_t start = i;
        for (; i < text.len && is_digit(text.at[i]) && i - start < 3; i++) {
            number = number * 10 + (unsigned)(text.at[i] - '0');
        }
        if (i == start || number > 255 || (i - start > 1 && text.at[start] == '0')) {
            return false;
        }
        parts[part] = (uint8_t)number;
    }
    if (i != text.len) {
        return false;
    }
    memcpy(ip, parts, sizeof(parts));
    return true;
}

/* What has been read of an IPv6 address: bytes before the gap, and behind it. */
struct v6 {
    uint8_t bytes[16];
    size_t len;
    size_t gap; /* where "::" stood in `bytes` */
    bool has_gap;
};

static bool v6_add(struct v6 *v6, const uint8_t *bytes, size_t len) {
    if (len > sizeof(v6->bytes) - v6->len) {
        return false;
    }
    memcpy(v6->bytes + v6->len, bytes, len);
    v6->len += len;
    return true;
}

static bool v6_finish(const struct v6 *v6, uint8_t ip[16]) {
    /* "::" stands for one group at the least. */
    if (v6->has_gap ? v6->len > 14 : v6->len != 16) {
        return false;
    }
    size_t head = v6->has_gap ? v6->gap : 16;
    memset(ip, 0, 16);
    memcpy(ip, v6->bytes, head);
    memcpy(ip + 16 - (v6->len - head), v6->bytes + head, v6->len - head);
    return true;
}

/* One group from `*at` on. */
static bool v6_group(struct v6 *v6, struct slice text, size_t *at) {
    unsigned number = 0;
    size_t start = *at;
    for (; *at < text.len && hex_value(text.at[*at]) >= 0 && *at - start < 4; (*at)++) {
        number = number * 16 + (unsigned)hex_value(text.at[*at]);
    }
    uint8_t bytes[] = {(uint8_t)(number >> 8), (uint8_t)number};
    return *at > start && v6_add(v6, bytes, sizeof(bytes));
}

/* Is there a dot before the next colon? */
static bool is_v4_tail(struct slice rest) {
    for (size_t i = 0; i < rest.len && rest.at[i] != ':'; i++) {
        if (rest.at[i] == '.') {
            return true;
        }
    }
    return false;
}

bool ip_text_v6(struct slice text, uint8_t ip[16]) {
    struct v6 v6 = {0};
    size_t i = 0;
    if (text.len >= 2 && text.at[0] == ':' && text.at[1] == ':') {
        v6.has_gap = true;
        i = 2;
    }
    while (i < text.len) {
        struct slice rest = slice_of(text.at + i, text.len - i);
        if (is_v4_tail(rest)) {
            uint8_t v4[4];
            return ip_text_v4(rest, v4) && v6_add(&v6, v4, sizeof(v4)) && v6_finish(&v6, ip);
        }
        if (!v6_group(&v6, text, &i)) {
            return false;
        }
        if (i == text.len) {
            break;
        }
        if (text.at[i] != ':' || ++i == text.len) {
            return false; /* a single colon cannot end it */
        }
        if (text.at[i] == ':') {
            if (v6.has_gap) {
                return false;
            }
            v6.has_gap = true;
            v6.gap = v6.len;
            i++;
        }
    }
    return v6_finish(&v6, ip);
}

bool ip_is_mapped(const uint8_t ip[16]) {
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    return memcmp(ip, prefix, sizeof(prefix)) == 0;
}
