/* Tests of http/status.h. */
#include "http/status.h"

#include "base/err.h"
#include "test.h"

#include "base/banned.h"

TEST(every_status_that_an_error_is_answered_with_has_its_phrase) {
    for (int err = -1; err >= -(int)ERR_COUNT; err--) {
        int status = err_status(err);
        if (status > 0) {
            struct slice reason = status_reason(status);
            CHECK(reason.len > 0);
        }
    }
}

TEST(a_status_that_is_not_registered_has_none) {
    CHECK_TEXT(status_reason(599), "");
    CHECK_TEXT(status_reason(0), "");
}
