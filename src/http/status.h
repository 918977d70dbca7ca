/* Reason phrases (RFC 9110 section 15, and the registry of status codes). */
#ifndef HTTP_STATUS_H
#define HTTP_STATUS_H

#include "base/slice.h"

/* The phrase; empty for a status that is not registered. [borrows for ever] */
struct slice status_reason(int status);

#endif
