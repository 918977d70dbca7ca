/* Checks of the authority component, by hand and byte by byte: each byte of it decides where a
 * request goes. */
#include "wire/authority.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/byte_class.h"

#include "base/banned.h"

/* reg-name = *( unreserved / pct-encoded / sub-delims ), RFC 3986 section 3.2.2; every IPv4
 * address is one too. Of the token characters these are no part of it: # ^ ` | and a "%" that
 * does not begin an encoded byte. */
static bool name_is_valid(struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.at[i];
        if (c == '%') {
            if (name.len - i < 3 || byte_hex(name.at[i + 1]) < 0 || byte_hex(name.at[i + 2]) < 0) {
                return false;
            }
            i += 2;
        } else if (byte_is_token(c) ? c == '#' || c == '^' || c == '`' || c == '|'
                                    : c != '(' && c != ')' && c != ';' && c != '=') {
            return false;
        }
    }
    return name.len > 0;
}

/* 0 to 255 without leading zeros, four times. */
static bool ipv4_is_valid(struct slice text) {
    size_t i = 0;
    for (unsigned part = 0; part < 4; part++) {
        if (part > 0 && (i == text.len || text.at[i++] != '.')) {
            return false;
        }
        unsigned number = 0;
        size_t start = i;
        for (; i < text.len && byte_is_digit(text.at[i]) && i - start < 3; i++) {
            number = number * 10 + (unsigned)(text.at[i] - '0');
        }
        if (i == start || number > 255 || (i - start > 1 && text.at[start] == '0')) {
            return false;
        }
    }
    return i == text.len;
}

/* IPv6address: eight groups of up to four digits, of which one run may be left out as "::" and
 * the last two may be written as an IPv4 address. */
static bool ipv6_is_valid(struct slice text) {
    unsigned groups = 0;
    bool gap = false;
    size_t i = 0;
    if (text.len >= 2 && text.at[0] == ':' && text.at[1] == ':') {
        gap = true;
        i = 2;
    }
    while (i < text.len) {
        size_t start = i;
        while (i < text.len && byte_hex(text.at[i]) >= 0) {
            i++;
        }
        if (i < text.len && text.at[i] == '.') {
            groups += 2;
            return (gap ? groups < 8 : groups == 8) &&
                   ipv4_is_valid(slice_of(text.at + start, text.len - start));
        }
        if (i == start || i - start > 4 || ++groups > 8) {
            return false;
        }
        if (i == text.len) {
            break;
        }
        if (text.at[i] != ':' || ++i == text.len) {
            return false; /* a single colon cannot end it */
        }
        if (text.at[i] == ':') {
            if (gap) {
                return false;
            }
            gap = true;
            i++;
        }
    }
    return gap ? groups < 8 : groups == 8;
}

static bool port_is_valid(struct slice port) {
    uint32_t number = 0;
    for (size_t i = 0; i < port.len; i++) {
        if (!byte_is_digit(port.at[i])) {
            return false;
        }
        number = number * 10 + (uint32_t)(port.at[i] - '0');
        if (number > UINT16_MAX) {
            return false;
        }
    }
    return true; /* an empty one means the scheme's own: RFC 3986 section 3.2.3 */
}

bool authority_is_valid(struct slice authority) {
    if (authority.len == 0) {
        return false;
    }
    bool bracket = authority.at[0] == '[';
    const uint8_t *stop = memchr(authority.at, bracket ? ']' : ':', authority.len);
    if (bracket && !stop) {
        return false;
    }
    size_t host_len = stop ? (size_t)(stop - authority.at) : authority.len;
    bool valid = bracket ? ipv6_is_valid(slice_of(authority.at + 1, host_len - 1))
                         : name_is_valid(slice_of(authority.at, host_len));
    size_t used = host_len + bracket;
    if (!valid || used == authority.len) {
        return valid;
    }
    return authority.at[used] == ':' &&
           port_is_valid(slice_of(authority.at + used + 1, authority.len - used - 1));
}
