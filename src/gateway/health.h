/* The gateway that answers whether the server serves, without the application: for load balancers
 * and orchestrators. GET and HEAD give 200 and "ok" while it serves, 503 and "stopping" once a
 * graceful stop has begun, or is about to (board_stopping); other methods are not allowed. Which
 * requests come here is http1's choice (server_config.health_path). No Python. */
#ifndef GATEWAY_HEALTH_H
#define GATEWAY_HEALTH_H

#include "http/server.h"

struct health_gateway {
    struct gateway gateway;      /* give &gateway to server_init */
    const struct server *server; /* private */
};

/* `server`: whose health it tells. [borrows as long as it answers] */
void health_gateway_init(struct health_gateway *health, const struct server *server);

#endif
