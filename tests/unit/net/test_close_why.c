/* Tests of net/close_why.h. */
#include "net/close_why.h"

#include "test.h"

#include "base/banned.h"

TEST(every_row_can_be_looked_up) {
#define X(name, text, resets)                                                                      \
    CHECK(strcmp(close_why_name(name), #name) == 0);                                               \
    CHECK(strcmp(close_why_text(name), text) == 0);                                                \
    CHECK(close_why_resets(name) == (resets));
    CLOSE_TABLE(X)
#undef X
}

TEST(open_is_the_first) {
    /* a stream is zero-initialized and open */
    CHECK_INT(CLOSE_NONE, 0);
}
