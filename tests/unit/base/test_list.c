/* Tests of base/list.h. */
#include "base/list.h"

#include "test.h"

#include "base/banned.h"

struct owner {
    int before;
    struct list link;
};

/* "1 2 3" of the values on a list, in both directions the same. */
static bool holds(const struct list *list, int from, int to) {
    const struct list *node = list->next;
    for (int i = from; i <= to; i++, node = node->next) {
        if (node == list || LIST_OWNER(node, const struct owner, link)->before != i ||
            node->prev->next != node) {
            return false;
        }
    }
    return node == list;
}

static void fill(struct list *list, struct owner *owners, int count, int first) {
    list_init(list);
    for (int i = 0; i < count; i++) {
        owners[i].before = first + i;
        list_init(&owners[i].link);
        list_append(list, &owners[i].link);
    }
}

TEST(order_is_kept) {
    struct list list;
    struct owner owners[3];
    fill(&list, owners, 3, 1);
    CHECK(holds(&list, 1, 3));
    CHECK(list_take(&list) == &owners[0].link);
    CHECK(holds(&list, 2, 3));
}

TEST(removing_is_safe_twice_and_anywhere) {
    struct list list;
    struct owner owners[3];
    fill(&list, owners, 3, 1);
    list_remove(&owners[2].link);
    list_remove(&owners[2].link);
    CHECK(list_empty(&owners[2].link));
    CHECK(holds(&list, 1, 2));
    list_remove(&owners[0].link);
    CHECK(holds(&list, 2, 2));
    list_remove(&owners[1].link);
    CHECK(list_empty(&list));
    CHECK(list_take(&list) == NULL);
}

TEST(splice_moves_all_behind) {
    struct list to;
    struct list from;
    struct owner a[2];
    struct owner b[3];
    fill(&to, a, 2, 1);
    fill(&from, b, 3, 3);
    list_splice(&to, &from);
    CHECK(holds(&to, 1, 5));
    CHECK(list_empty(&from));
    list_splice(&to, &from);
    CHECK(holds(&to, 1, 5));
}

TEST(splice_into_an_empty_list) {
    struct list to;
    struct list from;
    struct owner b[2];
    fill(&from, b, 2, 1);
    list_init(&to);
    list_splice(&to, &from);
    CHECK(holds(&to, 1, 2));
    CHECK(list_empty(&from));
}
