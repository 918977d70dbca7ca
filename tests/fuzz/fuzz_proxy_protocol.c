/* libFuzzer target of the PROXY protocol's header. For any input: the answer for a part of it is
 * "more" until it is certain, and then stays what it is; a header uses no more than there is.
 * Seeds: tests/corpus/proxied. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "unit/must.h"
#include "wire/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* On a copy of just that many bytes, so that the sanitizer sees each byte too far. */
static ssize_t parse(const uint8_t *bytes, size_t len, struct proxy_header *header) {
    uint8_t *copy = malloc(len > 0 ? len : 1);
    MUST(copy != NULL);
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    ssize_t used = proxy_header_parse(slice_of(copy, len), header);
    free(copy);
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct proxy_header whole;
    struct proxy_header part;
    ssize_t expected = parse(bytes, len, &whole);
    MUST(expected <= (ssize_t)len);
    MUST(expected >= 0 || expected == ERR_PROXY_MISSING || expected == ERR_PROXY_V1 ||
         expected == ERR_PROXY_V2);
    bool certain = false;
    for (size_t i = 0; i <= len && i < 300; i++) {
        ssize_t used = parse(bytes, i, &part);
        MUST(used == expected || (used == 0 && !certain));
        certain = certain || used != 0;
        MUST(used <= 0 || memcmp(part.ip, whole.ip, sizeof part.ip) == 0);
    }
    MUST(expected <= 0 || whole.source != PROXY_SELF || whole.port == 0);
    return 0;
}
