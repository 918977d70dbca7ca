/* Tests of base/log.h. */
#include "base/log.h"

#include "test.h"

#include "base/banned.h"

static void count_wake(void *arg) {
    ++*(int *)arg;
}

TEST(lines_come_out_in_order) {
    struct log log;
    int woken = 0;
    log_init(&log, (struct log_sink){count_wake, &woken});
    CHECK(log_next(&log) == NULL);
    log_write(&log, LOG_LEVEL_INFO, "first %d", 1);
    log_write(&log, LOG_LEVEL_ERROR, "second");
    CHECK_INT(woken, 1);
    const struct log_line *line = log_next(&log);
    CHECK_TEXT(slice_of(line->text, line->len), "first 1");
    CHECK_INT(line->level, LOG_LEVEL_INFO);
    line = log_next(&log);
    CHECK_TEXT(slice_of(line->text, line->len), "second");
    CHECK_INT(line->level, LOG_LEVEL_ERROR);
    CHECK(log_next(&log) == NULL);
    log_write(&log, LOG_LEVEL_INFO, "third");
    CHECK_INT(woken, 2);
    log_release(&log);
}

TEST(a_full_buffer_drops_and_counts) {
    struct log log;
    int woken = 0;
    log_init(&log, (struct log_sink){count_wake, &woken});
    /* not from the beginning of the ring */
    log_write(&log, LOG_LEVEL_INFO, "before");
    log_next(&log);
    for (int i = 0; i < LOG_LINES + 3; i++) {
        log_write(&log, LOG_LEVEL_INFO, "%d", i);
    }
    CHECK_INT(log.dropped, 3);
    CHECK_INT(woken, 2);
    for (int i = 0; i < LOG_LINES; i++) {
        char expected[16];
        int len = snprintf(expected, sizeof(expected), "%d", i);
        const struct log_line *line = log_next(&log);
        if (!CHECK(line != NULL)) {
            break;
        }
        CHECK_SLICE(slice_of(line->text, line->len), slice_of(expected, (size_t)len));
    }
    CHECK(log_next(&log) == NULL);
    log_release(&log);
}

TEST(a_long_line_is_cut) {
    struct log log;
    int woken = 0;
    log_init(&log, (struct log_sink){count_wake, &woken});
    log_write(&log, LOG_LEVEL_INFO, "%*s", LOG_LINE + 10, "x");
    const struct log_line *line = log_next(&log);
    CHECK_INT(line->len, LOG_LINE - 1);
    CHECK_INT(line->text[line->len], '\0');
    log_release(&log);
}

TEST(escaping) {
    char text[64];
    size_t len = log_escape(text, sizeof(text), SLICE("a\r\n\"\\\0\x7F\x1B\xFF z~"));
    CHECK_TEXT(slice_of(text, len), "a\\x0d\\x0a\\x22\\x5c\\x00\\x7f\\x1b\\xff z~");
    CHECK_INT(text[len], '\0');
}

TEST(escaping_cuts_between_bytes) {
    char text[8];
    /* room for 7: an escape that does not fit whole is left out */
    size_t len = log_escape(text, sizeof(text), SLICE("abcd\n"));
    CHECK_TEXT(slice_of(text, len), "abcd");
    len = log_escape(text, sizeof(text), SLICE("abc\n"));
    CHECK_TEXT(slice_of(text, len), "abc\\x0a");
    len = log_escape(text, sizeof(text), SLICE("abcdefgh"));
    CHECK_TEXT(slice_of(text, len), "abcdefg");
    CHECK_INT(log_escape(text, 1, SLICE("a")), 0);
    CHECK_INT(text[0], '\0');
    CHECK_INT(log_escape(NULL, 0, SLICE("a")), 0);
}
