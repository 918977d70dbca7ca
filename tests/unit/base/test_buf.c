/* Tests of base/buf.h. */
#include "base/buf.h"

#include "base/err.h"
#include "test.h"

#include "base/banned.h"

static struct buf *filled(struct buf_pool *pool, uint8_t byte, uint32_t len) {
    struct buf *buf = buf_take(pool);
    memset(buf->bytes, byte, len);
    buf->end = len;
    return buf;
}

/* `count` times `byte` from `at` on. */
static bool all(const struct buf *buf, size_t at, size_t count, uint8_t byte) {
    struct slice slice = buf_slice(buf);
    for (size_t i = at; i < at + count; i++) {
        if (i >= slice.len || slice.at[i] != byte) {
            return false;
        }
    }
    return true;
}

TEST(a_taken_buffer_is_empty) {
    struct buf_pool pool;
    buf_pool_init(&pool, 4);
    struct buf *buf = filled(&pool, 'x', 10);
    buf->start = 3;
    buf_give(buf);
    buf = buf_take(&pool);
    CHECK_INT(buf_len(buf), 0);
    CHECK_INT(buf_room(buf), BUF_SIZE);
    buf_give(buf);
    buf_give(NULL);
    CHECK_INT(pool.slab.live, 0);
    buf_pool_release(&pool);
}

TEST(a_large_buffer_is_of_the_pool_too) {
    struct buf_pool pool;
    buf_pool_init(&pool, 4);
    struct buf *buf = buf_take_large(&pool);
    const struct buf *same = buf;
    memset(buf->bytes, 'x', BUF_LARGE);
    buf->end = BUF_LARGE;
    CHECK_INT(buf_pool_live(&pool), 1);
    buf_give(buf);
    CHECK_INT(buf_pool_live(&pool), 0);
    buf = buf_take_large(&pool);
    CHECK(buf == same);
    CHECK_INT(buf_len(buf), 0);
    CHECK_INT(buf_room(buf), BUF_LARGE);
    buf_give(buf);
    buf_pool_release(&pool);
}

TEST(appending_where_there_is_room) {
    struct buf_pool pool;
    buf_pool_init(&pool, 4);
    struct buf *buf = filled(&pool, 'a', 5);
    const struct buf *same = buf;
    buf->start = 2;
    CHECK_INT(buf_append(&buf, filled(&pool, 'b', 4), 100), 0);
    CHECK(buf == same);
    CHECK_INT(buf->start, 2);
    CHECK_SLICE(buf_slice(buf), SLICE("aaabbbb"));
    CHECK_INT(pool.slab.live, 1);
    buf_give(buf);
    buf_pool_release(&pool);
}

TEST(appending_moves_to_the_front_before_it_grows) {
    struct buf_pool pool;
    buf_pool_init(&pool, 4);
    struct buf *buf = filled(&pool, 'a', BUF_SIZE);
    const struct buf *same = buf;
    buf->start = 100;
    CHECK_INT(buf_append(&buf, filled(&pool, 'b', 100), BUF_SIZE), 0);
    CHECK(buf == same);
    CHECK_INT(buf->start, 0);
    CHECK_INT(buf_len(buf), BUF_SIZE);
    CHECK(all(buf, 0, BUF_SIZE - 100, 'a'));
    CHECK(all(buf, BUF_SIZE - 100, 100, 'b'));
    buf_give(buf);
    buf_pool_release(&pool);
}

TEST(appending_grows_up_to_the_limit) {
    struct buf_pool pool;
    buf_pool_init(&pool, 4);
    struct buf *buf = filled(&pool, 'a', BUF_SIZE);
    buf->start = 1;
    CHECK_INT(buf_append(&buf, filled(&pool, 'b', BUF_SIZE), 3 * BUF_SIZE), 0);
    CHECK_INT(buf_len(buf), 2 * BUF_SIZE - 1);
    CHECK(all(buf, 0, BUF_SIZE - 1, 'a'));
    CHECK(all(buf, BUF_SIZE - 1, BUF_SIZE, 'b'));
    /* the pool has both of its own back */
    CHECK_INT(pool.slab.live, 0);
    CHECK_INT(buf_append(&buf, filled(&pool, 'c', BUF_SIZE), 3 * BUF_SIZE - 1), 0);
    CHECK_INT(buf_len(buf), 3 * BUF_SIZE - 1);
    CHECK(all(buf, 2 * BUF_SIZE - 1, BUF_SIZE, 'c'));
    /* one byte more than the limit: refused, unchanged, and the other is given up */
    CHECK_INT(buf_append(&buf, filled(&pool, 'd', 1), 3 * BUF_SIZE - 1), ERR_LIMIT);
    CHECK_INT(buf_len(buf), 3 * BUF_SIZE - 1);
    CHECK_INT(pool.slab.live, 0);
    buf_give(buf);
    buf_pool_release(&pool);
}
