/* The request line byte by byte, and the phases of a head. Private to wire; called by the head
 * parsers where the line is not whole yet, or not legal. */
#ifndef WIRE_HEAD_LINE_H
#define WIRE_HEAD_LINE_H

#include "wire/head.h"

#define METHOD_MAX 20

/* Where a head's next byte belongs: head->phase. */
enum phase {
    PHASE_START,    /* the request line, or the one empty line that may precede it */
    PHASE_START_LF, /* of that empty line */
    PHASE_METHOD,
    PHASE_TARGET,
    PHASE_VERSION,
    PHASE_LINE_CR,
    PHASE_LINE_LF,
    PHASE_NAME, /* or the CR of the empty line that ends the head */
    PHASE_VALUE
};

/* Goes on with the request line at head->scan. 0: head->phase is PHASE_NAME, or more bytes are
 * needed; else the error of the first byte that may not stand where it does. */
int head_line(struct head *head, const uint8_t *bytes, size_t end,
              const struct head_limits *limits);

#endif
