/* Tests of wire/head.h: every input is parsed by every parser, whole and in pieces, at the end
 * of a page. */
#include "wire/head.h"

#include "unit/wire/heads.h"
#include "wire/byte_class.h"

#include "base/banned.h"

/* The verdict must come with the last byte of `before`; `after` is there to be ignored. */
struct example {
    const char *before;
    const char *after;
    int err; /* 0: a head */
};

static void check_example(struct guard *guard, const struct example *example,
                          const struct head_limits *limits) {
    char text[2048];
    int len = snprintf(text, sizeof text, "%s%s", example->before, example->after);
    struct verdict verdict;
    size_t at;
    CHECK(parse_every_way(guard, slice_of(text, (size_t)len), limits, &verdict, &at));
    size_t due = strlen(example->before);
    ssize_t expected = example->err < 0 ? example->err : (ssize_t)due;
    if (!CHECK_INT(verdict.result, expected) || !CHECK_INT(at, due)) {
        fprintf(stderr, "  %s, due %s at %zu: ", result_name(verdict.result), result_name(expected),
                due);
        test_print_slice(slice_of(text, (size_t)len));
        fputc('\n', stderr);
    }
}

static void check_examples(const struct example *examples, size_t count) {
    struct guard guard = guard_new();
    for (size_t i = 0; i < count; i++) {
        check_example(&guard, &examples[i], &default_limits);
    }
    guard_free(&guard);
}

#define CHECK_EXAMPLES(examples) check_examples(examples, sizeof examples / sizeof examples[0])

#define LINE "GET / HTTP/1.1\r\n"

TEST(heads_that_are_complete) {
    static const struct example examples[] = {
        {"GET / HTTP/1.1\r\n\r\n", "", 0},
        {"GET / HTTP/1.0\r\n\r\n", "GET", 0},
        {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "", 0},
        {"G / HTTP/1.1\r\n\r\n", "", 0},
        {"ABCDEFGHIJKLMNOPQRST / HTTP/1.1\r\n\r\n", "", 0},
        {"!#$%&'*+-.^_`|~0aZ * HTTP/1.1\r\n\r\n", "", 0},
        {"GET !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~ HTTP/1.1\r\n\r\n", "", 0},
        {LINE "Host: a\r\nX-Empty:\r\nX-Blank: \t \r\nX-Tab:\ta\tb\t\r\n\r\n", "\x00\x01", 0},
        {LINE "X: \x80\xff\xc3\xa9\r\n\r\n", "body", 0},
        {LINE "x:y\r\n\r\n", "\n", 0},
    };
    CHECK_EXAMPLES(examples);
}

