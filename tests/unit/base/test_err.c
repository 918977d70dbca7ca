/* Tests of base/err.h. */
#include "base/err.h"

#include "test.h"

#include "base/banned.h"

TEST(every_row_can_be_looked_up) {
#define X(name, text, status)                                                                      \
    CHECK(name < 0);                                                                               \
    CHECK(strcmp(err_name(name), #name) == 0);                                                     \
    CHECK(strcmp(err_text(name), text) == 0);                                                      \
    CHECK_INT(err_status(name), status);
    ERR_TABLE(X)
#undef X
}

TEST(a_status_is_none_or_an_error) {
    for (int err = -1; err >= -(int)ERR_COUNT; err--) {
        int status = err_status(err);
        CHECK(status == 0 || (status >= 400 && status <= 599));
        CHECK(err_text(err)[0] != '\0');
    }
}

TEST(outside_the_table) {
    const int outside[] = {0, 1, -(int)ERR_COUNT - 1};
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        CHECK_INT(err_status(outside[i]), 500);
        CHECK(strcmp(err_name(outside[i]), "ERR_UNKNOWN") == 0);
        CHECK(strcmp(err_text(outside[i]), "unknown error") == 0);
    }
}
