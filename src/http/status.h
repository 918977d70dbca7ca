/* Reason phrases of the statuses that the server answers by itself (RFC 9110 section 15). */
#ifndef HTTP_STATUS_H
#define HTTP_STATUS_H

#include "base/slice.h"

/* The phrase; "Error" for a status that the server never sends. [borrows for ever] */
struct slice status_reason(int status);

#endif
