/* Made by header_slots.py from HEADER_TABLE; not edited by hand. Included by
 * header_id.c (the slots) and header_lookup.h (the factors). */
#ifndef WIRE_HEADER_SLOTS_H
#define WIRE_HEADER_SLOTS_H

#define HEADER_SLOT_COUNT    256
#define HEADER_LENGTH_FACTOR 0x01010101u
#define HEADER_SLOT_FACTOR   0xc9419651u

#define HEADER_SLOTS(X)                                                                            \
    X(3, HEADER_IF_NONE_MATCH)                                                                     \
    X(5, HEADER_X_REQUESTED_WITH)                                                                  \
    X(8, HEADER_TE)                                                                                \
    X(21, HEADER_FORWARDED)                                                                        \
    X(25, HEADER_TRACEPARENT)                                                                      \
    X(33, HEADER_SEC_WEBSOCKET_VERSION)                                                            \
    X(46, HEADER_X_FORWARDED_PROTO)                                                                \
    X(48, HEADER_SEC_CH_UA)                                                                        \
    X(49, HEADER_USER_AGENT)                                                                       \
    X(51, HEADER_SEC_FETCH_MODE)                                                                   \
    X(53, HEADER_HOST)                                                                             \
    X(56, HEADER_PRIORITY)                                                                         \
    X(59, HEADER_X_FORWARDED_HOST)                                                                 \
    X(62, HEADER_ACCEPT_LANGUAGE)                                                                  \
    X(72, HEADER_IF_MATCH)                                                                         \
    X(77, HEADER_X_FORWARDED_FOR)                                                                  \
    X(81, HEADER_DATE)                                                                             \
    X(83, HEADER_CACHE_CONTROL)                                                                    \
    X(85, HEADER_SERVER)                                                                           \
    X(86, HEADER_CONTENT_TYPE)                                                                     \
    X(95, HEADER_PROXY_CONNECTION)                                                                 \
    X(97, HEADER_X_CSRFTOKEN)                                                                      \
    X(101, HEADER_TRAILER)                                                                         \
    X(113, HEADER_SEC_WEBSOCKET_PROTOCOL)                                                          \
    X(120, HEADER_X_REAL_IP)                                                                       \
    X(126, HEADER_REFERER)                                                                         \
    X(130, HEADER_AUTHORIZATION)                                                                   \
    X(131, HEADER_X_REQUEST_ID)                                                                    \
    X(135, HEADER_CONTENT_LENGTH)                                                                  \
    X(141, HEADER_COOKIE)                                                                          \
    X(152, HEADER_SEC_FETCH_SITE)                                                                  \
    X(154, HEADER_ORIGIN)                                                                          \
    X(160, HEADER_PRAGMA)                                                                          \
    X(163, HEADER_RANGE)                                                                           \
    X(167, HEADER_EXPECT)                                                                          \
    X(169, HEADER_TRANSFER_ENCODING)                                                               \
    X(174, HEADER_IF_RANGE)                                                                        \
    X(178, HEADER_KEEP_ALIVE)                                                                      \
    X(181, HEADER_CONNECTION)                                                                      \
    X(187, HEADER_PROXY)                                                                           \
    X(188, HEADER_SEC_CH_UA_PLATFORM)                                                              \
    X(189, HEADER_IF_UNMODIFIED_SINCE)                                                             \
    X(193, HEADER_SEC_FETCH_DEST)                                                                  \
    X(195, HEADER_ACCEPT)                                                                          \
    X(202, HEADER_SEC_CH_UA_MOBILE)                                                                \
    X(210, HEADER_UPGRADE_INSECURE_REQUESTS)                                                       \
    X(215, HEADER_FROM)                                                                            \
    X(216, HEADER_IF_MODIFIED_SINCE)                                                               \
    X(217, HEADER_VIA)                                                                             \
    X(223, HEADER_ACCEPT_CHARSET)                                                                  \
    X(230, HEADER_SEC_FETCH_USER)                                                                  \
    X(237, HEADER_DNT)                                                                             \
    X(244, HEADER_SEC_WEBSOCKET_KEY)                                                               \
    X(246, HEADER_SEC_WEBSOCKET_EXTENSIONS)                                                        \
    X(248, HEADER_UPGRADE)                                                                         \
    X(253, HEADER_ACCEPT_ENCODING)

#endif
