/* The field names that freastal knows, numbered, so that a gateway can keep a ready-made string
 * for each and a rule can switch on them. To know one more name, add a row. */
#ifndef WIRE_HEADER_ID_H
#define WIRE_HEADER_ID_H

#include "base/slice.h"

#define HEADER_TABLE(X)                                                                            \
    X(HEADER_HOST, "host")                                                                         \
    X(HEADER_CONNECTION, "connection")                                                             \
    X(HEADER_CONTENT_LENGTH, "content-length")                                                     \
    X(HEADER_CONTENT_TYPE, "content-type")                                                         \
    X(HEADER_TRANSFER_ENCODING, "transfer-encoding")                                               \
    X(HEADER_EXPECT, "expect")                                                                     \
    X(HEADER_UPGRADE, "upgrade")                                                                   \
    X(HEADER_USER_AGENT, "user-agent")                                                             \
    X(HEADER_ACCEPT, "accept")                                                                     \
    X(HEADER_ACCEPT_ENCODING, "accept-encoding")                                                   \
    X(HEADER_ACCEPT_LANGUAGE, "accept-language")                                                   \
    X(HEADER_ACCEPT_CHARSET, "accept-charset")                                                     \
    X(HEADER_AUTHORIZATION, "authorization")                                                       \
    X(HEADER_CACHE_CONTROL, "cache-control")                                                       \
    X(HEADER_COOKIE, "cookie")                                                                     \
    X(HEADER_DNT, "dnt")                                                                           \
    X(HEADER_FORWARDED, "forwarded")                                                               \
    X(HEADER_FROM, "from")                                                                         \
    X(HEADER_IF_MATCH, "if-match")                                                                 \
    X(HEADER_IF_MODIFIED_SINCE, "if-modified-since")                                               \
    X(HEADER_IF_NONE_MATCH, "if-none-match")                                                       \
    X(HEADER_IF_RANGE, "if-range")                                                                 \
    X(HEADER_IF_UNMODIFIED_SINCE, "if-unmodified-since")                                           \
    X(HEADER_KEEP_ALIVE, "keep-alive")                                                             \
    X(HEADER_ORIGIN, "origin")                                                                     \
    X(HEADER_PRAGMA, "pragma")                                                                     \
    X(HEADER_PRIORITY, "priority")                                                                 \
    X(HEADER_PROXY, "proxy")                                                                       \
    X(HEADER_PROXY_CONNECTION, "proxy-connection")                                                 \
    X(HEADER_RANGE, "range")                                                                       \
    X(HEADER_REFERER, "referer")                                                                   \
    X(HEADER_SEC_CH_UA, "sec-ch-ua")                                                               \
    X(HEADER_SEC_CH_UA_MOBILE, "sec-ch-ua-mobile")                                                 \
    X(HEADER_SEC_CH_UA_PLATFORM, "sec-ch-ua-platform")                                             \
    X(HEADER_SEC_FETCH_DEST, "sec-fetch-dest")                                                     \
    X(HEADER_SEC_FETCH_MODE, "sec-fetch-mode")                                                     \
    X(HEADER_SEC_FETCH_SITE, "sec-fetch-site")                                                     \
    X(HEADER_SEC_FETCH_USER, "sec-fetch-user")                                                     \
    X(HEADER_SEC_WEBSOCKET_EXTENSIONS, "sec-websocket-extensions")                                 \
    X(HEADER_SEC_WEBSOCKET_KEY, "sec-websocket-key")                                               \
    X(HEADER_SEC_WEBSOCKET_PROTOCOL, "sec-websocket-protocol")                                     \
    X(HEADER_SEC_WEBSOCKET_VERSION, "sec-websocket-version")                                       \
    X(HEADER_TE, "te")                                                                             \
    X(HEADER_TRACEPARENT, "traceparent")                                                           \
    X(HEADER_TRAILER, "trailer")                                                                   \
    X(HEADER_UPGRADE_INSECURE_REQUESTS, "upgrade-insecure-requests")                               \
    X(HEADER_VIA, "via")                                                                           \
    X(HEADER_X_CSRFTOKEN, "x-csrftoken")                                                           \
    X(HEADER_X_FORWARDED_FOR, "x-forwarded-for")                                                   \
    X(HEADER_X_FORWARDED_HOST, "x-forwarded-host")                                                 \
    X(HEADER_X_FORWARDED_PORT, "x-forwarded-port")                                                 \
    X(HEADER_X_FORWARDED_PROTO, "x-forwarded-proto")                                               \
    X(HEADER_X_REAL_IP, "x-real-ip")                                                               \
    X(HEADER_X_REQUEST_ID, "x-request-id")                                                         \
    X(HEADER_X_REQUESTED_WITH, "x-requested-with")                                                 \
    /* names that only responses carry and that the server looks at */                             \
    X(HEADER_DATE, "date")                                                                         \
    X(HEADER_SERVER, "server")

enum header_id {
    HEADER_OTHER = 0,
#define X(id, name) id,
    HEADER_TABLE(X)
#undef X
        HEADER_COUNT
};

/* The id of a field name, compared without case; HEADER_OTHER for names not in the table. */
enum header_id header_id_of(struct slice name);

/* The name in lower case; empty for HEADER_OTHER. [borrows for ever] */
struct slice header_id_name(enum header_id id);

#endif
