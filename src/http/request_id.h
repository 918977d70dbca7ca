/* Request ids: a name for each request, by which its lines in several logs are found again. Made of
 * 128 random bits, in hexadecimal; or taken from the request's X-Request-ID field, where a trusted
 * peer sends one that is harmless in a log: a client could otherwise give all its requests the
 * same. Who asks gets the id in place of that field. Read beat. */
#ifndef HTTP_REQUEST_ID_H
#define HTTP_REQUEST_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "net/peer.h"
#include "net/trust.h"
#include "wire/head.h"

/* Bytes of an id that is taken, at the most; of one that is made; random bytes kept in store. */
enum { REQUEST_ID_MAX = 128, REQUEST_ID_MADE = 32, REQUEST_ID_STORE = 256 };

enum request_id_mode { REQUEST_ID_OFF, REQUEST_ID_MAKE, REQUEST_ID_TAKE };

struct request_id_rules {
    enum request_id_mode mode;
    bool reply;                  /* responses carry it too */
    const struct trust *trusted; /* whose ids are taken. [borrows until the server is released] */
};

/* Random bytes to come. */
struct request_id_store {
    uint8_t bytes[REQUEST_ID_STORE]; /* private */
    size_t left;                     /* private */
};

/* The id of a request of `peer`, in `room`. Its length; 0 where the system has no random bytes. */
size_t request_id_find(const struct request_id_rules *rules, struct request_id_store *store,
                       const struct peer *peer, const struct head *head, const uint8_t *bytes,
                       char room[REQUEST_ID_MAX]);

#endif
