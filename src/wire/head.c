/* What is common to the head parsers of all instruction sets. */
#include "wire/head.h"

#include "base/banned.h"

void head_init(struct head *head, struct field *fields) {
    *head = (struct head){.fields = fields};
}

const struct head_parser *head_parser_best(void) {
    size_t count;
    return head_parsers(&count)[0];
}
