/* See tls_keys.h. */
#include "net/tls_keys.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/banned.h"

void tls_keys_add(struct tls_keys *keys, const uint8_t bytes[TLS_KEY]) {
    memmove(&keys->keys[1], &keys->keys[0], (TLS_KEYS - 1) * sizeof(keys->keys[0]));
    memcpy(keys->keys[0].name, bytes, TLS_KEY_NAME);
    memcpy(keys->keys[0].cipher, bytes + TLS_KEY_NAME, TLS_KEY_SECRET);
    memcpy(keys->keys[0].mac, bytes + TLS_KEY_NAME + TLS_KEY_SECRET, TLS_KEY_SECRET);
    keys->count += keys->count < TLS_KEYS;
}

void tls_keys_clear(struct tls_keys *keys) {
    OPENSSL_cleanse(keys, sizeof(*keys));
}