TEST(request_line_errors) {
    static const struct example examples[] = {
        {" ", "GET / HTTP/1.1\r\n\r\n", ERR_METHOD},
        {"\n", "GET / HTTP/1.1\r\n\r\n", ERR_LINE_END},
        {"\rG", "ET / HTTP/1.1\r\n\r\n", ERR_LINE_END},
        {"\r\n\r", "\nGET / HTTP/1.1\r\n\r\n", ERR_REQUEST_LINE},
        {"\r\n\n", "GET / HTTP/1.1\r\n\r\n", ERR_LINE_END},
        {"GE(", "T / HTTP/1.1\r\n\r\n", ERR_METHOD},
        {"G\xc3", "\x89T / HTTP/1.1\r\n\r\n", ERR_METHOD},
        {"GET\t", "/ HTTP/1.1\r\n\r\n", ERR_METHOD},
        {"GET\r", "\n\r\n", ERR_REQUEST_LINE},
        {"GET\n", "\n", ERR_LINE_END},
        {"ABCDEFGHIJKLMNOPQRSTU", "V / HTTP/1.1\r\n\r\n", ERR_METHOD},
        {"\x16", "\x03\x01\x02\x00\x01\x00", ERR_METHOD},
        {"GET  ", "/ HTTP/1.1\r\n\r\n", ERR_REQUEST_LINE},
        {"GET \t", "/ HTTP/1.1\r\n\r\n", ERR_TARGET},
        {"GET /\r", "\n\r\n", ERR_REQUEST_LINE},
        {"GET /\n", "\n", ERR_LINE_END},
        {"GET /a\t", "b", ERR_TARGET},
        {"GET /\x7f", " HTTP/1.1\r\n\r\n", ERR_TARGET},
        {"GET /\xc3", "\xa9 HTTP/1.1\r\n\r\n", ERR_TARGET},
        {"GET /\x01", " HTTP/1.1\r\n\r\n", ERR_TARGET},
        {"GET /  ", "HTTP/1.1\r\n\r\n", ERR_REQUEST_LINE},
        {"GET /a b", " HTTP/1.1\r\n\r\n", ERR_REQUEST_LINE},
        {"GET / h", "ttp/1.1\r\n\r\n", ERR_REQUEST_LINE},
        {"GET / HTTP/2", ".0\r\n\r\n", ERR_VERSION},
        {"GET / HTTP/0", ".9\r\n\r\n", ERR_VERSION},
        {"GET / HTTP/1,", "1\r\n\r\n", ERR_VERSION},
        {"GET / HTTP/1.2", "\r\n\r\n", ERR_VERSION},
        {"GET / HTTP/1.10", "\r\n\r\n", ERR_VERSION},
        {"GET / HTTP/1.1 ", "\r\n\r\n", ERR_REQUEST_LINE},
        {"GET / HTTP/\r", "\n\r\n", ERR_VERSION},
        {"GET / HTT\r", "\n\r\n", ERR_REQUEST_LINE},
        {"GET / HTTP/1.1\n", "\r\n", ERR_LINE_END},
        {"GET / HTTP/1.\n", "\r\n", ERR_LINE_END},
        {"GET / HTTP/1.1\rX", "\r\n", ERR_LINE_END},
        {"GET / HTTP/1.1\r\r", "\n\r\n", ERR_LINE_END},
    };
    CHECK_EXAMPLES(examples);
}

TEST(field_errors) {
    static const struct example examples[] = {
        {LINE " ", "Host: a\r\n\r\n", ERR_FIELD_SPACE},
        {LINE "\t", "Host: a\r\n\r\n", ERR_FIELD_SPACE},
        {LINE "Host: a\r\n ", "b\r\n\r\n", ERR_FIELD_SPACE},
        {LINE "Host: a\r\n\t", "b\r\n\r\n", ERR_FIELD_SPACE},
        {LINE "Host ", ": a\r\n\r\n", ERR_FIELD_SPACE},
        {LINE "Host\t", ": a\r\n\r\n", ERR_FIELD_SPACE},
        {LINE ":", " a\r\n\r\n", ERR_FIELD_NAME},
        {LINE "Ho(", "st: a\r\n\r\n", ERR_FIELD_NAME},
        {LINE "Ho\x80", "st: a\r\n\r\n", ERR_FIELD_NAME},
        {LINE "Ho\x0b", "st: a\r\n\r\n", ERR_FIELD_NAME},
        {LINE "Host\r", "\n\r\n", ERR_FIELD_NAME},
        {LINE "Host\n", "\r\n", ERR_LINE_END},
        {LINE "\n", "", ERR_LINE_END},
        {LINE "\rX", "", ERR_LINE_END},
        {LINE "Host: a\n", "\r\n", ERR_LINE_END},
        {LINE "Host: a\rb", "\r\n\r\n", ERR_LINE_END},
        {LINE "Host: a\r\r", "\n\r\n", ERR_LINE_END},
        {LINE "Host: a\r\n\rb", "", ERR_LINE_END},
        {LINE "Host: a\r\n\n", "", ERR_LINE_END},
        {LINE "Host:\x0b", "a\r\n\r\n", ERR_FIELD_VALUE},
        {LINE "Host: a\x7f", "\r\n\r\n", ERR_FIELD_VALUE},
        {LINE "Host: a\x01", "\r\n\r\n", ERR_FIELD_VALUE},
        {LINE "Host: a\x1f", "\r\n\r\n", ERR_FIELD_VALUE},
        {LINE "A: 0123456789012345678901234567890123456789012345678901234567890123456789\x08",
         "\r\n\r\n", ERR_FIELD_VALUE},
    };
    CHECK_EXAMPLES(examples);
}

