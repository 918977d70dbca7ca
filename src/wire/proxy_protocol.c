/* The PROXY protocol's header; see proxy_protocol.h. */
#include "wire/proxy_protocol.h"

#include <string.h>

#include "base/err.h"
#include "base/ip_text.h"
#include "wire/byte_class.h"

#include "base/banned.h"

static const uint8_t v2_signature[12] = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D,
                                         0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A};

enum { V2_FIXED = 16 };

/* Is `bytes` the beginning of `whole`, or `whole` that of `bytes`? */
static bool agrees(struct slice bytes, struct slice whole) {
    size_t len = bytes.len < whole.len ? bytes.len : whole.len;
    return slice_equal(slice_of(bytes.at, len), slice_of(whole.at, len));
}

/* --- version 1 --- */

/* The next word of a line whose words are parted by one space each. False where there is none. */
static bool next_word(struct slice *line, struct slice *word) {
    if (line->len == 0) {
        return false;
    }
    const uint8_t *space = memchr(line->at, ' ', line->len);
    word->at = line->at;
    word->len = space ? (size_t)(space - line->at) : line->len;
    size_t used = word->len + (space ? 1 : 0);
    *line = slice_of(line->at + used, line->len - used);
    return word->len > 0 && (!space || line->len > 0);
}

/* 0 to 65535 without leading zeros. */
static bool read_port(struct slice word, uint16_t *port) {
    uint32_t number = 0;
    if (word.len == 0 || word.len > 5 || (word.len > 1 && word.at[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < word.len; i++) {
        if (!byte_is_digit(word.at[i])) {
            return false;
        }
        number = number * 10 + (uint32_t)(word.at[i] - '0');
    }
    *port = (uint16_t)number;
    return number <= UINT16_MAX;
}

static bool read_ip(struct slice word, enum proxy_source source, uint8_t ip[16]) {
    return source == PROXY_IPV4 ? ip_text_v4(word, ip) : ip_text_v6(word, ip);
}

/* "PROXY" has been read, and the line without its CRLF. */
static bool read_line(struct slice line, struct proxy_header *header) {
    struct slice words[6];
    size_t count = 0;
    uint8_t own_ip[16];
    uint16_t own_port;
    if (!next_word(&line, &words[0])) {
        return false;
    }
    if (slice_equal(words[0], SLICE("UNKNOWN"))) {
        return true; /* the rest of the line is to be ignored */
    }
    if (slice_equal(words[0], SLICE("TCP4"))) {
        header->source = PROXY_IPV4;
    } else if (slice_equal(words[0], SLICE("TCP6"))) {
        header->source = PROXY_IPV6;
    } else {
        return false;
    }
    while (count < 4 && next_word(&line, &words[count])) {
        count++;
    }
    return count == 4 && line.len == 0 && read_ip(words[0], header->source, header->ip) &&
           read_ip(words[1], header->source, own_ip) && read_port(words[2], &header->port) &&
           read_port(words[3], &own_port);
}

static ssize_t parse_v1(struct slice bytes, struct proxy_header *header) {
    static const struct slice begin = {(const uint8_t *)"PROXY ", 6};
    size_t len = bytes.len < PROXY_V1_MAX ? bytes.len : PROXY_V1_MAX;
    const uint8_t *end = memchr(bytes.at, '\r', len);
    if (!end) {
        return len == PROXY_V1_MAX ? ERR_PROXY_V1 : 0;
    }
    size_t line_len = (size_t)(end - bytes.at);
    if (line_len < begin.len || line_len + 2 > PROXY_V1_MAX) {
        return ERR_PROXY_V1;
    }
    if (line_len + 1 < bytes.len && end[1] != '\n') {
        return ERR_PROXY_V1;
    }
    if (!read_line(slice_of(bytes.at + begin.len, line_len - begin.len), header)) {
        return ERR_PROXY_V1;
    }
    return line_len + 1 < bytes.len ? (ssize_t)line_len + 2 : 0;
}

/* --- version 2 --- */

static uint16_t number_at(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* What each family's addresses look like, by the upper half of byte 14. */
static const struct v2_family {
    enum proxy_source source;
    uint8_t ip_len;
    uint8_t len; /* of both addresses and ports */
} v2_families[] = {
    {PROXY_SELF, 0, 0},
    {PROXY_IPV4, 4, 12},
    {PROXY_IPV6, 16, 36},
    {PROXY_UNIX, 0, 216},
};

/* The 16 fixed bytes, as far as they have come. 0 or ERR_PROXY_V2. */
static int judge_v2(struct slice bytes) {
    if (bytes.len > 12 && (bytes.at[12] >> 4 != 2 || (bytes.at[12] & 15) > 1)) {
        return ERR_PROXY_V2; /* version, command: LOCAL or PROXY */
    }
    if (bytes.len > 13 && (bytes.at[13] >> 4 > 3 || (bytes.at[13] & 15) > 2)) {
        return ERR_PROXY_V2; /* family; transport: unspecified, stream or datagram */
    }
    return 0;
}

static ssize_t parse_v2(struct slice bytes, struct proxy_header *header) {
    int err = judge_v2(bytes);
    if (err || bytes.len < V2_FIXED) {
        return err;
    }
    const struct v2_family *family = &v2_families[bytes.at[13] >> 4];
    size_t len = number_at(bytes.at + 14);
    bool names = (bytes.at[12] & 15) == 1;
    if (names && len < family->len) {
        return ERR_PROXY_V2;
    }
    if (bytes.len < V2_FIXED + len) {
        return 0;
    }
    if (names) {
        const uint8_t *at = bytes.at + V2_FIXED;
        header->source = family->source;
        memcpy(header->ip, at, family->ip_len);
        header->port = family->ip_len > 0 ? number_at(at + 2 * (size_t)family->ip_len) : 0;
    }
    return (ssize_t)(V2_FIXED + len);
}

ssize_t proxy_header_parse(struct slice bytes, struct proxy_header *header) {
    *header = (struct proxy_header){.source = PROXY_SELF};
    if (bytes.len == 0) {
        return 0;
    }
    if (agrees(bytes, slice_of(v2_signature, sizeof(v2_signature)))) {
        return parse_v2(bytes, header);
    }
    return agrees(bytes, SLICE("PROXY ")) ? parse_v1(bytes, header) : ERR_PROXY_MISSING;
}
