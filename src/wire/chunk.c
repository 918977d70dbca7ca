/* The decoder of the chunked coding: one state a place in the grammar of RFC 9112 section 7.1,
 * one byte at a time outside of the data.
 *
 * Stricter than the grammar where peers have been led apart by laxness: no white space between
 * a size and its CRLF, no parameters but tokens and quoted strings, every line ends in CRLF. */
#include "wire/chunk.h"

#include "base/err.h"
#include "base/size.h"
#include "wire/byte_class.h"

#include "base/banned.h"

#define SIZE_DIGITS_MAX    16
#define LINE_MAX_BYTES     8192 /* a size line with its extensions, without CRLF */
#define TRAILER_MAX_BYTES  8192 /* the whole trailer section */
#define TRAILER_MAX_FIELDS 64

/* A size line may have OVERHEAD_FREE bytes more than its data, which is enough for any that has
 * no extension. Only what exceeds it adds up, so that a body of endless extensions is refused
 * (as CVE-2023-39326 taught) and one of honest one-byte chunks is not. */
#define OVERHEAD_FREE 16
#define OVERHEAD_MAX  16384

/* The first enumerator is the state after chunk_decoder_init(). */
enum state {
    SIZE,
    EXTENSION_SEMICOLON, /* white space was met: only ";" can follow */
    EXTENSION_START,     /* behind ";" */
    EXTENSION_NAME,
    EXTENSION_EQUALS, /* white space behind a name: "=" or ";" */
    EXTENSION_VALUE_START,
    EXTENSION_VALUE,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPE,
    EXTENSION_QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START, /* of a field line, or the final CR */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    FINAL_LF
};

void chunk_decoder_init(struct chunk_decoder *decoder) {
    *decoder = (struct chunk_decoder){.state = SIZE};
}

static int go(struct chunk_decoder *decoder, enum state state) {
    decoder->state = (uint8_t)state;
    return 0;
}

static int on_size(struct chunk_decoder *decoder, uint8_t c) {
    int digit = byte_hex(c);
    if (digit >= 0) {
        if (decoder->digits == SIZE_DIGITS_MAX) {
            return ERR_CHUNK_SIZE;
        }
        decoder->digits++;
        decoder->left = decoder->left << 4 | (uint64_t)digit;
        return 0;
    }
    if (c == '\n') {
        return ERR_LINE_END;
    }
    if (decoder->digits == 0) {
        return ERR_CHUNK_SIZE;
    }
    if (c == '\r') {
        return go(decoder, SIZE_LF);
    }
    if (c == ';') {
        return go(decoder, EXTENSION_START);
    }
    return byte_is_space(c) ? go(decoder, EXTENSION_SEMICOLON) : ERR_CHUNK_SIZE;
}

/* chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) */
static int on_extension(struct chunk_decoder *decoder, uint8_t c) {
    enum state state = (enum state)decoder->state;
    bool start = state == EXTENSION_START || state == EXTENSION_VALUE_START;
    bool word = state == EXTENSION_NAME || state == EXTENSION_VALUE;
    if (byte_is_token(c) && (start || word)) {
        return start ? go(decoder, state + 1) : 0;
    }
    if (byte_is_space(c)) {
        if (start || state == EXTENSION_SEMICOLON || state == EXTENSION_EQUALS) {
            return 0;
        }
        return go(decoder, state == EXTENSION_NAME ? EXTENSION_EQUALS : EXTENSION_SEMICOLON);
    }
    if (c == '"' && state == EXTENSION_VALUE_START) {
        return go(decoder, EXTENSION_QUOTED);
    }
    if (c == '=' && (state == EXTENSION_NAME || state == EXTENSION_EQUALS)) {
        return go(decoder, EXTENSION_VALUE_START);
    }
    if (c == ';' && !start) {
        return go(decoder, EXTENSION_START);
    }
    if (c == '\r' && (word || state == EXTENSION_QUOTED_END)) {
        return go(decoder, SIZE_LF);
    }
    return c == '\n' ? ERR_LINE_END : ERR_CHUNK_EXTENSION;
}

/* quoted-string: RFC 9110 section 5.6.4. */
static int on_quoted(struct chunk_decoder *decoder, uint8_t c) {
    if (!byte_is_value(c)) {
        return c == '\n' ? ERR_LINE_END : ERR_CHUNK_EXTENSION;
    }
    if (decoder->state == EXTENSION_ESCAPE) {
        return go(decoder, EXTENSION_QUOTED);
    }
    if (c == '"') {
        return go(decoder, EXTENSION_QUOTED_END);
    }
    return c == '\\' ? go(decoder, EXTENSION_ESCAPE) : 0;
}

/* The size line is complete. Sizes that a signed 64-bit number cannot add up are refused: no
 * body is that long. */
static int on_size_end(struct chunk_decoder *decoder) {
    uint64_t data;
    if (!u64_add(decoder->data, decoder->left, &data) || data > INT64_MAX) {
        return ERR_CHUNK_SIZE;
    }
    uint64_t allowed = OVERHEAD_FREE + decoder->left;
    decoder->overhead += decoder->line;
    decoder->overhead -= decoder->overhead < allowed ? decoder->overhead : allowed;
    if (decoder->overhead > OVERHEAD_MAX) {
        return ERR_CHUNK_OVERHEAD;
    }
    decoder->data = data;
    decoder->digits = 0;
    decoder->line = 0;
    return go(decoder, decoder->left > 0 ? DATA : TRAILER_START);
}