TEST(nul_is_no_part_of_anything) {
    static const char *const befores[] = {"", "GE", "GET /", LINE "Ho", LINE "Host: a"};
    static const int errs[] = {ERR_METHOD, ERR_METHOD, ERR_TARGET, ERR_FIELD_NAME, ERR_FIELD_VALUE};
    struct guard guard = guard_new();
    for (size_t i = 0; i < sizeof befores / sizeof befores[0]; i++) {
        struct verdict verdict;
        size_t at;
        size_t len = strlen(befores[i]) + 1; /* the string's own NUL is the byte */
        CHECK(parse_every_way(&guard, slice_of(befores[i], len), &default_limits, &verdict, &at));
        CHECK_INT(verdict.result, errs[i]);
        CHECK_INT(at, len);
    }
    guard_free(&guard);
}

TEST(limits) {
    static const struct head_limits limits = {.line = 24, .head = 60, .fields = 2};
    static const struct example examples[] = {
        {"GET /34567890 HTTP/1.1\r\n\r\n", "", 0},
        {"GET /3456789012 HTTP/1.1\r\n\r\n", "", 0},                  /* 24 bytes */
        {"GET /34567890123 HTTP/1.1", "\r\n\r\n", ERR_LINE_TOO_LONG}, /* 25 */
        {"GET /34567890123456789012", "", ERR_LINE_TOO_LONG},
        {"\r\nGET /3456789012 HTTP/1.1\r\n\r\n", "", 0}, /* the empty line does not count */
        {"GET /345678901234567890\x01", "", ERR_TARGET}, /* illegal within the limit */
        {"GET /34567890123456789012", "\x01", ERR_LINE_TOO_LONG},
        {LINE "a: 1\r\nb: 2\r\n\r\n", "", 0},
        {LINE "a: 1\r\nb: 2\r\nc", ": 3\r\n\r\n", ERR_TOO_MANY_FIELDS},
        {LINE "a: 1\r\nb: 2\r\n ", "x\r\n\r\n", ERR_TOO_MANY_FIELDS},
        {LINE "a: 3456789012345678901234567890123456789\r\n\r\n", "", 0}, /* 60 bytes */
        {LINE "a: 34567890123456789012345678901234567890\r\n\r", "\n", ERR_HEAD_TOO_LONG},
        {LINE "a: 34567890123456789012345678901234567890123", "4567", ERR_HEAD_TOO_LONG},
    };
    struct guard guard = guard_new();
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        check_example(&guard, &examples[i], &limits);
    }
    guard_free(&guard);
}

TEST(small_line_limits_hold_in_every_part) {
    static const char line[] = "OPTIONS /abc HTTP/1.1\r\n\r\n";
    size_t line_len = strlen(line) - 4;
    struct guard guard = guard_new();
    for (uint32_t limit = 0; limit <= line_len + 1; limit++) {
        struct head_limits limits = {.line = limit, .head = 65536, .fields = 1};
        struct verdict verdict;
        size_t at;
        CHECK(parse_every_way(&guard, slice_of(line, strlen(line)), &limits, &verdict, &at));
        if (limit < line_len) {
            CHECK_INT(verdict.result, ERR_LINE_TOO_LONG);
            CHECK_INT(at, limit + 1);
        } else {
            CHECK_INT(verdict.result, strlen(line));
        }
    }
    guard_free(&guard);
}

