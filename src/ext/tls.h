/* TLS as Python sees it: the type TlsContext, and a worker's part that speaks it. In a build
 * without TLS, tls_none.c stands for both: there is no such type, and no such part. */
#ifndef EXT_TLS_H
#define EXT_TLS_H

#include <stdint.h>

#include "ext/options.h"
#include "gateway/py_compat.h"
#include "http/server.h"
#include "net/transport.h"

struct worker_tls;

/* Adds the type to the module, where there is one. [gives *type, or NULL] 0, or -1 with an
 * exception. */
int tls_type_add(PyObject *module, PyTypeObject **type);

/* A transport of `server` over `below` [borrows both until it is freed] with `context`, a
 * TlsContext, and ticket keys of a sequence of bytes. [new] NULL with an exception. */
struct worker_tls *worker_tls_new(struct server *server, struct transport *below, PyObject *context,
                                  PyObject *keys, const struct options *options);

/* When its streams are gone; NULL is nothing. */
void worker_tls_free(struct worker_tls *tls);

/* [borrows until it is freed] */
struct transport *worker_tls_transport(struct worker_tls *tls);

/* New connections get `context`; streams that are there stay. */
void worker_tls_renew(struct worker_tls *tls, PyObject *context);

/* From now on tickets are sealed with `key`, bytes. 0, or -1 with an exception. */
int worker_tls_add_key(struct worker_tls *tls, PyObject *key);

/* As server_live; NULL is nothing. */
void worker_tls_count(const struct worker_tls *tls,
                      void (*each)(void *arg, const char *name, uint64_t value), void *arg);

#endif
