/* The scope of a request (ASGI HTTP and WebSocket specifications, "Connection Scope").
 *
 * A template a listener, scheme and kind holds every key; it is copied, so that CPython clones one
 * table. Values of the last request stay in it until another one's differ: methods, paths and peers
 * repeat. With the GIL, loop thread. */
#ifndef GATEWAY_ASGI_SCOPE_H
#define GATEWAY_ASGI_SCOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/asgi_fields.h"
#include "gateway/asgi_security.h"
#include "gateway/asgi_words.h"
#include "gateway/py_compat.h"
#include "gateway/py_text.h"
#include "http/exchange.h"

enum { ASGI_PEERS = 256, ASGI_TARGETS = 128, ASGI_TARGET_MAX = 256 };

/* `client` of a peer, for its next request. */
struct asgi_peer {
    struct peer peer;
    PyObject *client; /* NULL: empty */
};

/* What a request target is in a scope, for the next request of it. */
struct asgi_target {
    uint64_t hash;
    PyObject *target;   /* bytes, as it came; NULL: empty */
    PyObject *path;     /* str */
    PyObject *raw_path; /* bytes */
    PyObject *query;    /* bytes */
};

struct asgi_template {
    PyObject *dict;   /* NULL: none yet */
    PyObject *method; /* these are what `dict` holds [borrows until it is changed there] */
    PyObject *version;
    PyObject *path;
    PyObject *raw_path;
    PyObject *query;
    PyObject *client;
};

enum asgi_scope_kind { ASGI_SCOPE_HTTP, ASGI_SCOPE_WEBSOCKET, ASGI_SCOPE_KINDS };

struct asgi_scope {
    /* private */
    const struct asgi_words *words;
    PyObject *root;     /* root_path, str */
    PyObject *raw_root; /* the same as bytes */
    PyObject *state;    /* or NULL: scopes have none */
    PyObject *http10;
    PyObject *http11;
    PyObject *empty;                        /* bytes */
    PyObject *asgi;                         /* dict, copied for each scope */
    PyObject *extensions[ASGI_SCOPE_KINDS]; /* dicts, copied for each scope */
    struct asgi_template *templates;        /* one a listener, scheme and kind */
    uint32_t listeners;
    struct asgi_security security;
    struct asgi_fields fields;
    struct py_text texts;
    struct asgi_peer peers[ASGI_PEERS];
    struct asgi_target targets[ASGI_TARGETS];
};

/* In zeroed memory. [borrows words until it is released; root_path and state for the call]
 * 0, or -1 with an exception; to be released in either case. */
int asgi_scope_init(struct asgi_scope *self, const struct asgi_words *words, const char *root_path,
                    PyObject *state, uint32_t listeners);
void asgi_scope_release(struct asgi_scope *self);

/* Everything of the request but its body. [new] NULL with an exception. */
PyObject *asgi_scope_make(struct asgi_scope *self, enum asgi_scope_kind kind,
                          const struct request *request);

#endif
