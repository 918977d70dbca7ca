/* Tests of base/slice.h and base/size.h. */
#include "base/slice.h"

#include "base/size.h"
#include "test.h"

#include "base/banned.h"

TEST(equality) {
    CHECK(slice_equal(SLICE("abc"), SLICE("abc")));
    CHECK(!slice_equal(SLICE("abc"), SLICE("abd")));
    CHECK(!slice_equal(SLICE("abc"), SLICE("ab")));
    CHECK(slice_equal(slice_of(NULL, 0), SLICE("")));
    CHECK(!slice_equal(SLICE("abc"), SLICE("ABC")));
}

TEST(equality_without_case_is_ascii_only) {
    CHECK(slice_equal_nocase(SLICE("Content-LENGTH"), SLICE("cONTENT-length")));
    CHECK(!slice_equal_nocase(SLICE("chunked"), SLICE("chunke")));
    /* '@' and '`', '[' and '{' differ by the bit that letters differ by */
    CHECK(!slice_equal_nocase(SLICE("@["), SLICE("`{")));
    CHECK(!slice_equal_nocase(SLICE("\xC4"), SLICE("\xE4")));
}

TEST(lower_case_leaves_all_but_letters) {
    for (int c = 0; c < 256; c++) {
        int expected = c >= 'A' && c <= 'Z' ? c + 32 : c;
        CHECK_INT(ascii_lower((uint8_t)c), expected);
    }
}

TEST(sums_and_products_that_do_not_fit) {
    size_t size = 0;
    uint64_t wide = 0;
    CHECK(size_add(SIZE_MAX - 1, 1, &size));
    CHECK(size == SIZE_MAX);
    CHECK(!size_add(SIZE_MAX, 1, &size));
    CHECK(size_mul(SIZE_MAX / 2, 2, &size));
    CHECK(!size_mul(SIZE_MAX / 2 + 1, 2, &size));
    CHECK(u64_add(UINT64_MAX - 1, 1, &wide));
    CHECK(!u64_add(UINT64_MAX, 1, &wide));
}
