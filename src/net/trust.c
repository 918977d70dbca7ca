/* Trusted peers; see trust.h. */
#include "net/trust.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/ip_text.h"
#include "base/size.h"

#include "base/banned.h"

enum { MAPPED_BITS = 96 };

void trust_init(struct trust *trust) {
    *trust = (struct trust){0};
}

void trust_release(struct trust *trust) {
    free(trust->nets);
    trust_init(trust);
}

/* Have `a` and `b` the same first `bits` bits? */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits) {
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;
    return memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

/* 0 to `most` in decimal without leading zeros. */
static bool read_bits(struct slice text, unsigned most, uint8_t *bits) {
    unsigned number = 0;
    if (text.len == 0 || text.len > 3 || (text.len > 1 && text.at[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') {
            return false;
        }
        number = number * 10 + (unsigned)(text.at[i] - '0');
    }
    *bits = (uint8_t)number;
    return number <= most;
}

static bool read_net(struct slice word, struct trust_net *net) {
    const uint8_t *slash = word.len > 0 ? memchr(word.at, '/', word.len) : NULL;
    struct slice address = slice_of(word.at, slash ? (size_t)(slash - word.at) : word.len);
    uint8_t ip[16] = {0};
    bool v4 = ip_text_v4(address, ip);
    if (!v4 && !ip_text_v6(address, ip)) {
        return false;
    }
    unsigned most = v4 ? 32 : 128;
    net->bits = (uint8_t)most;
    if (slash && !read_bits(slice_of(slash + 1, word.len - address.len - 1), most, &net->bits)) {
        return false;
    }
    /* What stands behind the prefix? Shifted there bit by bit: this is set-up. */
    for (unsigned bit = net->bits; bit < most; bit++) {
        if (ip[bit / 8] >> (7 - bit % 8) & 1) {
            return false;
        }
    }
    bool mapped = !v4 && ip_is_mapped(ip) && net->bits >= MAPPED_BITS;
    peer_from_ip(&net->base, v4 ? PEER_IPV4 : PEER_IPV6, ip, 0);
    if (mapped) {
        net->bits = (uint8_t)(net->bits - MAPPED_BITS);
    }
    return true;
}

static int add_net(struct trust *trust, const struct trust_net *net) {
    size_t size;
    if (!size_mul((size_t)trust->count + 1, sizeof(*net), &size)) {
        return ERR_NOMEM;
    }
    struct trust_net *nets = realloc(trust->nets, size);
    if (!nets) {
        return ERR_NOMEM;
    }
    trust->nets = nets;
    nets[trust->count++] = *net;
    return 0;
}

int trust_add(struct trust *trust, struct slice word) {
    struct trust_net net;
    if (slice_equal(word, SLICE("*"))) {
        trust->everybody = true;
        return 0;
    }
    if (slice_equal(word, SLICE("unix"))) {
        trust->unix_peers = true;
        return 0;
    }
    return read_net(word, &net) ? add_net(trust, &net) : ERR_LIMIT;
}

bool trust_has(const struct trust *trust, const struct peer *peer) {
    if (trust->everybody) {
        return true;
    }
    if (peer->family == PEER_UNIX) {
        return trust->unix_peers;
    }
    for (uint32_t i = 0; i < trust->count; i++) {
        const struct trust_net *net = &trust->nets[i];
        if (net->base.family == peer->family && same_bits(net->base.ip, peer->ip, net->bits)) {
            return true;
        }
    }
    return false;
}
