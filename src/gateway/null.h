/* A gateway in C that gives every request the same answer: it shows what the floors below cost
 * alone, and lets them be tested without Python. Not for production. Used by bench/null_server.c
 * and the unit tests of http/.
 *
 * Request bodies are not asked for; the protocol throws them away. */
#ifndef GATEWAY_NULL_H
#define GATEWAY_NULL_H

#include <stddef.h>
#include <stdint.h>

#include "http/exchange.h"

struct null_gateway {
    struct gateway gateway; /* give &gateway to server_init */
    /* private */
    uint8_t *body;
    size_t size;
};

/* Answers with `size` bytes of text. 0 or ERR_NOMEM. */
int null_gateway_init(struct null_gateway *null, size_t size);

/* Frees; when the loop that sent its answers has been released. */
void null_gateway_release(struct null_gateway *null);

#endif
