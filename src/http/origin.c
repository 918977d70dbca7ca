/* Who asks; see origin.h. */
#include "http/origin.h"

#include "base/err.h"
#include "wire/authority.h"
#include "wire/forwarded.h"

#include "base/banned.h"

/* What the fields have said so far. */
struct findings {
    const struct origin_rules *rules;
    struct origin *origin;
    unsigned hops; /* taken from the right */
    bool over;     /* the client is found */
    enum forwarded_scheme scheme;
    struct slice host; /* an authority; empty: not said */
    uint16_t port;     /* 0: not said */
};

/* Which of the two kinds stand in the head. */
struct kinds {
    bool standard;
    bool x;
};

static bool is_x(const struct origin_rules *rules, enum header_id id) {
    bool host = id == HEADER_X_FORWARDED_HOST || id == HEADER_X_FORWARDED_PORT;
    return id == HEADER_X_FORWARDED_FOR || id == HEADER_X_FORWARDED_PROTO || (host && rules->host);
}

static struct kinds look(const struct origin_rules *rules, const struct head *head) {
    struct kinds kinds = {false, false};
    for (uint32_t i = 0; i < head->field_count; i++) {
        kinds.standard |= head->fields[i].id == HEADER_FORWARDED;
        kinds.x |= is_x(rules, head->fields[i].id);
    }
    kinds.standard &= rules->kind != ORIGIN_X_FORWARDED;
    kinds.x &= rules->kind != ORIGIN_FORWARDED;
    return kinds;
}

/* The next to the left: whom a trusted hop has named. 0 or ERR_FORWARDED_LONG. */
static int step(struct findings *found, const struct node *node) {
    static const enum peer_family families[] = {
        [NODE_HIDDEN] = PEER_UNIX, [NODE_IPV4] = PEER_IPV4, [NODE_IPV6] = PEER_IPV6};
    if (++found->hops > ORIGIN_HOPS) {
        return ERR_FORWARDED_LONG;
    }
    if (node->kind == NODE_HIDDEN) {
        found->over = true;
        return 0;
    }
    peer_from_ip(&found->origin->client, families[node->kind], node->ip, node->port);
    found->over = !trust_has(&found->rules->trusted, &found->origin->client);
    return 0;
}

/* --- X-Forwarded-* --- */

static int walk_for(struct findings *found, struct slice value) {
    struct node node;
    int err = 0;
    while (!found->over && forwarded_for_last(&value, &node, &err)) {
        err = step(found, &node);
        if (err) {
            break;
        }
    }
    return err;
}

/* Fields that hold one value; an empty one says nothing. */
static int read_single(struct findings *found, enum header_id id, struct slice value) {
    if (value.len == 0) {
        return 0;
    }
    switch (id) {
    case HEADER_X_FORWARDED_PROTO:
        return found->scheme == SCHEME_UNSAID ? forwarded_proto(value, &found->scheme)
                                              : ERR_FORWARDED_PROTO;
    case HEADER_X_FORWARDED_HOST:
        if (found->host.len > 0 || !authority_is_valid(value)) {
            return ERR_FORWARDED_HOST;
        }
        found->host = value;
        return 0;
    case HEADER_X_FORWARDED_PORT:
        return found->port == 0 ? forwarded_port(value, &found->port) : ERR_FORWARDED_PORT;
    default:
        return 0;
    }
}

static int read_x(struct findings *found, const struct head *head, const uint8_t *bytes) {
    int err = 0;
    for (uint32_t i = head->field_count; i > 0 && !err; i--) {
        const struct field *field = &head->fields[i - 1];
        struct slice value = field_value(field, bytes);
        if (field->id == HEADER_X_FORWARDED_FOR) {
            err = walk_for(found, value);
        } else if (is_x(found->rules, field->id)) {
            err = read_single(found, field->id, value);
        }
    }
    return err;
}

/* --- Forwarded --- */

/* The last hops of all fields, which can only be read from the left. */
struct hops {
    struct hop last[ORIGIN_HOPS]; /* a ring */
    size_t count;                 /* of all that there were */
};

static int collect(struct hops *hops, const struct head *head, const uint8_t *bytes) {
    hops->count = 0;
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (head->fields[i].id != HEADER_FORWARDED) {
            continue;
        }
        struct slice rest = field_value(&head->fields[i], bytes);
        struct hop hop;
        int err;
        while (forwarded_next(&rest, &hop, &err)) {
            hops->last[hops->count++ % ORIGIN_HOPS] = hop;
        }
        if (err) {
            return err;
        }
    }
    return 0;
}

static int read_standard(struct findings *found, const struct head *head, const uint8_t *bytes) {
    struct hops hops;
    int err = collect(&hops, head, bytes);
    for (size_t i = hops.count; i > 0 && !err && !found->over; i--) {
        if (hops.count - i >= ORIGIN_HOPS) {
            return ERR_FORWARDED_LONG;
        }
        const struct hop *hop = &hops.last[(i - 1) % ORIGIN_HOPS];
        found->scheme = hop->scheme != SCHEME_UNSAID ? hop->scheme : found->scheme;
        found->host = hop->host.len > 0 ? hop->host : found->host;
        err = step(found, &hop->node);
    }
    return err;
}

/* --- what follows --- */

static void rename_host(const struct findings *found, struct slice authority) {
    struct origin *origin = found->origin;
    uint16_t standard = origin->secure ? 443 : 80;
    uint16_t port;
    if (!found->rules->host || (found->host.len == 0 && found->port == 0)) {
        return;
    }
    forwarded_split(found->host.len > 0 ? found->host : authority, &origin->host, &port);
    port = found->port > 0 ? found->port : port;
    origin->port = port == standard ? 0 : port;
    origin->renamed = origin->host.len > 0;
}

int origin_find(const struct origin_rules *rules, const struct head *head, const uint8_t *bytes,
                struct slice authority, struct origin *origin) {
    struct kinds kinds = look(rules, head);
    struct findings found = {.rules = rules, .origin = origin, .host = SLICE("")};
    if ((!kinds.standard && !kinds.x) || !trust_has(&rules->trusted, &origin->client)) {
        return 0;
    }
    if (kinds.standard && kinds.x) {
        return ERR_FORWARDED_BOTH;
    }
    int err = kinds.x ? read_x(&found, head, bytes) : read_standard(&found, head, bytes);
    if (err) {
        return err;
    }
    if (found.scheme != SCHEME_UNSAID) {
        origin->secure = found.scheme == SCHEME_HTTPS;
    }
    rename_host(&found, authority);
    return 0;
}
