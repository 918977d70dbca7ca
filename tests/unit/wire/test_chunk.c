/* Tests of wire/chunk.h: every body is decoded whole and in pieces, at the end of a page. */
#include "wire/chunk.h"

#include "base/err.h"
#include "unit/test.h"
#include "unit/wire/guard.h"

#include "base/banned.h"

#define DATA_MAX (128u * 1024u)

struct outcome {
    int err;     /* 0 where there was none */
    bool done;   /* the body has ended */
    size_t used; /* without the byte that is in error */
    size_t data_len;
    uint8_t data[DATA_MAX];
};

/* Decodes `input`, given in pieces of at most `step` bytes. */
static void decode(struct guard *guard, struct slice input, size_t step, struct outcome *outcome) {
    struct chunk_decoder decoder;
    chunk_decoder_init(&decoder);
    outcome->err = 0;
    outcome->used = 0;
    outcome->data_len = 0;
    while (outcome->used < input.len && !decoder.done && outcome->err == 0) {
        size_t len = input.len - outcome->used < step ? input.len - outcome->used : step;
        const uint8_t *bytes = guard_put(guard, input.at + outcome->used, len);
        for (size_t given = 0; given < len && !decoder.done;) {
            struct slice data;
            ssize_t used = chunk_decode(&decoder, bytes + given, len - given, &data);
            if (used < 0) {
                outcome->err = (int)used;
                break;
            }
            if (!CHECK(used > 0 && (size_t)used <= len - given)) {
                return;
            }
            given += (size_t)used;
            outcome->used += (size_t)used;
            if (data.len > 0 && CHECK(outcome->data_len + data.len <= DATA_MAX)) {
                CHECK(data.at >= bytes && data.at + data.len <= bytes + len);
                memcpy(outcome->data + outcome->data_len, data.at, data.len);
                outcome->data_len += data.len;
            }
        }
    }
    outcome->done = decoder.done;
}

/* Decodes in several ways, which must agree; byte by byte `used` says where an error lies. */
static void decode_every_way(struct slice input, struct outcome *outcome) {
    static const size_t steps[] = {2, 3, 7, 64, SIZE_MAX};
    static struct outcome other;
    struct guard guard = guard_new();
    decode(&guard, input, 1, outcome);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        decode(&guard, input, steps[i], &other);
        CHECK_INT(other.err, outcome->err);
        CHECK_INT(other.done, outcome->done);
        CHECK(other.err < 0 || other.used == outcome->used);
        CHECK_SLICE(slice_of(other.data, other.data_len),
                    slice_of(outcome->data, outcome->data_len));
    }
    guard_free(&guard);
}

static struct outcome outcome;

struct example {
    const char *before; /* used up, or up to the byte that is in error */
    const char *after;  /* left alone */
    const char *data;
    int err;
};

static void check_example(const struct example *example) {
    char text[1024];
    int len = snprintf(text, sizeof text, "%s%s", example->before, example->after);
    decode_every_way(slice_of(text, (size_t)len), &outcome);
    size_t used = strlen(example->before) - (example->err < 0);
    bool good = CHECK_INT(outcome.err, example->err);
    good = CHECK_INT(outcome.done, example->err == 0) && good;
    good = CHECK_INT(outcome.used, used) && good;
    good = CHECK_SLICE(slice_of(outcome.data, outcome.data_len),
                       slice_of(example->data, strlen(example->data))) &&
           good;
    if (!good) {
        fputs("  in ", stderr);
        test_print_slice(slice_of(text, (size_t)len));
        fputc('\n', stderr);
    }
}

#define CHECK_EXAMPLES(examples)                                                                   \
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {                            \
        check_example(&examples[i]);                                                               \
    }

