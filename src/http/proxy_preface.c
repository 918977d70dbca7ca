/* From wire's words to net's; see proxy_preface.h. */
#include "http/proxy_preface.h"

#include "wire/proxy_protocol.h"

#include "base/banned.h"

ssize_t proxy_preface_read(struct slice bytes, struct preface *preface) {
    static const enum peer_family families[] = {[PROXY_SELF] = PEER_UNIX,
                                                [PROXY_UNIX] = PEER_UNIX,
                                                [PROXY_IPV4] = PEER_IPV4,
                                                [PROXY_IPV6] = PEER_IPV6};
    struct proxy_header header;
    ssize_t used = proxy_header_parse(bytes, &header);
    if (used > 0) {
        preface->named = header.source != PROXY_SELF;
        peer_from_ip(&preface->client, families[header.source], header.ip, header.port);
    }
    return used;
}
