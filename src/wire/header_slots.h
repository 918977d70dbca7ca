/* Made by header_slots.py from HEADER_TABLE; not edited by hand. Included by
 * header_id.c (the slots) and header_lookup.h (the factor). */
#ifndef WIRE_HEADER_SLOTS_H
#define WIRE_HEADER_SLOTS_H

#define HEADER_SLOT_COUNT  256
#define HEADER_SLOT_FACTOR 0x0a248cffu

#define HEADER_SLOTS(X)                                                                            \
    X(0, HEADER_ACCEPT)                                                                            \
    X(1, HEADER_CONNECTION)                                                                        \
    X(5, HEADER_CONTENT_TYPE)                                                                      \
    X(8, HEADER_X_FORWARDED_PROTO)                                                                 \
    X(10, HEADER_SEC_FETCH_SITE)                                                                   \
    X(24, HEADER_IF_MATCH)                                                                         \
    X(26, HEADER_SEC_CH_UA_MOBILE)                                                                 \
    X(27, HEADER_X_FORWARDED_FOR)                                                                  \
    X(28, HEADER_ACCEPT_CHARSET)                                                                   \
    X(35, HEADER_HOST)                                                                             \
    X(45, HEADER_VIA)                                                                              \
    X(52, HEADER_ACCEPT_ENCODING)                                                                  \
    X(53, HEADER_IF_MODIFIED_SINCE)                                                                \
    X(56, HEADER_AUTHORIZATION)                                                                    \
    X(60, HEADER_SEC_FETCH_USER)                                                                   \
    X(61, HEADER_RANGE)                                                                            \
    X(63, HEADER_SEC_CH_UA)                                                                        \
    X(67, HEADER_TRAILER)                                                                          \
    X(68, HEADER_SEC_FETCH_DEST)                                                                   \
    X(73, HEADER_DNT)                                                                              \
    X(80, HEADER_FROM)                                                                             \
    X(81, HEADER_X_REQUEST_ID)                                                                     \
    X(84, HEADER_X_REQUESTED_WITH)                                                                 \
    X(87, HEADER_PROXY)                                                                            \
    X(88, HEADER_USER_AGENT)                                                                       \
    X(89, HEADER_TRANSFER_ENCODING)                                                                \
    X(90, HEADER_IF_UNMODIFIED_SINCE)                                                              \
    X(91, HEADER_EXPECT)                                                                           \
    X(106, HEADER_TE)                                                                              \
    X(109, HEADER_SEC_WEBSOCKET_KEY)                                                               \
    X(111, HEADER_PROXY_CONNECTION)                                                                \
    X(115, HEADER_IF_NONE_MATCH)                                                                   \
    X(116, HEADER_IF_RANGE)                                                                        \
    X(126, HEADER_PRIORITY)                                                                        \
    X(131, HEADER_CACHE_CONTROL)                                                                   \
    X(137, HEADER_SEC_CH_UA_PLATFORM)                                                              \
    X(138, HEADER_COOKIE)                                                                          \
    X(139, HEADER_CONTENT_LENGTH)                                                                  \
    X(140, HEADER_UPGRADE)                                                                         \
    X(148, HEADER_KEEP_ALIVE)                                                                      \
    X(151, HEADER_DATE)                                                                            \
    X(161, HEADER_PRAGMA)                                                                          \
    X(165, HEADER_UPGRADE_INSECURE_REQUESTS)                                                       \
    X(168, HEADER_X_CSRFTOKEN)                                                                     \
    X(172, HEADER_FORWARDED)                                                                       \
    X(177, HEADER_ORIGIN)                                                                          \
    X(189, HEADER_X_REAL_IP)                                                                       \
    X(192, HEADER_SEC_WEBSOCKET_VERSION)                                                           \
    X(195, HEADER_X_FORWARDED_PORT)                                                                \
    X(208, HEADER_SEC_WEBSOCKET_PROTOCOL)                                                          \
    X(217, HEADER_SEC_FETCH_MODE)                                                                  \
    X(218, HEADER_TRACEPARENT)                                                                     \
    X(219, HEADER_SEC_WEBSOCKET_EXTENSIONS)                                                        \
    X(227, HEADER_ACCEPT_LANGUAGE)                                                                 \
    X(245, HEADER_REFERER)                                                                         \
    X(249, HEADER_SERVER)                                                                          \
    X(254, HEADER_X_FORWARDED_HOST)

#endif
