/* A server with fakes below and above it, and one connection: what the tests of src/http share. */
#ifndef UNIT_HTTP_RIG_H
#define UNIT_HTTP_RIG_H

#include "http/fake_gateway.h"
#include "http/fakes.h"
#include "http/proxy_preface.h"
#include "http/server.h"

struct rig {
    struct server_config config; /* change it before rig_open */
    struct loop loop;
    bool prefaced; /* connections begin with the PROXY protocol: set it before rig_open */
    struct gateway *health;
    struct fake_transport transport;
    struct transport_preface preface;
    struct server server;
    struct fake_gateway gateway;
    struct fake_peer peer;
    unsigned wakes; /* of the log */
    bool started;   /* server_init worked */
};

/* Defaults: no limits but those of the head, no time-outs, no access log; clocks at zero. */
void rig_init(struct rig *rig);

/* Loop and server; then a connection to rig->peer. */
void rig_start(struct rig *rig);
void rig_open(struct rig *rig);

/* A connection to another peer of the test's. */
void rig_open_peer(struct rig *rig, struct fake_peer *peer);

/* One turn: the peer's part of the read beat, and then the loop's. */
void rig_turn(struct rig *rig);

/* Turns until nothing more happens. */
void rig_settle(struct rig *rig);

/* The peer sends, and all settles. */
void rig_send(struct rig *rig, struct slice bytes);

/* The clock goes on by `ms`, what is due is told, and all settles. */
void rig_pass(struct rig *rig, uint64_t ms);

/* What the peer has got since the last call. [borrows until the next turn] */
struct slice rig_output(struct rig *rig);

/* Stops the server at once and frees all; every live object must be gone. */
void rig_end(struct rig *rig);

/* C objects of the server that are alive. */
uint64_t rig_live(const struct rig *rig);

#endif
