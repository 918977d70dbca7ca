/* Tests of wire/utf8.h: the verdict against the definition of RFC 3629 said another way, and every
 * path of the machine against the scalar one, in every place of a vector and every cut. */
#include "wire/utf8.h"

#include "unit/test.h"
#include "unit/wire/guard.h"
#include "wire/utf8_paths.h"

#include "base/banned.h"

static struct guard guard;

/* The bytes of the character at the beginning; 0 where there is none, whole and valid. By way of
 * its number, unlike the validator. */
static size_t character(const uint8_t *bytes, size_t len) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (len == 0) {
        return 0;
    }
    uint8_t first = bytes[0];
    size_t size = first < 0x80   ? 1
                  : first < 0xC0 ? 0
                  : first < 0xE0 ? 2
                  : first < 0xF0 ? 3
                  : first < 0xF8 ? 4
                                 : 0;
    if (size < 2 || size > len) {
        return size > len ? 0 : size;
    }
    uint32_t number = first & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
        number = number << 6 | (bytes[i] & 0x3F);
    }
    bool surrogate = number >= 0xD800 && number <= 0xDFFF;
    return number < least[size] || number > 0x10FFFF || surrogate ? 0 : size;
}

static bool is_valid(const uint8_t *bytes, size_t len) {
    for (size_t at = 0; at < len;) {
        size_t size = character(bytes + at, len - at);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

/* Whether some text that begins like this is valid: the first of all continuations that could
 * follow. */
static bool may_become_valid(const uint8_t *bytes, size_t len) {
    static const uint8_t seconds[] = {0x80, 0x90, 0xA0};
    uint8_t longer[16];
    if (is_valid(bytes, len)) {
        return true;
    }
    for (size_t more = 1; more <= 3; more++) {
        for (size_t i = 0; i < sizeof seconds; i++) {
            memcpy(longer, bytes, len);
            memset(longer + len, 0x80, more);
            longer[len] = seconds[i];
            if (is_valid(longer, len + more)) {
                return true;
            }
        }
    }
    return false;
}

struct answer {
    bool good; /* utf8_feed never said false */
    bool done;
    size_t at; /* bytes given when it did */
};

static struct answer feed(const struct utf8_path *path, const uint8_t *bytes, size_t len,
                          size_t cut, size_t step) {
    struct utf8 utf8;
    utf8_init(&utf8);
    struct answer answer = {.good = true};
    for (size_t at = 0; at < len && answer.good;) {
        size_t size = at < cut ? cut - at : step;
        size = size < len - at ? size : len - at;
        answer.good = utf8_feed_by(path, &utf8, bytes + at, size);
        at += size;
        answer.at = at;
    }
    answer.done = answer.good && utf8_done(&utf8);
    return answer;
}

/* One sequence: byte by byte the error comes with the byte that makes it certain. */
static void check_sequence(const uint8_t *bytes, size_t len) {
    size_t possible = 0;
    while (possible < len && may_become_valid(bytes, possible + 1)) {
        possible++;
    }
    struct answer answer = feed(&utf8_path_scalar, bytes, len, 0, 1);
    bool good = CHECK_INT(answer.good, possible == len);
    good = CHECK_INT(answer.done, is_valid(bytes, len)) && good;
    good = CHECK_INT(answer.at, possible == len ? len : possible + 1) && good;
    if (!good) {
        test_print_slice(slice_of(bytes, len));
        fputc('\n', stderr);
    }
}

/* Whether a sequence is worth its time: all are but those whose first byte is ASCII or begins
 * nothing, of which one in 17 is looked at. */
static bool is_chosen(uint32_t number) {
    uint8_t first = (uint8_t)(number >> 16);
    return number < 0x10000 || (first >= 0xC0 && first < 0xF8) || number % 17 == 0;
}

TEST(all_sequences_of_one_to_three_bytes) {
    for (uint32_t number = 0; number < 0x1000000; number++) {
        uint8_t bytes[3] = {(uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
        size_t len = number >= 0x10000 || (number & 0xFF00) == 0 ? 3 : 2;
        if (is_chosen(number)) {
            check_sequence(bytes + 3 - len, len);
        }
    }
    for (unsigned c = 0; c < 256; c++) {
        uint8_t byte = (uint8_t)c;
        check_sequence(&byte, 1);
    }
}

/* All edges of all four bytes. */
static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x81, 0x8F, 0x90, 0x9F, 0xA0, 0xA1,
                                0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                                0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFF};

enum { EDGES = sizeof edges };

static void edges_of(uint32_t number, uint8_t bytes[4]) {
    for (size_t i = 0; i < 4; i++) {
        bytes[i] = edges[number % EDGES];
        number /= EDGES;
    }
}

TEST(the_edges_of_four_bytes) {
    for (uint32_t number = 0; number < (uint32_t)EDGES * EDGES * EDGES * EDGES; number++) {
        uint8_t bytes[4];
        edges_of(number, bytes);
        check_sequence(bytes, 4);
    }
}

TEST(every_character) {
    for (uint32_t number = 0; number <= 0x10FFFF; number++) {
        uint8_t bytes[4];
        size_t len = number < 0x80 ? 1 : number < 0x800 ? 2 : number < 0x10000 ? 3 : 4;
        static const uint8_t marks[5] = {0, 0, 0xC0, 0xE0, 0xF0};
        for (size_t i = len; i-- > 1;) {
            bytes[i] = (uint8_t)(0x80 | ((number >> 6 * (len - 1 - i)) & 0x3F));
        }
        bytes[0] = (uint8_t)(marks[len] | number >> 6 * (len - 1));
        struct answer answer = feed(&utf8_path_scalar, bytes, len, 0, SIZE_MAX);
        CHECK_INT(answer.done, number < 0xD800 || number > 0xDFFF);
    }
}

TEST(words_of_other_languages) {
    struct utf8 utf8;
    utf8_init(&utf8);
    CHECK(utf8_done(&utf8));
    CHECK(utf8_feed(&utf8, (const uint8_t *)"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5", 11));
    CHECK(utf8_done(&utf8));
    CHECK(utf8_feed(&utf8, (const uint8_t *)"\xF0\x9F\x98", 3));
    CHECK(!utf8_done(&utf8));
    CHECK(utf8_feed(&utf8, NULL, 0));
    CHECK(utf8_feed(&utf8, (const uint8_t *)"\x80 ", 2));
    CHECK(utf8_done(&utf8));
    CHECK(!utf8_feed(&utf8, (const uint8_t *)"\xF4\x90", 2)); /* Autobahn 6.4 */
}

/* What a path vouches for ends at a character's end and is valid. */
static bool path_agrees(const struct utf8_path *path, const uint8_t *text, size_t len, size_t cut,
                        size_t step) {
    const uint8_t *bytes = guard_put(&guard, text, len);
    struct answer answer = feed(path, bytes, len, cut, step);
    struct answer scalar = feed(&utf8_path_scalar, bytes, len, cut, step);
    size_t sure = path->prefix(bytes, len);
    struct answer vouched = feed(&utf8_path_scalar, bytes, sure <= len ? sure : 0, 0, SIZE_MAX);
    bool good = CHECK_INT(answer.good, scalar.good);
    good = CHECK_INT(answer.done, scalar.done) && good;
    good = CHECK_INT(answer.at, scalar.at) && good;
    good = CHECK(sure <= len && vouched.good && vouched.at == sure) && good;
    good = CHECK(sure == 0 || vouched.done) && good;
    if (!good) {
        fprintf(stderr, "  %s, cut at %zu: ", path->name, cut);
        test_print_slice(slice_of(text, len));
        fputc('\n', stderr);
    }
    return good;
}

enum { TEXT_MAX = 400 };

/* Fills with characters of one to four bytes that are whole. */
static size_t fill(uint8_t *text, size_t len, uint32_t *state) {
    static const char *const samples[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                                          "plain text of some length and nothing else "};
    size_t at = 0;
    for (;;) {
        *state = *state * 1664525u + 1013904223u;
        const char *sample = samples[(*state >> 24) % 5];
        if (strlen(sample) > len - at) {
            break;
        }
        memcpy(text + at, sample, strlen(sample));
        at += strlen(sample);
    }
    memset(text + at, '.', len - at);
    return len;
}

TEST(paths_agree_on_all_sequences_of_three_bytes) {
    size_t count;
    const struct utf8_path *const *paths = utf8_paths(&count);
    uint8_t text[64];
    memset(text, 'x', sizeof text);
    for (uint32_t number = 0; number < 0x1000000; number++) {
        uint8_t *at = text + 14; /* across the middle of a vector of 32 */
        if (!is_chosen(number)) {
            continue;
        }
        at[0] = (uint8_t)(number >> 16);
        at[1] = (uint8_t)(number >> 8);
        at[2] = (uint8_t)number;
        bool valid = feed(&utf8_path_scalar, at, 4, 0, SIZE_MAX).done;
        for (size_t i = 0; i + 1 < count; i++) {
            bool vouched = paths[i]->prefix(text, sizeof text) == sizeof text;
            if (!CHECK_INT(vouched, valid)) {
                fprintf(stderr, "  %s: %06x\n", paths[i]->name, number);
                return;
            }
        }
    }
}

/* Every edge sequence in every place of two blocks, in ASCII and between long characters. */
TEST(paths_agree_wherever_a_sequence_stands) {
    size_t count;
    const struct utf8_path *const *paths = utf8_paths(&count);
    uint8_t text[200];
    guard = guard_new();
    uint32_t random = 1;
    for (uint32_t number = 0; number < (uint32_t)EDGES * EDGES * EDGES * EDGES; number += 7) {
        random = random * 1664525u + 1013904223u;
        size_t at = (random >> 16) % 140;
        size_t len = at + 4 + (random >> 8) % (sizeof text - 144);
        memset(text, 'x', len);
        if (random & 0x80) {
            for (size_t i = 0; i + 3 <= at; i += 3) {
                memcpy(text + i, "\xE2\x82\xAC", 3);
            }
        }
        edges_of(number, text + at);
        for (size_t i = 0; i + 1 < count; i++) {
            if (!path_agrees(paths[i], text, len, 0, SIZE_MAX)) {
                guard_free(&guard);
                return;
            }
        }
    }
    guard_free(&guard);
}

/* Texts with one byte that is wrong, or none, in every length and with every cut. */
TEST(paths_agree_in_every_cut) {
    static const uint8_t wrong[] = {0x80, 0xC0, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, 0xFF, 'x'};
    size_t count;
    const struct utf8_path *const *paths = utf8_paths(&count);
    uint8_t text[TEXT_MAX];
    uint32_t random = 7;
    guard = guard_new();
    for (size_t len = 0; len <= 200; len++) {
        fill(text, len, &random);
        random = random * 1664525u + 1013904223u;
        if (len > 0 && len % 4 > 0) {
            text[(random >> 8) % len] = wrong[(random >> 20) % sizeof wrong];
        }
        for (size_t i = 0; i < count; i++) {
            for (size_t cut = 0; cut <= len; cut++) {
                if (!path_agrees(paths[i], text, len, cut, SIZE_MAX)) {
                    guard_free(&guard);
                    return;
                }
            }
            path_agrees(paths[i], text, len, 0, 1);
            path_agrees(paths[i], text, len, 0, 67);
        }
    }
    guard_free(&guard);
}

/* A vector path that vouched for nothing would be right and useless. */
TEST(paths_vouch_for_nearly_all_of_a_valid_text) {
    size_t count;
    const struct utf8_path *const *paths = utf8_paths(&count);
    uint8_t text[TEXT_MAX];
    uint32_t random = 3;
    for (int round = 0; round < 1000; round++) {
        size_t len = fill(text, TEXT_MAX, &random);
        for (size_t i = 0; i + 1 < count; i++) {
            size_t sure = paths[i]->prefix(text, len);
            CHECK(sure <= len && len - sure < 32 + 3);
        }
    }
    CHECK(strcmp(paths[count - 1]->name, "scalar") == 0);
}
