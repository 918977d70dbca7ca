/* See tls_certs.h. */
#include "net/tls_certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "must.h"

#include "base/banned.h"

enum { MADE = 64, PATH = 96, NAME = 64, DAY = 86400 };

struct made {
    enum certs_kind kind;
    int from;
    int to;
    char name[NAME];
    char password[NAME];
    char certfile[PATH];
    char keyfile[PATH];
};

static struct made made[MADE];
static size_t made_count;
static char directory[] = "/tmp/tls-certs-XXXXXX";

static void remove_all(void) {
    for (size_t i = 0; i < made_count; i++) {
        unlink(made[i].certfile);
        unlink(made[i].keyfile);
    }
    rmdir(directory);
}

static EVP_PKEY *make_key(enum certs_kind kind) {
    switch (kind) {
    case CERTS_RSA:
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    case CERTS_EC:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    case CERTS_ED25519:
        break;
    }
    return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static void add_extension(X509 *cert, int kind, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    MUST(extension && X509_add_ext(cert, extension, -1));
    X509_EXTENSION_free(extension);
}

static X509 *make_cert(EVP_PKEY *key, const struct made *entry) {
    static long serial = 1;
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    char alternative[NAME + 8];
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), (long)entry->from * DAY);
    X509_gmtime_adj(X509_getm_notAfter(cert), (long)entry->to * DAY);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)entry->name, -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    snprintf(alternative, sizeof(alternative), "DNS:%s", entry->name);
    add_extension(cert, NID_subject_alt_name, alternative);
    MUST(X509_sign(cert, key, entry->kind == CERTS_ED25519 ? NULL : EVP_sha256()) > 0);
    return cert;
}

static void write_files(const struct made *entry) {
    EVP_PKEY *key = make_key(entry->kind);
    X509 *cert = make_cert(key, entry);
    FILE *file = fopen(entry->certfile, "w");
    MUST(file && PEM_write_X509(file, cert));
    fclose(file);
    file = fopen(entry->keyfile, "w");
    const EVP_CIPHER *cipher = entry->password[0] ? EVP_aes_256_cbc() : NULL;
    MUST(file && PEM_write_PrivateKey(file, key, cipher, (const unsigned char *)entry->password,
                                      (int)strlen(entry->password), NULL, NULL));
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static struct tls_pair pair_of(const struct made *entry) {
    return (struct tls_pair){.certfile = entry->certfile,
                             .keyfile = entry->keyfile,
                             .password = entry->password[0] ? entry->password : NULL};
}

static struct tls_pair find_or_make(enum certs_kind kind, const char *name, const char *password,
                                    int from, int to) {
    for (size_t i = 0; i < made_count; i++) {
        struct made *each = &made[i];
        if (each->kind == kind && each->from == from && each->to == to &&
            strcmp(each->name, name) == 0 && strcmp(each->password, password) == 0) {
            return pair_of(each);
        }
    }
    if (made_count == 0) {
        MUST(mkdtemp(directory));
        atexit(remove_all);
    }
    MUST(made_count < MADE);
    struct made *entry = &made[made_count];
    *entry = (struct made){.kind = kind, .from = from, .to = to};
    snprintf(entry->name, NAME, "%s", name);
    snprintf(entry->password, NAME, "%s", password);
    snprintf(entry->certfile, PATH, "%s/%zu.pem", directory, made_count);
    snprintf(entry->keyfile, PATH, "%s/%zu.key", directory, made_count);
    made_count++;
    write_files(entry);
    return pair_of(entry);
}

struct tls_pair certs_pair(enum certs_kind kind, const char *name, const char *password) {
    return find_or_make(kind, name, password ? password : "", -1, 30);
}

struct tls_pair certs_pair_dated(enum certs_kind kind, const char *name, int from, int to) {
    return find_or_make(kind, name, "", from, to);
}
