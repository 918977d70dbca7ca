/* See tls_context.h. One SSL_CTX holds the certificates for the same names, one of each kind of
 * key; the server's name in the client's hello chooses among them. */
#include "net/tls_context.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "net/tls_pair.h"

#include "base/banned.h"

/* Forward secret and authenticated, and nothing else. AES-128 first, as in Mozilla's
 * recommendations: as safe in use as 256, with 10 rounds for 14. */
static const char DEFAULT_CIPHERS[] = "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20";
static const char DEFAULT_CIPHERSUITES[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char GROUPS[] = "X25519:P-256:P-384";

/* A host name's bytes at the most (RFC 1035 section 2.3.4), with a NUL. */
enum { HOST = 256 };

struct tls_context {
    atomic_uint references;
    size_t count;                    /* of identities */
    struct tls_identity *identities; /* owned */
    SSL_CTX **of;                    /* of each identity; owned once each, shared by some */
    unsigned char *protocols;        /* for ALPN, as on the wire */
    unsigned protocols_len;
};

/* --- what libssl asks while it shakes hands --- */

static struct tls_context *context_of(const SSL *ssl) {
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static SSL_CTX *find(const struct tls_context *context, const char *host,
                     bool (*fits)(const struct tls_identity *identity, const char *host)) {
    for (size_t i = 0; i < context->count; i++) {
        if (fits(&context->identities[i], host)) {
            return context->of[i];
        }
    }
    return NULL;
}

/* NULL: nobody has that name. */
static SSL_CTX *choose(const struct tls_context *context, const char *host) {
    SSL_CTX *chosen = find(context, host, tls_identity_has_name);
    return chosen ? chosen : find(context, host, tls_identity_has_wildcard);
}

/* In lower case. False for what is no name. */
static bool read_host(char host[HOST], const unsigned char *given, size_t len) {
    if (len == 0 || len >= HOST) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        host[i] = (char)tolower(given[i]);
    }
    host[len] = '\0';
    return true;
}

/* RFC 6066 section 3. A name that nobody has is answered by the first certificate. */
static int on_name(SSL *ssl, int *alert, void *unused) {
    const char *given = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    char host[HOST];
    (void)alert;
    (void)unused;
    if (!given || !read_host(host, (const unsigned char *)given, strlen(given))) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    SSL_CTX *chosen = choose(context_of(ssl), host);
    if (!chosen) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    return SSL_set_SSL_CTX(ssl, chosen) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* RFC 7301 section 3.2: our order; no overlap ends the handshake. */
static int on_protocols(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len,
                        const unsigned char *offered, unsigned offered_len, void *unused) {
    const struct tls_context *context = context_of(ssl);
    unsigned char *out = NULL;
    (void)unused;
    if (SSL_select_next_proto(&out, chosen_len, context->protocols, context->protocols_len, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *chosen = out;
    return SSL_TLSEXT_ERR_OK;
}

static const struct tls_identity *shown(const struct tls_context *context, const SSL *ssl) {
    const X509 *cert = SSL_get_certificate(ssl);
    for (size_t i = 0; i < context->count; i++) {
        if (context->identities[i].cert == cert) {
            return &context->identities[i];
        }
    }
    return NULL;
}

/* RFC 6066 section 8: the client asks for the status of the certificate. */
static int on_status(SSL *ssl, void *unused) {
    const struct tls_identity *identity = shown(context_of(ssl), ssl);
    (void)unused;
    if (!identity || !identity->ocsp) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    unsigned char *copy = OPENSSL_memdup(identity->ocsp, (size_t)identity->ocsp_len);
    if (!copy) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, identity->ocsp_len);
    return SSL_TLSEXT_ERR_OK;
}

static int use_key(const struct tls_key *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
                   EVP_MAC_CTX *mac, int sealing) {
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string("key", (void *)(uintptr_t)key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string("digest", (char *)(uintptr_t) "SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, sealing) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb has it: 1 use it, 2 use it and give a new one, 0 there
 * is no such key, -1 failed. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int sealing) {
    const struct tls_keys *keys = SSL_get_app_data(ssl);
    if (sealing) {
        if (keys->count == 0 || RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1) {
            return keys->count == 0 ? 0 : -1;
        }
        memcpy(name, keys->keys[0].name, TLS_KEY_NAME);
        return use_key(&keys->keys[0], iv, cipher, mac, 1) ? 1 : -1;
    }
    for (size_t i = 0; i < keys->count; i++) {
        if (memcmp(name, keys->keys[i].name, TLS_KEY_NAME) == 0) {
            /* A client of TLS 1.3 uses a ticket once (RFC 8446 appendix C.4): it needs another. */
            bool renew = i > 0 || SSL_version(ssl) == TLS1_3_VERSION;
            return !use_key(&keys->keys[i], iv, cipher, mac, 0) ? -1 : renew ? 2 : 1;
        }
    }
    return 0;
}

/* Was the session made under the name that is asked for now? The extension with that is still to be
 * read by libssl, which takes a list of one name only. */
static bool is_for_name(SSL *ssl, const SSL_SESSION *session) {
    enum { LENGTHS = 5 }; /* of the list; kind and length of its name */
    const char *before = SSL_SESSION_get0_hostname(session);
    const unsigned char *list = NULL;
    char host[HOST];
    size_t len = 0;
    bool named = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &list, &len) &&
                 len > LENGTHS && read_host(host, list + LENGTHS, len - LENGTHS);
    if (!before) {
        return !named || !choose(context_of(ssl), host); /* the first certificate was shown */
    }
    char bound[HOST];
    return named && read_host(bound, (const unsigned char *)before, strlen(before)) &&
           strcmp(bound, host) == 0;
}

/* Has the client's certificate come to its end since it was verified? Each resumption makes a new
 * ticket, so that a session could outlive it for ever. */
static bool has_ended(SSL_SESSION *session) {
    const X509 *cert = SSL_SESSION_get0_peer(session);
    return cert && X509_cmp_current_time(X509_get0_notAfter(cert)) < 0;
}

/* RFC 6066 section 3: a session is not resumed under another name. */
static SSL_TICKET_RETURN on_opened(SSL *ssl, SSL_SESSION *session, const unsigned char *key_name,
                                   size_t len, SSL_TICKET_STATUS status, void *unused) {
    (void)key_name;
    (void)len;
    (void)unused;
    if (status == SSL_TICKET_EMPTY || status == SSL_TICKET_NO_DECRYPT) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
        return SSL_TICKET_RETURN_ABORT;
    }
    if (!is_for_name(ssl, session) || has_ended(session)) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* `optional`: whoever shows a certificate that is not trusted is served, and told apart. */
static int accept_any(int trusted, X509_STORE_CTX *store) {
    (void)trusted;
    (void)store;
    return 1;
}

/* --- making --- */

static bool refuse(char reason[TLS_REASON], const char *what, const char *value) {
    unsigned long error = ERR_peek_last_error();
    const char *why = error ? ERR_reason_error_string(error) : NULL;
    snprintf(reason, TLS_REASON, "%s '%s': %s", what, value, why ? why : "out of memory");
    ERR_clear_error();
    return false;
}

/* A ticket is worth nothing where others are asked for a certificate: what is asked is part of
 * the session's context. */
static bool set_session_context(SSL_CTX *ctx, const struct tls_config *config) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    const unsigned char verify = (unsigned char)config->verify;
    bool done =
        hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) && EVP_DigestUpdate(hash, &verify, 1);
    STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
    for (int i = 0; done && i < sk_X509_OBJECT_num(all); i++) {
        X509 *cert = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
        unsigned char print[EVP_MAX_MD_SIZE];
        unsigned print_len = 0;
        done = cert && X509_digest(cert, EVP_sha256(), print, &print_len) &&
               EVP_DigestUpdate(hash, print, print_len);
    }
    done = done && EVP_DigestFinal_ex(hash, digest, &len) &&
           SSL_CTX_set_session_id_context(ctx, digest, SSL_MAX_SID_CTX_LENGTH);
    EVP_MD_CTX_free(hash);
    return done;
}

/* The authorities cannot be had: either the file, or what stands in it. */
static bool refuse_authorities(char reason[TLS_REASON], const char *file) {
    unsigned long first = ERR_peek_error();
    bool readable = !ERR_SYSTEM_ERROR(first);
    snprintf(reason, TLS_REASON, "--client-ca '%.240s' %s%.160s", file,
             readable ? "holds no certificates in PEM" : "cannot be read: ",
             readable ? "" : strerror(ERR_GET_REASON(first)));
    ERR_clear_error();
    return false;
}

static bool set_verify(SSL_CTX *ctx, const struct tls_config *config, char reason[TLS_REASON]) {
    if (config->verify == TLS_VERIFY_NONE) {
        return true;
    }
    ERR_clear_error();
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(config->client_ca);
    if (!names || !SSL_CTX_load_verify_locations(ctx, config->client_ca, NULL)) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return refuse_authorities(reason, config->client_ca);
    }
    SSL_CTX_set_client_CA_list(ctx, names); /* takes them */
    if (config->verify == TLS_VERIFY_REQUIRED) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    } else {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
    }
    return true;
}

