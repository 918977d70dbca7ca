/* Checks of the authority component, by hand and byte by byte: each byte of it decides where a
 * request goes. */
#include "wire/authority.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/ip_text.h"
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
    uint8_t ip[16];
    bool valid = bracket ? ip_text_v6(slice_of(authority.at + 1, host_len - 1), ip)
                         : name_is_valid(slice_of(authority.at, host_len));
    size_t used = host_len + bracket;
    if (!valid || used == authority.len) {
        return valid;
    }
    return authority.at[used] == ':' &&
           port_is_valid(slice_of(authority.at + used + 1, authority.len - used - 1));
}