TEST(parts_are_where_they_should_be) {
    static const char input[] = "\r\nPOST /a/b?c=d HTTP/1.0\r\n"
                                "Host:example.org\r\n"
                                "CONTENT-LENGTH: \t 5 \t\r\n"
                                "X-Unknown: a b\t c\r\n"
                                "Accept:\r\n"
                                "Q:  \r\n\r\nhello";
    struct guard guard = guard_new();
    struct verdict verdict;
    size_t at;
    struct slice whole = slice_of(input, sizeof input - 1);
    CHECK(parse_every_way(&guard, whole, &default_limits, &verdict, &at));
    const struct head *head = &verdict.head;
    CHECK_INT(verdict.result, sizeof input - 1 - 5);
    CHECK_TEXT(head_method(head, whole.at), "POST");
    CHECK_TEXT(head_target(head, whole.at), "/a/b?c=d");
    CHECK_INT(head->minor, 0);
    if (!CHECK_INT(head->field_count, 5)) {
        return;
    }
    static const char *const names[] = {"Host", "CONTENT-LENGTH", "X-Unknown", "Accept", "Q"};
    static const char *const values[] = {"example.org", "5", "a b\t c", "", ""};
    static const enum header_id ids[] = {HEADER_HOST, HEADER_CONTENT_LENGTH, HEADER_OTHER,
                                         HEADER_ACCEPT, HEADER_OTHER};
    for (uint32_t i = 0; i < 5; i++) {
        const struct field *field = &head->fields[i];
        CHECK_SLICE(field_name(field, whole.at), slice_of(names[i], strlen(names[i])));
        CHECK_SLICE(field_value(field, whole.at), slice_of(values[i], strlen(values[i])));
        CHECK_INT(field->id, ids[i]);
    }
    guard_free(&guard);
}

TEST(every_known_name_gets_its_number_anywhere) {
    struct guard guard = guard_new();
    for (int id = HEADER_OTHER + 1; id < HEADER_COUNT; id++) {
        struct slice name = header_id_name((enum header_id)id);
        for (int shift = 0; shift < 70; shift++) {
            char text[512];
            int len = snprintf(text, sizeof text, LINE "X-Shift: %.*s\r\n%.*s: v\r\n\r\n", shift,
                               "0123456789012345678901234567890123456789012345678901234567890123456"
                               "789",
                               (int)name.len, (const char *)name.at);
            struct verdict verdict;
            size_t at;
            if (!CHECK(parse_every_way(&guard, slice_of(text, (size_t)len), &default_limits,
                                       &verdict, &at)) ||
                !CHECK_INT(verdict.fields[1].id, id)) {
                return;
            }
        }
    }
    guard_free(&guard);
}

