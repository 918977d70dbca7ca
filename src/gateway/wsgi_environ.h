/* The environ of a request (PEP 3333 "environ Variables").
 *
 * One template a listener and scheme holds every key that each request has; it is copied, so that
 * CPython clones one table, and then overwritten. Clients repeat their fields from request to
 * request: a block of fields that comes a second time gets a template of its own, with the fields
 * in it (bench/instructions.py: a browser's head costs a third). With the GIL, loop thread. */
#ifndef GATEWAY_WSGI_ENVIRON_H
#define GATEWAY_WSGI_ENVIRON_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/py_compat.h"
#include "gateway/py_text.h"
#include "http/exchange.h"

/* What every request of a worker shares. [borrows for the call] */
struct wsgi_constants {
    const char *software; /* SERVER_SOFTWARE */
    bool multithread;
    bool multiprocess;
    PyObject *empty_input; /* wsgi.input of requests without a body */
    PyObject *errors;      /* wsgi.errors */
    PyObject *file_wrapper;
};

/* Keys that are looked up or set for each request: field, spelling. */
#define WSGI_KEYS(X)                                                                               \
    X(request_method, "REQUEST_METHOD")                                                            \
    X(script_name, "SCRIPT_NAME")                                                                  \
    X(path_info, "PATH_INFO")                                                                      \
    X(query_string, "QUERY_STRING")                                                                \
    X(raw_uri, "RAW_URI")                                                                          \
    X(request_uri, "REQUEST_URI")                                                                  \
    X(server_name, "SERVER_NAME")                                                                  \
    X(server_port, "SERVER_PORT")                                                                  \
    X(server_protocol, "SERVER_PROTOCOL")                                                          \
    X(server_software, "SERVER_SOFTWARE")                                                          \
    X(remote_addr, "REMOTE_ADDR")                                                                  \
    X(remote_port, "REMOTE_PORT")                                                                  \
    X(content_type, "CONTENT_TYPE")                                                                \
    X(content_length, "CONTENT_LENGTH")                                                            \
    X(wsgi_version, "wsgi.version")                                                                \
    X(wsgi_url_scheme, "wsgi.url_scheme")                                                          \
    X(wsgi_input, "wsgi.input")                                                                    \
    X(wsgi_input_terminated, "wsgi.input_terminated")                                              \
    X(wsgi_errors, "wsgi.errors")                                                                  \
    X(wsgi_multithread, "wsgi.multithread")                                                        \
    X(wsgi_multiprocess, "wsgi.multiprocess")                                                      \
    X(wsgi_run_once, "wsgi.run_once")                                                              \
    X(wsgi_file_wrapper, "wsgi.file_wrapper")

struct wsgi_keys {
#define X(field, text) PyObject *field;
    WSGI_KEYS(X)
#undef X
};

enum { WSGI_PEERS = 256 };

/* REMOTE_ADDR and REMOTE_PORT of a peer, for its next request. */
struct wsgi_peer {
    struct peer peer;
    PyObject *address; /* NULL: empty */
    PyObject *port;
};

/* An environ to be copied. Values of the last request stay in it until another one's differ:
 * methods, paths and peers repeat. */
struct wsgi_template {
    PyObject *dict;   /* NULL: none yet */
    PyObject *method; /* these are what `dict` holds [borrows until it is changed there] */
    PyObject *uri;
    PyObject *path;
    PyObject *query;
    PyObject *protocol;
    PyObject *address;
    PyObject *port;
};

enum { WSGI_BLOCKS = 64, WSGI_BLOCK_MAX = 2048 };

/* A template with the fields of a head in it, for the next head with the same fields. */
struct wsgi_block {
    uint64_t hash; /* of the last block that came here; 0: none has */
    size_t len;
    uint32_t place; /* of the template that it began as, see place_of() */
    uint8_t *bytes; /* NULL: no template yet */
    struct wsgi_template template;
};

struct wsgi_environ {
    /* read-only */
    struct wsgi_keys keys;
    struct py_text texts;
    /* private */
    PyObject *headers[HEADER_COUNT]; /* "HTTP_HOST" …; NULL: not put into an environ so */
    PyObject *http10;
    PyObject *http11;
    PyObject *empty;
    PyObject *constants;             /* the template less what a listener adds */
    struct wsgi_template *templates; /* one a listener and scheme */
    uint32_t listeners;
    struct wsgi_peer peers[WSGI_PEERS];
    struct wsgi_block blocks[WSGI_BLOCKS];
};

/* The environ, and two of its values for the log. */
struct wsgi_request {
    PyObject *environ;
    PyObject *method;
    PyObject *uri;
};

/* In zeroed memory, for requests of `listeners` listeners. 0, or -1 with an exception; to be
 * released in either case. */
int wsgi_environ_init(struct wsgi_environ *self, const struct wsgi_constants *constants,
                      uint32_t listeners);
void wsgi_environ_release(struct wsgi_environ *self);

/* Everything of the request but its body. [gives all three of `out`] 0; or -1 with an exception,
 * and nothing is given. */
int wsgi_environ_make(struct wsgi_environ *self, const struct request *request,
                      struct wsgi_request *out);

#endif