static bool set_suites(SSL_CTX *ctx, const struct tls_config *config, char reason[TLS_REASON]) {
    const char *ciphers = config->ciphers ? config->ciphers : DEFAULT_CIPHERS;
    if (!SSL_CTX_set_cipher_list(ctx, ciphers)) {
        return refuse(reason, "--tls-ciphers", ciphers);
    }
    const char *suites = config->ciphersuites ? config->ciphersuites : DEFAULT_CIPHERSUITES;
    if (!SSL_CTX_set_ciphersuites(ctx, suites)) {
        return refuse(reason, "--tls-ciphersuites", suites);
    }
    return true;
}

/* [gives] an SSL_CTX without certificates, or NULL with a reason. */
static SSL_CTX *make_ctx(struct tls_context *context, const struct tls_config *config,
                         char reason[TLS_REASON]) {
    static const int versions[] = {[TLS_1_2] = TLS1_2_VERSION, [TLS_1_3] = TLS1_3_VERSION};
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx || !SSL_CTX_set_min_proto_version(ctx, versions[config->min_version]) ||
        !SSL_CTX_set1_groups_list(ctx, GROUPS) || !SSL_CTX_set_app_data(ctx, context)) {
        refuse(reason, "TLS", "a context");
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
    SSL_CTX_set_session_ticket_cb(ctx, NULL, on_opened, NULL);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
    SSL_CTX_set_tlsext_status_cb(ctx, on_status);
    SSL_CTX_set_alpn_select_cb(ctx, on_protocols, NULL);
    if (!set_suites(ctx, config, reason) || !set_verify(ctx, config, reason)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    if (!set_session_context(ctx, config)) {
        refuse(reason, "TLS", "a context");
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

/* The SSL_CTX of an earlier identity for the same names, with a key of another kind; or NULL. */
static SSL_CTX *partner(const struct tls_context *context, const struct tls_identity *identity) {
    SSL_CTX *ctx = NULL;
    for (size_t i = 0; i < context->count; i++) {
        const struct tls_identity *other = &context->identities[i];
        if (tls_identity_same_names(other, identity)) {
            if (EVP_PKEY_get_base_id(other->key) == EVP_PKEY_get_base_id(identity->key)) {
                return NULL;
            }
            ctx = context->of[i];
        }
    }
    return ctx;
}

static bool add_identity(struct tls_context *context, const struct tls_config *config,
                         const struct tls_pair *pair, char reason[TLS_REASON]) {
    struct tls_identity *identity = &context->identities[context->count];
    if (!tls_identity_read(identity, pair, reason)) {
        tls_identity_release(identity);
        return false;
    }
    SSL_CTX *ctx = partner(context, identity);
    if (ctx) {
        SSL_CTX_up_ref(ctx);
    } else {
        ctx = make_ctx(context, config, reason);
    }
    context->of[context->count] = ctx;
    context->count++; /* from here on the context releases both */
    if (!ctx) {
        return false;
    }
    if (!SSL_CTX_use_cert_and_key(ctx, identity->cert, identity->key, identity->chain, 1)) {
        return refuse(reason, "--certfile", pair->certfile);
    }
    return true;
}

static bool set_protocols(struct tls_context *context, const struct tls_config *config) {
    size_t size = 0;
    for (size_t i = 0; i < config->protocol_count; i++) {
        size += 1 + config->protocols[i].len; /* ours, and short */
    }
    context->protocols = malloc(size > 0 ? size : 1);
    if (!context->protocols) {
        return false;
    }
    for (size_t i = 0; i < config->protocol_count; i++) {
        const struct slice name = config->protocols[i];
        context->protocols[context->protocols_len++] = (unsigned char)name.len;
        memcpy(context->protocols + context->protocols_len, name.at, name.len);
        context->protocols_len += (unsigned)name.len;
    }
    return true;
}

struct tls_context *tls_context_new(const struct tls_config *config, char reason[TLS_REASON]) {
    struct tls_context *context = calloc(1, sizeof(*context));
    if (context) {
        atomic_init(&context->references, 1);
        context->identities = calloc(config->pair_count, sizeof(*context->identities));
        context->of = calloc(config->pair_count, sizeof(*context->of));
    }
    if (!context || !context->identities || !context->of || !set_protocols(context, config)) {
        snprintf(reason, TLS_REASON, "out of memory");
        tls_context_drop(context);
        return NULL;
    }
    for (size_t i = 0; i < config->pair_count; i++) {
        if (!add_identity(context, config, &config->pairs[i], reason)) {
            tls_context_drop(context);
            context = NULL;
            break;
        }
    }
    ERR_clear_error(); /* nothing is left to whoever else uses libssl in this thread */
    return context;
}

void tls_context_hold(struct tls_context *context) {
    atomic_fetch_add(&context->references, 1);
}

void tls_context_drop(struct tls_context *context) {
    if (!context || atomic_fetch_sub(&context->references, 1) > 1) {
        return;
    }
    for (size_t i = 0; i < context->count; i++) {
        SSL_CTX_free(context->of[i]);
        tls_identity_release(&context->identities[i]);
    }
    free(context->of);
    free(context->identities);
    free(context->protocols);
    free(context);
}

struct slice tls_context_shown(const struct tls_context *context, const SSL *ssl) {
    const struct tls_identity *identity = shown(context, ssl);
    return identity ? slice_of(identity->pem, identity->pem_len) : slice_of(NULL, 0);
}

SSL *tls_context_accept(struct tls_context *context, struct tls_keys *keys) {
    SSL *ssl = SSL_new(context->of[0]);
    if (ssl && !SSL_set_app_data(ssl, keys)) {
        SSL_free(ssl);
        return NULL;
    }
    if (ssl) {
        SSL_set_accept_state(ssl);
    }
    return ssl;
}
