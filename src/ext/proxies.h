/* A worker's part that stands behind proxies: whose words it believes, and what it says of its own
 * health. From the arguments of Worker() to what http/ takes. */
#ifndef EXT_PROXIES_H
#define EXT_PROXIES_H

#include "ext/worker_args.h"
#include "gateway/health.h"
#include "http/origin.h"
#include "http/server.h"
#include "net/preface.h"
#include "net/trust.h"

/* private, but for `health` */
struct worker_proxies {
    bool believes; /* fields of trusted peers */
    bool prefaced; /* connections begin with the PROXY protocol */
    struct origin_rules origin;
    struct trust prefaced_by;
    struct transport_preface preface;
    char *health_path; /* PyMem's; NULL: none */
    struct health_gateway health;
};

/* In zeroed memory. [borrows server until it is released] 0, or -1 with an exception; to be
 * released in either case. */
int worker_proxies_init(struct worker_proxies *self, const struct worker_args *args,
                        const struct server *server);

/* When its server has been released; zeroed memory is nothing. */
void worker_proxies_release(struct worker_proxies *self);

/* The transport for connections that come by `below`. [borrows below until it is released] */
struct transport *worker_proxies_transport(struct worker_proxies *self, struct transport *below);

/* Whose words are believed (forwarded_allow_ips). */
const struct trust *worker_proxies_trusted(const struct worker_proxies *self);

/* The part of `config` that is its own. [borrows self until the server is released] */
void worker_proxies_config(const struct worker_proxies *self, struct server_config *config);

#endif
