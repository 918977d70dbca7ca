/* Reason phrases; see status.h. */
#include "http/status.h"

#include "base/banned.h"

struct slice status_reason(int status) {
    switch (status) {
    case 400:
        return SLICE("Bad Request");
    case 408:
        return SLICE("Request Timeout");
    case 413:
        return SLICE("Content Too Large");
    case 414:
        return SLICE("URI Too Long");
    case 417:
        return SLICE("Expectation Failed");
    case 431:
        return SLICE("Request Header Fields Too Large");
    case 500:
        return SLICE("Internal Server Error");
    case 501:
        return SLICE("Not Implemented");
    case 503:
        return SLICE("Service Unavailable");
    case 505:
        return SLICE("HTTP Version Not Supported");
    default:
        return SLICE("Error");
    }
}