/* RFC 9110 section 6.5.1 forbids what must be known before the content: what frames a message,
 * routes it, authenticates it, modifies the request, controls the response, or says what format
 * the content has; RFC 7230 section 4.1.2 gave examples of each. They are refused and not only
 * dropped, since who sends them hopes for a server that merges them. */
bool chunk_trailer_forbidden(struct slice name) {
#define NAME(text)                                                                                 \
    { (const uint8_t *)(text), sizeof(text) - 1 }
    static const struct slice starts[] = {NAME("if-"), NAME("proxy"), NAME("x-forwarded-")};
    static const struct slice names[] = {
        /* framing and the connection */
        NAME("connection"), NAME("content-length"), NAME("keep-alive"), NAME("te"), NAME("trailer"),
        NAME("transfer-encoding"), NAME("upgrade"),
        /* routing */
        NAME("forwarded"), NAME("host"), NAME("max-forwards"), NAME("via"), NAME("x-real-ip"),
        /* authentication; Authentication-Info may be a trailer (RFC 9110 section 11.6.3) */
        NAME("authorization"), NAME("cookie"), NAME("set-cookie"), NAME("www-authenticate"),
        /* modifiers of the request, besides If-* */
        NAME("accept"), NAME("accept-charset"), NAME("accept-encoding"), NAME("accept-language"),
        NAME("cache-control"), NAME("expect"), NAME("pragma"), NAME("range"),
        /* control of the response */
        NAME("age"), NAME("date"), NAME("expires"), NAME("location"), NAME("retry-after"),
        NAME("vary"), NAME("warning"),
        /* the format of the content */
        NAME("content-encoding"), NAME("content-language"), NAME("content-location"),
        NAME("content-range"), NAME("content-type")};
#undef NAME
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        if (name.len >= starts[i].len &&
            slice_equal_nocase(slice_of(name.at, starts[i].len), starts[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal_nocase(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* A byte of a trailer field's name, its first one too. */
static int on_trailer_name(struct chunk_decoder *decoder, uint8_t c) {
    if (byte_is_token(c)) {
        /* Longer names than the room are known by no rule but by their beginning. */
        if (decoder->name_len < sizeof decoder->name) {
            decoder->name[decoder->name_len++] = c;
        }
        return go(decoder, TRAILER_NAME);
    }
    if (c == ':' && decoder->name_len > 0) {
        bool forbidden = chunk_trailer_forbidden(slice_of(decoder->name, decoder->name_len));
        return forbidden ? ERR_TRAILER_NAME : go(decoder, TRAILER_VALUE);
    }
    if (c == '\n') {
        return ERR_LINE_END;
    }
    return byte_is_space(c) ? ERR_FIELD_SPACE : ERR_FIELD_NAME;
}

/* trailer-section CRLF, with the same rules as the head's fields. */
static int on_trailer(struct chunk_decoder *decoder, uint8_t c) {
    decoder->trailer++;
    if (decoder->trailer > TRAILER_MAX_BYTES) {
        return ERR_TRAILER_TOO_LONG;
    }
    switch ((enum state)decoder->state) {
    case TRAILER_START:
        if (c == '\r') {
            return go(decoder, FINAL_LF);
        }
        if (decoder->fields == TRAILER_MAX_FIELDS) {
            return ERR_TRAILER_TOO_LONG;
        }
        decoder->fields++;
        decoder->name_len = 0;
        return on_trailer_name(decoder, c);
    case TRAILER_NAME:
        return on_trailer_name(decoder, c);
    case TRAILER_VALUE:
        if (byte_is_value(c)) {
            return 0;
        }
        return c == '\r' ? go(decoder, TRAILER_LF) : c == '\n' ? ERR_LINE_END : ERR_FIELD_VALUE;
    case TRAILER_LF:
        return c == '\n' ? go(decoder, TRAILER_START) : ERR_LINE_END;
    default: /* FINAL_LF */
        decoder->done = c == '\n';
        return decoder->done ? 0 : ERR_LINE_END;
    }
}

/* One byte that is not data. */
static int on_byte(struct chunk_decoder *decoder, uint8_t c) {
    enum state state = (enum state)decoder->state;
    if (state <= EXTENSION_QUOTED_END) {
        if (c != '\r' && decoder->line == LINE_MAX_BYTES) {
            return ERR_CHUNK_LINE_TOO_LONG;
        }
        decoder->line++;
        if (state == SIZE) {
            return on_size(decoder, c);
        }
        return state == EXTENSION_QUOTED || state == EXTENSION_ESCAPE ? on_quoted(decoder, c)
                                                                      : on_extension(decoder, c);
    }
    if (state == SIZE_LF) {
        return c == '\n' ? on_size_end(decoder) : ERR_LINE_END;
    }
    if (state == DATA_CR) {
        return c == '\r' ? go(decoder, DATA_LF) : ERR_CHUNK_END;
    }
    if (state == DATA_LF) {
        return c == '\n' ? go(decoder, SIZE) : ERR_CHUNK_END;
    }
    return on_trailer(decoder, c);
}

ssize_t chunk_decode(struct chunk_decoder *decoder, const uint8_t *bytes, size_t len,
                     struct slice *data) {
    *data = slice_of(bytes, 0);
    for (size_t used = 0; used < len; used++) {
        if (decoder->done) {
            return (ssize_t)used;
        }
        if (decoder->state == DATA) {
            size_t run = len - used;
            if (run >= decoder->left) {
                run = (size_t)decoder->left;
                go(decoder, DATA_CR);
            }
            decoder->left -= run;
            *data = slice_of(bytes + used, run);
            return (ssize_t)(used + run);
        }
        int err = on_byte(decoder, bytes[used]);
        if (err < 0) {
            return err;
        }
    }
    return (ssize_t)len;
}
