/* Tests of base/slab.h. */
#include "base/slab.h"

#include "test.h"

#include "base/banned.h"

enum { SIZE = 48, KEEP = 2 };

TEST(what_was_given_last_is_taken_first) {
    struct slab slab;
    slab_init(&slab, SIZE, KEEP);
    void *a = slab_take(&slab);
    void *b = slab_take(&slab);
    CHECK(a && b && a != b);
    CHECK_INT(slab.live, 2);
    slab_give(&slab, a);
    slab_give(&slab, b);
    CHECK_INT(slab.live, 0);
    CHECK(slab_take(&slab) == b);
    CHECK(slab_take(&slab) == a);
    slab_give(&slab, a);
    slab_give(&slab, b);
    slab_release(&slab);
}

TEST(no_more_than_keep_wait_for_reuse) {
    struct slab slab;
    void *objects[KEEP + 3];
    slab_init(&slab, SIZE, KEEP);
    for (int i = 0; i < KEEP + 3; i++) {
        objects[i] = slab_take(&slab);
        CHECK(objects[i] != NULL);
    }
    for (int i = 0; i < KEEP + 3; i++) {
        slab_give(&slab, objects[i]);
        CHECK_INT(slab.idle, i < KEEP ? i + 1 : KEEP);
    }
    slab_release(&slab);
    CHECK_INT(slab.idle, 0);
}

TEST(objects_may_be_given_back_after_release) {
    struct slab slab;
    slab_init(&slab, SIZE, KEEP);
    void *object = slab_take(&slab);
    slab_release(&slab);
    slab_give(&slab, object); /* the leak checker sees whether it was freed */
    CHECK_INT(slab.live, 0);
    CHECK_INT(slab.idle, 0);
}
