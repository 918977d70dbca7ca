/* The one table of errors: name, the sentence that the log and the peer read, HTTP status.
 *
 * A parser returns the bytes it used, 0 for "more is needed", or one of these, negative.
 * Every other function returns 0 or one of these. Status 0: nothing is answered.
 * To add a rule, add a row; `err_text` and `err_status` follow. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define ERR_TABLE(X)                                                                               \
    /* own trouble */                                                                              \
    X(ERR_NOMEM, "out of memory", 503)                                                             \
    X(ERR_SYSTEM, "the operating system refused", 500)                                             \
    X(ERR_LIMIT, "a limit of the server is reached", 503)                                          \
    X(ERR_GONE, "the connection is gone", 0)                                                       \
    X(ERR_ORDER, "called in the wrong order", 500)                                                 \
    X(ERR_LOG_ATOM, "the format of the access log has what is not known", 0)                       \
    X(ERR_LOG_LINE, "the format of the access log makes lines that are too long", 0)               \
    /* request line, RFC 9112 section 3 */                                                         \
    X(ERR_METHOD, "the method is not a token of 1 to 20 characters", 400)                          \
    X(ERR_TARGET, "the request target is not printable ASCII of a known form", 400)                \
    X(ERR_REQUEST_LINE, "the request line is not METHOD SP TARGET SP VERSION", 400)                \
    X(ERR_VERSION, "the version is not HTTP/1.0 or HTTP/1.1", 505)                                 \
    X(ERR_CONNECT, "CONNECT is not served here", 501)                                              \
    X(ERR_LINE_TOO_LONG, "the request line is longer than --limit-request-line", 414)              \
    /* fields, RFC 9112 section 5, RFC 9110 section 5 */                                           \
    X(ERR_LINE_END, "a line does not end in CRLF", 400)                                            \
    X(ERR_FIELD_NAME, "a field name is empty or not a token", 400)                                 \
    X(ERR_FIELD_SPACE, "white space before the colon or at the start of a field line", 400)        \
    X(ERR_FIELD_VALUE, "a field value contains a control character", 400)                          \
    X(ERR_HEAD_TOO_LONG, "the head is longer than --limit-request-head", 431)                      \
    X(ERR_TOO_MANY_FIELDS, "more fields than --limit-request-fields", 431)                         \
    /* meaning of fields, RFC 9110, RFC 9112 section 6 */                                          \
    X(ERR_HOST_MISSING, "an HTTP/1.1 request without Host", 400)                                   \
    X(ERR_HOST_REPEATED, "more than one Host", 400)                                                \
    X(ERR_HOST_VALUE, "Host is not a valid authority", 400)                                        \
    X(ERR_CONTENT_LENGTH, "Content-Length is not one decimal number", 400)                         \
    X(ERR_CONTENT_LENGTH_REPEATED, "more than one Content-Length", 400)                            \
    X(ERR_LENGTH_AND_CODING, "both Content-Length and Transfer-Encoding", 400)                     \
    X(ERR_TRANSFER_CODING, "Transfer-Encoding is not exactly one final chunked", 400)              \
    X(ERR_CODING_UNKNOWN, "a transfer coding that is not implemented", 501)                        \
    X(ERR_CODING_HTTP10, "Transfer-Encoding in an HTTP/1.0 request", 400)                          \
    X(ERR_CONTENT_TYPE_REPEATED, "more than one Content-Type", 400)                                \
    X(ERR_EXPECT, "an expectation other than 100-continue", 417)                                   \
    /* chunked coding, RFC 9112 section 7.1 */                                                     \
    X(ERR_CHUNK_SIZE, "a chunk size is not 1 to 16 hexadecimal digits", 400)                       \
    X(ERR_CHUNK_EXTENSION, "a chunk extension is malformed", 400)                                  \
    X(ERR_CHUNK_LINE_TOO_LONG, "a chunk size line is too long", 400)                               \
    X(ERR_CHUNK_OVERHEAD, "chunk lines outweigh the body they carry", 400)                         \
    X(ERR_CHUNK_END, "chunk data is not followed by CRLF", 400)                                    \
    X(ERR_TRAILER_NAME, "a trailer field that is not allowed there", 400)                          \
    X(ERR_TRAILER_TOO_LONG, "the trailer section is too long", 431)                                \
    /* what a proxy says of the client: RFC 7239, X-Forwarded-*, the PROXY protocol */             \
    X(ERR_FORWARDED, "Forwarded of a trusted proxy is malformed", 400)                             \
    X(ERR_FORWARDED_BOTH, "both Forwarded and X-Forwarded-* (see --forwarded-kind)", 400)          \
    X(ERR_FORWARDED_FOR, "X-Forwarded-For of a trusted proxy is no list of addresses", 400)        \
    X(ERR_FORWARDED_PROTO, "X-Forwarded-Proto of a trusted proxy is not one scheme", 400)          \
    X(ERR_FORWARDED_HOST, "X-Forwarded-Host of a trusted proxy is not one authority", 400)         \
    X(ERR_FORWARDED_PORT, "X-Forwarded-Port of a trusted proxy is not one port", 400)              \
    X(ERR_FORWARDED_LONG, "too many trusted proxies in a row", 400)                                \
    X(ERR_PROXY_MISSING, "it begins with something else", 0)                                       \
    X(ERR_PROXY_V1, "a line of version 1 that is malformed", 0)                                    \
    X(ERR_PROXY_V2, "a header of version 2 that is malformed", 0)                                  \
    /* limits of the connection */                                                                 \
    X(ERR_BODY_TOO_LARGE, "the body is larger than --limit-request-body", 413)                     \
    X(ERR_BODY_CUT, "the connection ended inside the body", 400)                                   \
    X(ERR_HEAD_TIMEOUT, "the head did not arrive within --timeout-headers", 408)                   \
    X(ERR_BODY_TIMEOUT, "the body made no progress within --timeout-body", 408)                    \
    /* WebSocket: the handshake, RFC 6455 section 4.2 */                                           \
    X(ERR_WS_METHOD, "a WebSocket handshake whose method is not GET", 400)                         \
    X(ERR_WS_BODY, "a WebSocket handshake with a body", 400)                                       \
    X(ERR_WS_VERSION, "Sec-WebSocket-Version is not 13", 426)                                      \
    X(ERR_WS_KEY, "Sec-WebSocket-Key is not one value of 16 bytes in base64", 400)                 \
    X(ERR_WS_EXTENSIONS, "Sec-WebSocket-Extensions is not a list of extensions", 400)              \
    /* WebSocket: frames and messages, RFC 6455 section 5, RFC 7692 */                             \
    X(ERR_WS_RESERVED, "a frame with a reserved bit", 0)                                           \
    X(ERR_WS_OPCODE, "a frame with an unknown opcode", 0)                                          \
    X(ERR_WS_UNMASKED, "a frame of a client without mask", 0)                                      \
    X(ERR_WS_LENGTH, "a frame whose length is not written in the fewest bytes", 0)                 \
    X(ERR_WS_CONTROL, "a control frame that is fragmented or longer than 125 bytes", 0)            \
    X(ERR_WS_CONTINUATION, "a continuation of nothing, or a new message inside one", 0)            \
    X(ERR_WS_CLOSE, "a Close frame with a code that is not allowed", 0)                            \
    X(ERR_WS_UTF8, "a text that is not UTF-8", 0)                                                  \
    X(ERR_WS_DEFLATE, "compressed data that is broken", 0)                                         \
    X(ERR_WS_TOO_BIG, "a message is larger than --ws-max-size", 0)                                 \
    /* what an application answers, PEP 3333 and RFC 9110 section 5.5 */                           \
    X(ERR_RESPONSE_STATUS, "the response status is not three digits from 200 to 999", 500)         \
    X(ERR_RESPONSE_REASON, "the response reason contains a control character", 500)                \
    X(ERR_RESPONSE_NAME, "a response header name is not a token", 500)                             \
    X(ERR_RESPONSE_VALUE, "a response header value contains CR, LF or NUL", 500)                   \
    X(ERR_RESPONSE_HOP, "a response header that belongs to the server", 500)                       \
    X(ERR_RESPONSE_LENGTH, "the response Content-Length is not one decimal number", 500)           \
    X(ERR_RESPONSE_LONG, "the response body is longer than its Content-Length", 500)               \
    X(ERR_RESPONSE_SHORT, "the response body is shorter than its Content-Length", 500)

enum err_index {
#define X(name, text, status) INDEX_##name,
    ERR_TABLE(X)
#undef X
        ERR_COUNT
};

enum err {
    ERR_OK = 0,
#define X(name, text, status) name = -1 - (int)INDEX_##name,
    ERR_TABLE(X)
#undef X
};

/* The table's sentence; "unknown error" outside it. [borrows for ever] */
const char *err_text(int err);

/* The table's name of the error, as in "ERR_HOST_VALUE". [borrows for ever] */
const char *err_name(int err);

/* HTTP status that answers the error; 0 where nothing is answered. */
int err_status(int err);

#endif