/* RFC 9110 section 5.6.2, written out. */
static bool is_tchar(int c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* HTAB, SP, VCHAR, obs-text: RFC 9110 section 5.5. */
static bool is_value_char(int c) {
    return c == '\t' || (c >= 0x20 && c <= 0x7E) || c >= 0x80;
}

TEST(byte_classes_are_those_of_the_grammar) {
    for (int c = 0; c < 256; c++) {
        CHECK_INT(byte_is_token((uint8_t)c), is_tchar(c));
        CHECK_INT(byte_is_value((uint8_t)c), is_value_char(c));
    }
}

/* Each of the 256 bytes, in each place of a vector, in a target, a name and a value. */
TEST(every_byte_at_every_place) {
    struct guard guard = guard_new();
    char filling[72];
    memset(filling, 'a', sizeof filling);
    for (int c = 0; c < 256; c++) {
        for (int shift = 0; shift < 70; shift++) {
            char text[512];
            struct verdict verdict;
            int len = snprintf(text, sizeof text, "GET /%.*s? HTTP/1.1\r\nHost: a\r\n\r\n", shift,
                               filling);
            text[5 + shift] = (char)c;
            size_t count;
            const struct head_parser *const *parsers = head_parsers(&count);
            for (size_t i = 0; i < count; i++) {
                parse_whole(parsers[i], &guard, slice_of(text, (size_t)len), &default_limits,
                            &verdict);
                CHECK_INT(verdict.result > 0, c > 0x20 && c < 0x7F);
            }
            len = snprintf(text, sizeof text, LINE "n%.*s?: b\r\n\r\n", shift, filling);
            text[17 + shift] = (char)c;
            bool good = is_tchar(c) || c == ':'; /* a colon only ends the name sooner */
            for (size_t i = 0; i < count; i++) {
                parse_whole(parsers[i], &guard, slice_of(text, (size_t)len), &default_limits,
                            &verdict);
                CHECK_INT(verdict.result > 0, good);
            }
            len = snprintf(text, sizeof text, LINE "n: %.*s?x\r\n\r\n", shift, filling);
            text[19 + shift] = (char)c;
            for (size_t i = 0; i < count; i++) {
                parse_whole(parsers[i], &guard, slice_of(text, (size_t)len), &default_limits,
                            &verdict);
                CHECK_INT(verdict.result > 0, is_value_char(c));
            }
        }
    }
    guard_free(&guard);
}

/* xorshift: the same numbers on every machine. */
static uint32_t next_number(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Replaces, inserts or removes a byte, mostly one that matters. */
static size_t mutate(char *text, size_t len, uint32_t *state) {
    static const char matters[] =
        "\r\n\r\n \t::\x00\x7f\x80\xff\x01/?,;%\"AZaz09-_HTTP/1.1\x0b\x1f";
    uint32_t choice = next_number(state);
    size_t at = next_number(state) % len;
    char c = (choice & 0x100) ? (char)next_number(state)
                              : matters[next_number(state) % (sizeof matters - 1)];
    switch (choice % 3) {
    case 0:
        text[at] = c;
        return len;
    case 1:
        memmove(text + at + 1, text + at, len - at);
        text[at] = c;
        return len + 1;
    default:
        memmove(text + at, text + at + 1, len - at - 1);
        return len > 1 ? len - 1 : len;
    }
}

TEST(mutants_get_the_same_answer_everywhere) {
    static const char *const seeds[] = {
        LINE "Host: a\r\n\r\n",
        "POST /upload?name=value HTTP/1.1\r\nHost: www.example.org:8080\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 11\r\n"
        "X-Custom-Name-Of-Some-Length-That-Is-Unknown: with a value\r\n\r\na=1&b=2&c=3",
        "\r\nOPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\nA:\r\nB: \r\nC: \t c \t \r\n\r\n",
    };
    static const struct head_limits limits = {.line = 40, .head = 300, .fields = 5};
    struct guard guard = guard_new();
    uint32_t state = 20241123;
    unsigned heads = 0;
    unsigned errors = 0;
    for (int round = 0; round < 30000; round++) {
        const char *seed = seeds[round % 3];
        char text[512];
        size_t len = strlen(seed);
        memcpy(text, seed, len);
        for (uint32_t times = next_number(&state) % 4 + 1; times > 0; times--) {
            len = mutate(text, len, &state);
        }
        struct verdict verdict;
        size_t at;
        if (!CHECK(parse_every_way(&guard, slice_of(text, len),
                                   round % 2 ? &default_limits : &limits, &verdict, &at))) {
            break;
        }
        heads += verdict.result > 0;
        errors += verdict.result < 0;
    }
    CHECK(heads > 1000); /* the mutants are of both kinds */
    CHECK(errors > 1000);
    guard_free(&guard);
}

TEST(the_best_parser_is_the_first) {
    size_t count;
    const struct head_parser *const *parsers = head_parsers(&count);
    CHECK(count >= 1);
    CHECK(head_parser_best() == parsers[0]);
    CHECK(strcmp(parsers[count - 1]->name, "scalar") == 0);
}
