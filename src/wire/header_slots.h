/* Made by header_slots.py from HEADER_TABLE; not edited by hand. Included by
 * header_id.c (the slots) and header_lookup.h (the factor). */
#ifndef WIRE_HEADER_SLOTS_H
#define WIRE_HEADER_SLOTS_H

#define HEADER_SLOT_COUNT  256
#define HEADER_SLOT_FACTOR 0x06839eb9u

#define HEADER_SLOTS(X)                                                                            \
    X(3, HEADER_UPGRADE_INSECURE_REQUESTS)                                                         \
    X(4, HEADER_EXPECT)                                                                            \
    X(5, HEADER_IF_RANGE)                                                                          \
    X(18, HEADER_ACCEPT_LANGUAGE)                                                                  \
    X(26, HEADER_CONTENT_TYPE)                                                                     \
    X(33, HEADER_X_CSRFTOKEN)                                                                      \
    X(46, HEADER_ACCEPT)                                                                           \
    X(56, HEADER_COOKIE)                                                                           \
    X(63, HEADER_X_FORWARDED_FOR)                                                                  \
    X(67, HEADER_CONTENT_LENGTH)                                                                   \
    X(71, HEADER_AUTHORIZATION)                                                                    \
    X(73, HEADER_SEC_WEBSOCKET_KEY)                                                                \
    X(77, HEADER_TE)                                                                               \
    X(84, HEADER_SEC_WEBSOCKET_EXTENSIONS)                                                         \
    X(89, HEADER_UPGRADE)                                                                          \
    X(90, HEADER_DATE)                                                                             \
    X(92, HEADER_SEC_FETCH_SITE)                                                                   \
    X(93, HEADER_TRAILER)                                                                          \
    X(94, HEADER_IF_UNMODIFIED_SINCE)                                                              \
    X(95, HEADER_KEEP_ALIVE)                                                                       \
    X(96, HEADER_SEC_WEBSOCKET_PROTOCOL)                                                           \
    X(97, HEADER_X_REQUESTED_WITH)                                                                 \
    X(102, HEADER_SERVER)                                                                          \
    X(106, HEADER_ACCEPT_CHARSET)                                                                  \
    X(107, HEADER_TRACEPARENT)                                                                     \
    X(110, HEADER_X_FORWARDED_HOST)                                                                \
    X(113, HEADER_SEC_FETCH_MODE)                                                                  \
    X(117, HEADER_SEC_FETCH_USER)                                                                  \
    X(121, HEADER_CONNECTION)                                                                      \
    X(138, HEADER_X_REAL_IP)                                                                       \
    X(144, HEADER_SEC_WEBSOCKET_VERSION)                                                           \
    X(145, HEADER_TRANSFER_ENCODING)                                                               \
    X(146, HEADER_ORIGIN)                                                                          \
    X(149, HEADER_SEC_FETCH_DEST)                                                                  \
    X(151, HEADER_PROXY)                                                                           \
    X(153, HEADER_CACHE_CONTROL)                                                                   \
    X(161, HEADER_REFERER)                                                                         \
    X(164, HEADER_X_REQUEST_ID)                                                                    \
    X(174, HEADER_PRAGMA)                                                                          \
    X(178, HEADER_X_FORWARDED_PROTO)                                                               \
    X(180, HEADER_USER_AGENT)                                                                      \
    X(181, HEADER_IF_MATCH)                                                                        \
    X(206, HEADER_SEC_CH_UA)                                                                       \
    X(211, HEADER_FROM)                                                                            \
    X(218, HEADER_IF_MODIFIED_SINCE)                                                               \
    X(219, HEADER_ACCEPT_ENCODING)                                                                 \
    X(221, HEADER_FORWARDED)                                                                       \
    X(223, HEADER_HOST)                                                                            \
    X(225, HEADER_PRIORITY)                                                                        \
    X(227, HEADER_PROXY_CONNECTION)                                                                \
    X(230, HEADER_DNT)                                                                             \
    X(232, HEADER_RANGE)                                                                           \
    X(234, HEADER_SEC_CH_UA_MOBILE)                                                                \
    X(238, HEADER_SEC_CH_UA_PLATFORM)                                                              \
    X(245, HEADER_VIA)                                                                             \
    X(254, HEADER_IF_NONE_MATCH)

#endif