TEST(bodies_that_are_complete) {
    static const struct example examples[] = {
        {"0\r\n\r\n", "", "", 0},
        {"0\r\n\r\n", "GET / HTTP/1.1\r\n", "", 0},
        {"5\r\nhello\r\n0\r\n\r\n", "", "hello", 0},
        {"1\r\na\r\n2\r\nbc\r\n000\r\n\r\n", "", "abc", 0},
        {"a\r\n0123456789\r\n0\r\n\r\n", "", "0123456789", 0},
        {"A\r\n0123456789\r\n0\r\n\r\n", "", "0123456789", 0},
        {"0000000000000005\r\nhello\r\n0\r\n\r\n", "", "hello", 0},
        {"2\r\n\r\n\r\n0\r\n\r\n", "", "\r\n", 0},
        {"5\r\n0\r\n\r\n\r\n0\r\n\r\n", "", "0\r\n\r\n", 0},
        {"0\r\nX-Sum: 1\r\nX-Empty:\r\nX-Obs: \xc3\xa9\t\r\n\r\n", "x", "", 0},
    };
    CHECK_EXAMPLES(examples);
}

TEST(extensions_that_are_legal) {
    static const struct example examples[] = {
        {"1;a\r\nx\r\n0;b=c\r\n\r\n", "", "x", 0},
        {"1 ;a\r\nx\r\n0\t; b = c ;d\r\n\r\n", "", "x", 0},
        {"1;a=\"q;\\\"\\\\ \t\xc3\xa9\"\r\nx\r\n0;a=\"\" ;b\r\n\r\n", "", "x", 0},
        {"1;a;b;c=d;e=\"f\";g\r\nx\r\n0\r\n\r\n", "", "x", 0},
    };
    CHECK_EXAMPLES(examples);
}

TEST(sizes_that_are_not) {
    static const struct example examples[] = {
        {"\r", "\n0\r\n\r\n", "", ERR_CHUNK_SIZE},
        {"\n", "", "", ERR_LINE_END},
        {" ", "5\r\n", "", ERR_CHUNK_SIZE},
        {"+", "5\r\n", "", ERR_CHUNK_SIZE},
        {"-", "5\r\n", "", ERR_CHUNK_SIZE},
        {"0x", "5\r\n", "", ERR_CHUNK_SIZE},
        {"1_", "0\r\n", "", ERR_CHUNK_SIZE},
        {"g", "", "", ERR_CHUNK_SIZE},
        {";", "a\r\n", "", ERR_CHUNK_SIZE},
        {"5,", "\r\n", "", ERR_CHUNK_SIZE},
        {"5\x0b", "\r\n", "", ERR_CHUNK_SIZE},
        {"5\xa0", "\r\n", "", ERR_CHUNK_SIZE},
        {"00000000000000000", "5\r\n", "", ERR_CHUNK_SIZE},
        {"8000000000000000\r\n", "", "", ERR_CHUNK_SIZE},
        {"ffffffffffffffff\r\n", "", "", ERR_CHUNK_SIZE},
        {"1\r\na\r\n7fffffffffffffff\r\n", "", "a", ERR_CHUNK_SIZE}, /* the sum does not fit */
        {"5 \r", "\nhello", "", ERR_CHUNK_EXTENSION},
        {"5 x", "\r\n", "", ERR_CHUNK_EXTENSION},
        {"5\n", "hello", "", ERR_LINE_END},
        {"5\rX", "", "", ERR_LINE_END},
        {"5\r\r", "\n", "", ERR_LINE_END},
    };
    CHECK_EXAMPLES(examples);
}

TEST(extensions_that_are_not) {
    static const struct example examples[] = {
        {"5;\r", "\nhello", "", ERR_CHUNK_EXTENSION},
        {"5;a=\r", "\n", "", ERR_CHUNK_EXTENSION},
        {"5;=", "b\r\n", "", ERR_CHUNK_EXTENSION},
        {"5;;", "\r\n", "", ERR_CHUNK_EXTENSION},
        {"5;a b", "\r\n", "", ERR_CHUNK_EXTENSION},
        {"5;a=b c", "\r\n", "", ERR_CHUNK_EXTENSION},
        {"5;a=b=", "c\r\n", "", ERR_CHUNK_EXTENSION},
        {"5;a \r", "\n", "", ERR_CHUNK_EXTENSION},
        {"5;a=b \r", "\n", "", ERR_CHUNK_EXTENSION},
        {"5;a\n", "", "", ERR_LINE_END},
        {"5;a\x01", "", "", ERR_CHUNK_EXTENSION},
        {"5;a\x7f", "", "", ERR_CHUNK_EXTENSION},
        {"5;a\xc3", "", "", ERR_CHUNK_EXTENSION},
        {"5;a=\"b\r", "\n\"\r\n", "", ERR_CHUNK_EXTENSION},
        {"5;a=\"b\n", "\"\r\n", "", ERR_LINE_END},
        {"5;a=\"b\\\r", "\n\"\r\n", "", ERR_CHUNK_EXTENSION},
        {"5;a=\"b\\\n", "\"\r\n", "", ERR_LINE_END},
        {"5;a=\"b\"c", "\r\n", "", ERR_CHUNK_EXTENSION},
        {"5;\"", "a\"\r\n", "", ERR_CHUNK_EXTENSION},
    };
    CHECK_EXAMPLES(examples);
}

