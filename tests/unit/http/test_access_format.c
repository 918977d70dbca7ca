/* Tests of http/access_format.h: what is read, and what is refused. */
#include "http/access_format.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "faults.h"
#include "test.h"

#include "base/banned.h"

static int read_text(struct access_format *format, const char *text, struct slice *wrong) {
    *wrong = slice_of(NULL, 0);
    return access_format_init(format, slice_of(text, strlen(text)), wrong);
}

TEST(parts_in_order) {
    struct access_format format;
    struct slice wrong;
    CHECK_INT(read_text(&format, "a %(h)s%% %({Accept}i)s%(s)s", &wrong), 0);
    CHECK_INT(format.count, 5);
    CHECK_INT(format.parts[0].atom, ACCESS_LITERAL);
    CHECK_TEXT(format.parts[0].text, "a ");
    CHECK_INT(format.parts[1].atom, ACCESS_CLIENT);
    CHECK_INT(format.parts[2].atom, ACCESS_LITERAL);
    CHECK_TEXT(format.parts[2].text, "% ");
    CHECK_INT(format.parts[3].atom, ACCESS_IN);
    CHECK_INT(format.parts[3].id, HEADER_ACCEPT);
    CHECK_TEXT(format.parts[3].text, "Accept");
    CHECK_INT(format.parts[4].atom, ACCESS_STATUS);
    CHECK(!format.json && !format.has_head);
    access_format_release(&format);
}

TEST(what_is_always_the_same_is_taken_now) {
    struct access_format format;
    struct slice wrong;
    setenv("FREASTAL_TEST", "a\nb", 1);
    CHECK_INT(read_text(&format, "<%({FREASTAL_TEST}e)s %(l)s>", &wrong), 0);
    CHECK_INT(format.count, 1);
    CHECK_TEXT(format.parts[0].text, "<a\\x0ab ->");
    access_format_release(&format);
}

TEST(ready_made_formats) {
    static const char *const names[] = {"common", "combined", "json", ACCESS_FORMAT_DEFAULT};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct access_format format;
        struct slice wrong;
        CHECK_INT(read_text(&format, names[i], &wrong), 0);
        CHECK(format.count > 5 && format.most <= ACCESS_LINE);
        CHECK_INT(format.json, strcmp(names[i], "json") == 0);
        access_format_release(&format);
    }
}

TEST(what_is_not_known_is_told) {
    static const char *const rows[][2] = {
        {"%(x)s", "%(x)s"},
        {"a %(h", "%(h"},
        {"%(h)", "%(h)"},
        {"%(h)d", "%(h)"},
        {"%", "%"},
        {"%h", "%h"},
        {"%()s", "%()s"},
        {"%({}i)s", "%({}i)s"},
        {"%({a}x)s", "%({a}x)s"},
        {"%({a)s", "%({a)s"},
        {"a\nb", "\n"},
        {"\x7f", "\x7f"},
        {"%({})s b", "%({})s"},
        {"%(hh)s %(h)s", "%(hh)s"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct access_format format;
        struct slice wrong;
        CHECK_INT(read_text(&format, rows[i][0], &wrong), ERR_LOG_ATOM);
        CHECK_SLICE(wrong, slice_of(rows[i][1], strlen(rows[i][1])));
        CHECK(!format.parts && !format.memory);
    }
}

TEST(lines_that_could_be_too_long) {
    struct access_format format;
    struct slice wrong;
    static char text[40000];
    memset(text, 'a', 16 * 1024);
    CHECK_INT(read_text(&format, text, &wrong), 0);
    access_format_release(&format);
    text[16 * 1024] = 'a';
    CHECK_INT(read_text(&format, text, &wrong), ERR_LOG_LINE);
    text[0] = '\0';
    for (int i = 0; i < 31; i++) {
        memcpy(text + strlen(text), "%(r)s", 6);
    }
    CHECK_INT(read_text(&format, text, &wrong), 0);
    access_format_release(&format);
    memcpy(text + strlen(text), "%(r)s", 6);
    CHECK_INT(read_text(&format, text, &wrong), ERR_LOG_LINE);
    text[0] = '\0';
    for (int i = 0; i < 257; i++) {
        memcpy(text + strlen(text), "%%", 3);
    }
    CHECK_INT(read_text(&format, text, &wrong), ERR_LOG_LINE);
}

TEST(without_memory) {
    for (uint64_t failing = 1; failing <= 2; failing++) {
        struct access_format format;
        struct slice wrong;
        faults_clear();
        faults[FAULT_ALLOC] = (struct fault){.from = failing, .to = failing, .error = 1};
        CHECK_INT(read_text(&format, "common", &wrong), ERR_NOMEM);
        CHECK(!format.parts && !format.memory);
        faults_clear();
    }
}
