/* The keys that session tickets are sealed with (RFC 5077, RFC 8446 section 4.6.1).
 *
 * They come from outside, the same for all workers, so that a ticket of one resumes on another:
 * there is no cache. The first seals; all open, and a ticket of another than the first is replaced
 * by a new one. Loop thread. */
#ifndef NET_TLS_KEYS_H
#define NET_TLS_KEYS_H

#include <stddef.h>
#include <stdint.h>

enum { TLS_KEY_NAME = 16, TLS_KEY_SECRET = 32, TLS_KEY = TLS_KEY_NAME + 2 * TLS_KEY_SECRET };
enum { TLS_KEYS = 3 };

struct tls_key {
    uint8_t name[TLS_KEY_NAME];
    uint8_t cipher[TLS_KEY_SECRET]; /* AES-256-CBC */
    uint8_t mac[TLS_KEY_SECRET];    /* HMAC-SHA-256 */
};

struct tls_keys {
    struct tls_key keys[TLS_KEYS]; /* the newest first */
    size_t count;                  /* 0: no tickets are given or taken */
};

/* Puts a key of TLS_KEY bytes before the others; the oldest goes when there are TLS_KEYS. */
void tls_keys_add(struct tls_keys *keys, const uint8_t bytes[TLS_KEY]);

/* Wipes them. */
void tls_keys_clear(struct tls_keys *keys);

#endif
