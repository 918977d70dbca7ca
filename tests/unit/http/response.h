/* A strict reader of responses: what a client that trusts nobody would make of the bytes. */
#ifndef UNIT_HTTP_RESPONSE_H
#define UNIT_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/slice.h"

struct response {
    int status;
    bool chunked;
    bool has_length;
    bool closes;      /* Connection: close */
    bool until_close; /* the connection's end ends its body */
    size_t content_length;
    struct slice body; /* of a chunked one: with its chunk lines. [borrows bytes] */
    size_t body_len;   /* without them */
};

/* Reads one response. `to_head`: it answers HEAD. `ended`: the peer ended the connection in an
 * orderly way behind these bytes. Returns the bytes used; 0 where it is not complete; -1 where it
 * is not a response at all. */
ssize_t response_read(struct slice bytes, bool to_head, bool ended, struct response *response);

#endif
