/* The access log and request ids of a worker: from its arguments to the server's configuration. */
#ifndef EXT_LOGS_H
#define EXT_LOGS_H

#include "ext/worker_args.h"
#include "http/server.h"
#include "net/trust.h"

/* What the server borrows for as long as it lives. Zeroed memory is nothing. */
struct worker_logs {
    char *prefix; /* private */
};

/* Sets the two parts of `config`; request ids are taken from peers that `trusted` [borrows until
 * the server is released] has. To be released in either case, after the server. 0, or -1 with an
 * exception. */
int worker_logs_config(struct worker_logs *self, const struct worker_args *args,
                       const struct trust *trusted, struct server_config *config);

void worker_logs_release(struct worker_logs *self);

/* Sets the exception for what server_init() returned. */
void worker_logs_raise(const struct worker_args *args, int err);

#endif