TEST(data_ends_in_crlf) {
    static const struct example examples[] = {
        {"5\r\nhellow", "orld\r\n0\r\n\r\n", "hello", ERR_CHUNK_END},
        {"5\r\nhello\n", "0\r\n\r\n", "hello", ERR_CHUNK_END},
        {"5\r\nhello0", "\r\n\r\n", "hello", ERR_CHUNK_END},
        {"5\r\nhello\rX", "0\r\n\r\n", "hello", ERR_CHUNK_END},
        {"5\r\nhel\r\n0", "\r\n\r\n", "hel\r\n", ERR_CHUNK_END},
    };
    CHECK_EXAMPLES(examples);
}

TEST(trailers_obey_the_rules_of_fields) {
    static const struct example examples[] = {
        {"0\r\n\n", "", "", ERR_LINE_END},
        {"0\r\n\rX", "", "", ERR_LINE_END},
        {"0\r\n ", "a: b\r\n\r\n", "", ERR_FIELD_SPACE},
        {"0\r\na: b\r\n ", "c\r\n\r\n", "", ERR_FIELD_SPACE},
        {"0\r\n:", " b\r\n\r\n", "", ERR_FIELD_NAME},
        {"0\r\na ", ": b\r\n\r\n", "", ERR_FIELD_SPACE},
        {"0\r\na\r", "\n\r\n", "", ERR_FIELD_NAME},
        {"0\r\nX-B\xc3", ": c\r\n\r\n", "", ERR_FIELD_NAME},
        {"0\r\na\n", "\r\n", "", ERR_LINE_END},
        {"0\r\na: b\n", "\r\n", "", ERR_LINE_END},
        {"0\r\na: b\rc", "\r\n\r\n", "", ERR_LINE_END},
        {"0\r\na: \x01", "\r\n\r\n", "", ERR_FIELD_VALUE},
        {"0\r\na: \x7f", "\r\n\r\n", "", ERR_FIELD_VALUE},
    };
    CHECK_EXAMPLES(examples);
}

TEST(trailers_that_would_change_the_request) {
    static const char *const forbidden[] = {
        "Content-Length",
        "transfer-encoding",
        "HOST",
        "Authorization",
        "Cookie",
        "Set-Cookie",
        "Content-Type",
        "Content-Encoding",
        "Content-Range",
        "Trailer",
        "Connection",
        "TE",
        "Expect",
        "Range",
        "Cache-Control",
        "Max-Forwards",
        "Keep-Alive",
        "Upgrade",
        "Proxy",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Prefix",
        "X-Real-IP",
        "Via",
        "WWW-Authenticate",
        "If-Match",
        "If-Unmodified-Since",
        "Pragma",
        "Accept",
        "Accept-Language",
        "Age",
        "Date",
        "Expires",
        "LOCATION",
        "Retry-After",
        "Vary",
        "Warning",
        "Content-Language",
        "Content-Location",
        "Proxy-A-Name-That-Is-Longer-Than-The-Room-For-Names",
    };
    static const char *const allowed[] = {
        "Content-Lengt",
        "Content-Lengths",
        "X-Host",
        "Hos",
        "Digest",
        "Server-Timing",
        "ETag",
        "Accept-Ranges",
        "Authentication-Info",
        "Content-Digest",
        "Last-Modified",
        "A-Name-That-Is-Longer-Than-The-Room-For-Names-Content-Length",
    };
    char text[256];
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        snprintf(text, sizeof text, "0\r\n%s:", forbidden[i]);
        check_example(&(struct example){text, " 5\r\n\r\n", "", ERR_TRAILER_NAME});
    }
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        snprintf(text, sizeof text, "0\r\n%s: 5\r\n\r\n", allowed[i]);
        check_example(&(struct example){text, "", "", 0});
    }
}

