/* The owner of a tunnel in the tests of HTTP: it writes down what it is told, into the journal of
 * the gateway, and watches the laws of http/tunnel.h. */
#ifndef UNIT_HTTP_FAKE_TUNNEL_H
#define UNIT_HTTP_FAKE_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "http/fake_gateway.h"
#include "http/tunnel.h"

/* The journal: the bytes as they come, "|eof\n", "drained\n", "stopping\n", "closed\n". */
struct fake_tunnel {
    struct tunnel tunnel;
    struct fake_gateway *gateway;
    bool open; /* the upgrade worked and `closed` has not come */
    bool reading;
    bool want_drained;
    bool ended; /* finished or closed by its owner: only `closed` may come */
    bool operating;
    enum close_why why; /* of `closed`; else CLOSE_NONE */
    size_t written;     /* bytes given to tunnel_write */
};

void fake_tunnel_init(struct fake_tunnel *tunnel, struct fake_gateway *gateway);

/* Turns the exchange into it. Gives the error. */
int fake_tunnel_upgrade(struct fake_tunnel *tunnel, struct exchange *exchange,
                        const struct response_field *fields, size_t count);

/* The operations, watched. `bytes` [borrows until they are sent]. */
void fake_tunnel_read(struct fake_tunnel *tunnel, bool start);
void fake_tunnel_write(struct fake_tunnel *tunnel, struct slice bytes);
void fake_tunnel_want_drained(struct fake_tunnel *tunnel);
void fake_tunnel_finish(struct fake_tunnel *tunnel);
void fake_tunnel_close(struct fake_tunnel *tunnel, enum close_why why);

#endif
