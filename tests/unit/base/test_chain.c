/* Tests of base/chain.h. */
#include "base/chain.h"

#include "test.h"

#include "base/banned.h"

struct rig {
    struct piece_pool pool;
    struct chain chain;
    struct chain trash;
};

static void count_release(struct piece *piece) {
    ++*(int *)piece->owner;
}

static void rig_begin(struct rig *rig) {
    piece_pool_init(&rig->pool, 2);
    chain_init(&rig->chain);
    chain_init(&rig->trash);
}

static void rig_end(struct rig *rig) {
    chain_drop(&rig->chain, &rig->pool, &rig->trash);
    chain_sweep(&rig->trash, &rig->pool);
    CHECK_INT(piece_pool_live(&rig->pool), 0);
    piece_pool_release(&rig->pool);
}

static void add(struct rig *rig, struct slice bytes, int *released) {
    chain_append(&rig->chain,
                 piece_memory(&rig->pool, bytes, released ? count_release : NULL, released));
}

/* All bytes of a chain of memory pieces; its length must be what they are together. */
static struct slice text_of(const struct chain *chain, uint8_t room[64]) {
    size_t len = 0;
    for (const struct piece *p = chain->first; p; p = p->next) {
        memcpy(room + len, p->at, p->len);
        len += p->len;
        CHECK(p->next || chain->last == p);
    }
    CHECK_INT(chain->bytes, len);
    return slice_of(room, len);
}

TEST(consuming_across_pieces) {
    struct rig rig;
    uint8_t room[64];
    int released = 0;
    rig_begin(&rig);
    add(&rig, SLICE("head"), NULL);
    add(&rig, SLICE("body"), &released);
    add(&rig, SLICE("tail"), &released);
    chain_consume(&rig.chain, 2, &rig.pool, &rig.trash);
    CHECK_TEXT(text_of(&rig.chain, room), "adbodytail");
    chain_consume(&rig.chain, 5, &rig.pool, &rig.trash);
    CHECK_TEXT(text_of(&rig.chain, room), "ytail");
    CHECK_INT(piece_pool_live(&rig.pool), 2);
    chain_consume(&rig.chain, 1, &rig.pool, &rig.trash);
    CHECK_TEXT(text_of(&rig.chain, room), "tail");
    /* its owner is told by the sweep, not before */
    CHECK_INT(released, 0);
    CHECK_INT(rig.trash.bytes, 4); /* all that it keeps, however little was left at the end */
    chain_sweep(&rig.trash, &rig.pool);
    CHECK_INT(released, 1);
    CHECK(chain_empty(&rig.trash));
    rig_end(&rig);
    CHECK_INT(released, 2);
}

TEST(empty_pieces_end_too) {
    struct rig rig;
    int released = 0;
    rig_begin(&rig);
    add(&rig, SLICE(""), &released);
    add(&rig, SLICE("a"), &released);
    add(&rig, SLICE(""), &released);
    chain_consume(&rig.chain, 0, &rig.pool, &rig.trash);
    CHECK_INT(rig.chain.bytes, 1);
    CHECK(rig.chain.first->len == 1);
    chain_consume(&rig.chain, 1, &rig.pool, &rig.trash);
    CHECK(chain_empty(&rig.chain));
    CHECK(rig.chain.last == NULL);
    chain_sweep(&rig.trash, &rig.pool);
    CHECK_INT(released, 3);
    rig_end(&rig);
}

TEST(a_file_is_consumed_by_its_offset) {
    struct rig rig;
    rig_begin(&rig);
    chain_append(&rig.chain, piece_file(&rig.pool, 7, 1000, 50, NULL, NULL));
    chain_consume(&rig.chain, 20, &rig.pool, &rig.trash);
    CHECK_INT(rig.chain.first->offset, 1020);
    CHECK_INT(rig.chain.first->len, 30);
    CHECK_INT(rig.chain.bytes, 30);
    rig_end(&rig);
}

TEST(cutting_at_every_place) {
    for (size_t count = 0; count <= 9; count++) {
        struct rig rig;
        uint8_t room[64];
        int released = 0;
        rig_begin(&rig);
        add(&rig, SLICE("abc"), &released);
        add(&rig, SLICE(""), &released);
        add(&rig, SLICE("defg"), &released);
        chain_cut(&rig.chain, count, &rig.pool, &rig.trash);
        struct slice all = SLICE("abcdefg");
        all.len = count < all.len ? count : all.len;
        CHECK_SLICE(text_of(&rig.chain, room), all);
        rig_end(&rig);
        CHECK_INT(released, 3);
    }
}

TEST(splice_and_take) {
    struct rig rig;
    struct chain more;
    uint8_t room[64];
    rig_begin(&rig);
    chain_init(&more);
    chain_splice(&rig.chain, &more);
    CHECK(chain_empty(&rig.chain));
    chain_append(&more, piece_memory(&rig.pool, SLICE("b"), NULL, NULL));
    chain_splice(&rig.chain, &more);
    CHECK(chain_empty(&more));
    add(&rig, SLICE("c"), NULL);
    chain_append(&more, piece_memory(&rig.pool, SLICE("d"), NULL, NULL));
    chain_splice(&rig.chain, &more);
    CHECK_TEXT(text_of(&rig.chain, room), "bcd");
    struct piece *first = chain_take(&rig.chain);
    CHECK_INT(first->len, 1);
    CHECK_INT(rig.chain.bytes, 2);
    piece_free(&rig.pool, first);
    rig_end(&rig);
}

TEST(pieces_with_bytes_of_their_own) {
    struct rig rig;
    const size_t sizes[] = {0, 1, PIECE_ROOM, PIECE_ROOM + 1, 100000};
    rig_begin(&rig);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct piece *piece = piece_own(&rig.pool, sizes[i]);
        if (!CHECK(piece != NULL)) {
            continue;
        }
        memset(piece_room(piece), 'x', sizes[i]);
        CHECK(piece->at == piece_room(piece));
        CHECK_INT(piece->len, 0);
        piece->len = sizes[i];
        CHECK_INT(rig.pool.large, sizes[i] > PIECE_ROOM);
        piece_free(&rig.pool, piece);
    }
    CHECK(piece_own(&rig.pool, SIZE_MAX) == NULL);
    CHECK_INT(rig.pool.large, 0);
    rig_end(&rig);
}