/* Bodies too long for an example. [borrows until the next call] */
static uint8_t long_body[DATA_MAX];

static size_t append(size_t at, const char *text) {
    size_t len = strlen(text);
    memcpy(long_body + at, text, len);
    return at + len;
}

static size_t append_many(size_t at, char c, size_t count) {
    memset(long_body + at, c, count);
    return at + count;
}

static void check_long(size_t len, int err) {
    decode_every_way(slice_of(long_body, len), &outcome);
    CHECK_INT(outcome.err, err);
    CHECK_INT(outcome.done, err == 0);
}

TEST(a_size_line_has_a_longest) {
    size_t len = append_many(append(0, "1;"), 'a', 8190);
    check_long(append(len, "\r\nx\r\n0\r\n\r\n"), 0);
    len = append_many(append(0, "1;"), 'a', 8191);
    check_long(len, ERR_CHUNK_LINE_TOO_LONG);
    CHECK_INT(outcome.used, 8192);
}

TEST(a_trailer_section_has_a_longest) {
    size_t len = append_many(append(0, "0\r\na:"), 'b', 8192 - 6);
    check_long(append(len, "\r\n\r\n"), 0);
    len = append_many(append(0, "0\r\na:"), 'b', 8192 - 5);
    check_long(append(len, "\r\n\r\n"), ERR_TRAILER_TOO_LONG);
    for (size_t fields = 64; fields <= 65; fields++) {
        len = append(0, "0\r\n");
        for (size_t i = 0; i < fields; i++) {
            len = append(len, "a: b\r\n");
        }
        check_long(append(len, "\r\n"), fields == 64 ? 0 : ERR_TRAILER_TOO_LONG);
    }
}

/* CVE-2023-39326: a body of extensions. */
TEST(extensions_may_not_outweigh_the_data) {
    size_t len = 0;
    for (int i = 0; i < 50; i++) {
        len = append_many(append(len, "1;"), 'a', 1000);
        len = append(len, "\r\nx\r\n");
    }
    check_long(append(len, "0\r\n\r\n"), ERR_CHUNK_OVERHEAD);
    len = 0;
    for (int i = 0; i < 50; i++) { /* as long, but paid for by data */
        len = append_many(append(len, "3e8;"), 'a', 1000);
        len = append_many(append(len, "\r\n"), 'x', 1000);
        len = append(len, "\r\n");
    }
    check_long(append(len, "0\r\n\r\n"), 0);
    CHECK_INT(outcome.data_len, 50000);
}

TEST(many_small_chunks_are_no_overhead) {
    size_t len = 0;
    for (int i = 0; i < 10000; i++) {
        len = append(len, i % 2 ? "1\r\nx\r\n" : "01\r\ny\r\n");
    }
    check_long(append(len, "0\r\n\r\n"), 0);
    CHECK_INT(outcome.data_len, 10000);
}

TEST(a_done_decoder_uses_nothing) {
    struct chunk_decoder decoder;
    struct slice data;
    chunk_decoder_init(&decoder);
    static const uint8_t body[] = "0\r\n\r\nGET";
    CHECK_INT(chunk_decode(&decoder, body, 0, &data), 0);
    CHECK_INT(chunk_decode(&decoder, body, sizeof body - 1, &data), 5);
    CHECK(decoder.done);
    CHECK_INT(chunk_decode(&decoder, body + 5, 3, &data), 0);
    CHECK_INT(data.len, 0);
}

TEST(huge_sizes_are_counted_down) {
    struct chunk_decoder decoder;
    struct slice data;
    chunk_decoder_init(&decoder);
    static const uint8_t line[] = "7fffffffffffffff\r\nabc";
    CHECK_INT(chunk_decode(&decoder, line, sizeof line - 1, &data), sizeof line - 1);
    CHECK_TEXT(data, "abc");
    CHECK_INT(decoder.left, INT64_MAX - 3);
}
