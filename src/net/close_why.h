/* Why a connection ended: set once, counted, so that the question can always be answered.
 * The third column: true where the peer must see a reset, because an orderly end could make a
 * cut response look complete. */
#ifndef NET_CLOSE_WHY_H
#define NET_CLOSE_WHY_H

#include <stdbool.h>

#include "base/figures.h"

#define CLOSE_TABLE(X)                                                                             \
    X(CLOSE_NONE, "open", false)                                                                   \
    X(CLOSE_PEER_EOF, "the peer closed", false)                                                    \
    X(CLOSE_PEER_RESET, "the peer reset the connection", false)                                    \
    X(CLOSE_DONE, "the last response was sent", false)                                             \
    X(CLOSE_REFUSED, "a request broke a rule", false)                                              \
    X(CLOSE_HEAD_TIMEOUT, "the head came too slowly", false)                                       \
    X(CLOSE_BODY_TIMEOUT, "the body came too slowly", false)                                       \
    X(CLOSE_IDLE_TIMEOUT, "idle for longer than --timeout-keep-alive", false)                      \
    X(CLOSE_WRITE_TIMEOUT, "the peer did not read for --timeout-write", true)                      \
    X(CLOSE_CUT, "the application did not complete its response", true)                            \
    X(CLOSE_WEBSOCKET, "the closing handshake of a WebSocket is complete", false)                  \
    X(CLOSE_PING_TIMEOUT, "no pong within --ws-ping-timeout", false)                               \
    X(CLOSE_STOPPED, "the server is stopping", false)                                              \
    X(CLOSE_STOPPED_LATE, "the server stopped inside a response", true)                            \
    X(CLOSE_FILE, "a file became shorter while it was sent, or cannot be read", true)              \
    X(CLOSE_TLS_FAILED, "the TLS handshake or a record is broken", false)                          \
    X(CLOSE_TLS_TIMEOUT, "no TLS handshake within --timeout-handshake", false)                     \
    X(CLOSE_TLS_PLAIN, "HTTP without TLS, where TLS is spoken", false)                             \
    X(CLOSE_TLS_CUT, "the peer ended without TLS's close_notify", true)                            \
    X(CLOSE_PREFACE, "no header of the PROXY protocol", false)                                     \
    X(CLOSE_PREFACE_TIMEOUT, "no header of the PROXY protocol within --timeout-headers", false)    \
    X(CLOSE_PREFACE_PEER, "a peer that --proxy-allow-from does not name", false)                   \
    X(CLOSE_NOMEM, "out of memory", true)                                                          \
    X(CLOSE_SYSTEM, "the operating system refused", true)

enum close_why {
#define X(name, text, reset) name,
    CLOSE_TABLE(X)
#undef X
        CLOSE_COUNT
};
_Static_assert((int)CLOSE_COUNT <= (int)FIGURES_CLOSES, "figures have no word for it");

/* The table's sentence. [borrows for ever] */
const char *close_why_text(enum close_why why);

/* The table's name, as in "CLOSE_PEER_EOF". [borrows for ever] */
const char *close_why_name(enum close_why why);

/* The table's third column. */
bool close_why_resets(enum close_why why);

#endif
