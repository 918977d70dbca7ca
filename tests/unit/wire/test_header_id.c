/* Tests of wire/header_id.h and of the perfect hash behind it. */
#include "wire/header_id.h"

#include "unit/test.h"
#include "wire/header_lookup.h"

#include "base/banned.h"

struct row {
    enum header_id id;
    const char *name;
};

static const struct row rows[] = {
#define X(id, name) {id, name},
    HEADER_TABLE(X)
#undef X
};

#define ROW_COUNT (sizeof rows / sizeof rows[0])

/* A name that misses says that header_slots.h is old: run src/wire/header_slots.py. */
TEST(every_row_is_found_in_any_case) {
    CHECK_INT(ROW_COUNT, HEADER_COUNT - 1);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char upper[64];
        char title[64];
        size_t len = strlen(rows[i].name);
        for (size_t j = 0; j <= len; j++) {
            char c = rows[i].name[j];
            upper[j] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
            title[j] = j == 0 || rows[i].name[j - 1] == '-' ? upper[j] : c;
        }
        CHECK_INT(header_id_of(slice_of(rows[i].name, len)), rows[i].id);
        CHECK_INT(header_id_of(slice_of(upper, len)), rows[i].id);
        CHECK_INT(header_id_of(slice_of(title, len)), rows[i].id);
        CHECK_SLICE(header_id_name(rows[i].id), slice_of(rows[i].name, len));
    }
}

/* What makes `| 0x20` an exact comparison of tokens. */
TEST(names_hold_letters_and_dashes_only) {
    for (size_t i = 0; i < ROW_COUNT; i++) {
        for (const char *c = rows[i].name; *c; c++) {
            CHECK((*c >= 'a' && *c <= 'z') || *c == '-');
        }
    }
}

/* With one byte changed, added or missing, a name is another one or none. */
TEST(neighbours_are_not_found) {
    for (size_t i = 0; i < ROW_COUNT; i++) {
        size_t len = strlen(rows[i].name);
        char name[64];
        for (size_t at = 0; at < len; at++) {
            for (int c = 0; c < 256; c++) {
                memcpy(name, rows[i].name, len);
                name[at] = (char)c;
                bool same = ascii_lower((uint8_t)c) == (uint8_t)rows[i].name[at];
                CHECK_INT(header_id_of(slice_of(name, len)) == rows[i].id, same);
            }
        }
        memcpy(name, rows[i].name, len);
        name[len] = 's';
        CHECK(header_id_of(slice_of(name, len + 1)) != rows[i].id);
        CHECK(header_id_of(slice_of(name, len - 1)) != rows[i].id);
    }
}

TEST(short_and_long_names_are_other) {
    char name[70000];
    memset(name, 'a', sizeof name);
    CHECK_INT(header_id_of(slice_of(name, 0)), HEADER_OTHER);
    CHECK_INT(header_id_of(slice_of(name, 1)), HEADER_OTHER);
    for (size_t len = 2; len < sizeof name; len = len * 2 + 1) {
        CHECK_INT(header_id_of(slice_of(name, len)), HEADER_OTHER);
    }
    CHECK_INT(header_id_name(HEADER_OTHER).len, 0);
}

TEST(bytes_that_differ_by_more_than_case_are_other_names) {
    CHECK_INT(header_id_of(SLICE("content\rtype")), HEADER_OTHER);
    CHECK_INT(header_id_of(SLICE("te\x1a")), HEADER_OTHER);
    CHECK_INT(header_id_of(SLICE("\x48ost")), HEADER_HOST);
    CHECK_INT(header_id_of(SLICE("\x08ost")), HEADER_OTHER);
    CHECK_INT(header_id_of(SLICE("\x28ost")), HEADER_OTHER);
    CHECK_INT(header_id_of(SLICE("ho\0t")), HEADER_OTHER);
}
