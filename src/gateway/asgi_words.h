/* The strings that scopes and messages are made of, interned once a gateway. */
#ifndef GATEWAY_ASGI_WORDS_H
#define GATEWAY_ASGI_WORDS_H

#include "gateway/py_compat.h"

/* Field, spelling. */
#define ASGI_WORDS(X)                                                                              \
    /* keys of messages */                                                                         \
    X(type, "type")                                                                                \
    X(body, "body")                                                                                \
    X(more_body, "more_body")                                                                      \
    X(status, "status")                                                                            \
    X(headers, "headers")                                                                          \
    X(trailers, "trailers")                                                                        \
    X(more_trailers, "more_trailers")                                                              \
    X(links, "links")                                                                              \
    X(path, "path")                                                                                \
    X(file, "file")                                                                                \
    X(offset, "offset")                                                                            \
    X(count, "count")                                                                              \
    X(bytes, "bytes")                                                                              \
    X(text, "text")                                                                                \
    X(code, "code")                                                                                \
    X(reason, "reason")                                                                            \
    X(subprotocol, "subprotocol")                                                                  \
    /* other keys of scopes */                                                                     \
    X(asgi, "asgi")                                                                                \
    X(http_version, "http_version")                                                                \
    X(method, "method")                                                                            \
    X(scheme, "scheme")                                                                            \
    X(raw_path, "raw_path")                                                                        \
    X(query_string, "query_string")                                                                \
    X(root_path, "root_path")                                                                      \
    X(client, "client")                                                                            \
    X(server, "server")                                                                            \
    X(state, "state")                                                                              \
    X(extensions, "extensions")                                                                    \
    X(tls, "tls")                                                                                  \
    X(subprotocols, "subprotocols")                                                                \
    /* types of messages that are received */                                                      \
    X(http_request, "http.request")                                                                \
    X(http_disconnect, "http.disconnect")                                                          \
    X(websocket_connect, "websocket.connect")                                                      \
    X(websocket_receive, "websocket.receive")                                                      \
    X(websocket_disconnect, "websocket.disconnect")                                                \
    /* methods of others */                                                                        \
    X(cancel, "cancel")

struct asgi_words {
#define X(field, spelling) PyObject *field;
    ASGI_WORDS(X)
#undef X
};

/* In zeroed memory. 0, or -1 with an exception; to be cleared in either case. */
int asgi_words_init(struct asgi_words *words);
void asgi_words_clear(struct asgi_words *words);

#endif
