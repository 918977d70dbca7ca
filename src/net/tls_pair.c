/* See tls_pair.h. */
#include "net/tls_pair.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

#include "base/banned.h"

/* --- reasons --- */

static bool say(char reason[TLS_REASON], const char *what, const char *file, const char *why) {
    snprintf(reason, TLS_REASON, "%s '%.240s' %.240s", what, file, why);
    return false;
}

static bool say_nomem(char reason[TLS_REASON]) {
    snprintf(reason, TLS_REASON, "out of memory");
    return false;
}

/* [gives] the file, or NULL with a reason. */
static BIO *open_file(const char *what, const char *file, char reason[TLS_REASON]) {
    ERR_clear_error();
    errno = 0;
    BIO *bio = BIO_new_file(file, "r");
    if (!bio) {
        char why[160];
        snprintf(why, sizeof(why), "cannot be read: %s", strerror(errno ? errno : ENOMEM));
        say(reason, what, file, why);
    }
    return bio;
}

/* --- the certificate --- */

static bool read_chain(struct tls_identity *identity, BIO *bio) {
    X509 *next;
    identity->chain = sk_X509_new_null();
    if (!identity->chain) {
        return false;
    }
    while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (!sk_X509_push(identity->chain, next)) {
            X509_free(next);
            return false;
        }
    }
    /* The file's end is no error; a block that is broken is. */
    bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    return end;
}

static bool check_dates(const struct tls_identity *identity, const char *file,
                        char reason[TLS_REASON]) {
    const ASN1_TIME *end = X509_get0_notAfter(identity->cert);
    const ASN1_TIME *begin = X509_get0_notBefore(identity->cert);
    bool over = X509_cmp_current_time(end) < 0;
    if (!over && X509_cmp_current_time(begin) <= 0) {
        return true;
    }
    char why[160];
    char *date = NULL;
    BIO *text = BIO_new(BIO_s_mem());
    long len = 0;
    if (text && ASN1_TIME_print(text, over ? end : begin)) {
        len = BIO_get_mem_data(text, &date);
    }
    snprintf(why, sizeof(why), "%s %.*s", over ? "has expired:" : "is not valid before",
             (int)(len < 64 ? len : 64), date ? date : "");
    BIO_free(text);
    return say(reason, "--certfile", file, why);
}

static bool keep_pem(struct tls_identity *identity) {
    char *bytes = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    bool written = bio && PEM_write_bio_X509(bio, identity->cert);
    long len = written ? BIO_get_mem_data(bio, &bytes) : 0;
    if (len > 0) {
        identity->pem = malloc((size_t)len);
    }
    if (identity->pem) {
        memcpy(identity->pem, bytes, (size_t)len);
        identity->pem_len = (size_t)len;
    }
    BIO_free(bio);
    return identity->pem != NULL;
}

static bool read_certificate(struct tls_identity *identity, const char *file,
                             char reason[TLS_REASON]) {
    BIO *bio = open_file("--certfile", file, reason);
    if (!bio) {
        return false;
    }
    identity->cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    bool chain = identity->cert && read_chain(identity, bio);
    BIO_free(bio);
    if (!identity->cert) {
        return say(reason, "--certfile", file, "holds no certificate in PEM");
    }
    if (!chain) {
        return say(reason, "--certfile", file, "holds a broken certificate in its chain");
    }
    if (!keep_pem(identity)) {
        return say_nomem(reason);
    }
    return check_dates(identity, file, reason);
}

/* --- its names --- */

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A text without NUL; others are no names, and are left out. */
static bool add_name(struct tls_identity *identity, const ASN1_STRING *string) {
    const unsigned char *bytes = ASN1_STRING_get0_data(string);
    size_t len = (size_t)ASN1_STRING_length(string);
    size_t size = 0;
    if (len == 0 || memchr(bytes, '\0', len)) {
        return true;
    }
    if (!size_mul(identity->name_count + 1, sizeof(char *), &size)) {
        return false;
    }
    char **names = realloc(identity->names, size);
    if (!names) {
        return false;
    }
    identity->names = names;
    char *name = malloc(len + 1);
    if (!name) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        name[i] = (char)tolower(bytes[i]);
    }
    name[len] = '\0';
    names[identity->name_count++] = name;
    return true;
}

static bool add_common_name(struct tls_identity *identity) {
    const X509_NAME *subject = X509_get_subject_name(identity->cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) {
        return true;
    }
    return add_name(identity, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

/* The subject's alternative names; only where there are none, its common name (RFC 6125 6.4.4). */
static bool read_names(struct tls_identity *identity) {
    GENERAL_NAMES *all = X509_get_ext_d2i(identity->cert, NID_subject_alt_name, NULL, NULL);
    bool fits = true;
    for (int i = 0; fits && i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *each = sk_GENERAL_NAME_value(all, i);
        if (each->type == GEN_DNS) {
            fits = add_name(identity, each->d.dNSName);
        }
    }
    if (fits && !all) {
        fits = add_common_name(identity);
    }
    GENERAL_NAMES_free(all);
    if (identity->name_count > 1) {
        qsort(identity->names, identity->name_count, sizeof(char *), compare);
    }
    return fits;
}

bool tls_identity_same_names(const struct tls_identity *a, const struct tls_identity *b) {
    if (a->name_count != b->name_count) {
        return false;
    }
    for (size_t i = 0; i < a->name_count; i++) {
        if (strcmp(a->names[i], b->names[i]) != 0) {
            return false;
        }
    }
    return true;
}

bool tls_identity_has_name(const struct tls_identity *identity, const char *host) {
    return identity->name_count > 0 &&
           bsearch(&host, identity->names, identity->name_count, sizeof(char *), compare) != NULL;
}

bool tls_identity_has_wildcard(const struct tls_identity *identity, const char *host) {
    const char *rest = strchr(host, '.');
    if (!rest || rest == host) {
        return false;
    }
    for (size_t i = 0; i < identity->name_count; i++) {
        const char *name = identity->names[i];
        if (name[0] == '*' && strcmp(name + 1, rest) == 0) {
            return true;
        }
    }
    return false;
}

/* --- the key --- */

struct password {
    const char *text; /* NULL: none */
    bool asked;
};

static int give_password(char *buffer, int size, int writing, void *arg) {
    struct password *password = arg;
    size_t len = password->text ? strlen(password->text) : 0;
    (void)writing;
    password->asked = true;
    if (!password->text || len > (size_t)size) {
        return -1;
    }
    memcpy(buffer, password->text, len);
    return (int)len;
}

static bool read_key(struct tls_identity *identity, const struct tls_pair *pair,
                     char reason[TLS_REASON]) {
    struct password password = {.text = pair->password};
    BIO *bio = open_file("--keyfile", pair->keyfile, reason);
    if (!bio) {
        return false;
    }
    identity->key = PEM_read_bio_PrivateKey(bio, NULL, give_password, &password);
    BIO_free(bio);
    ERR_clear_error();
    if (identity->key) {
        return true;
    }
    const char *why = !password.asked ? "holds no private key in PEM"
                      : !password.text
                          ? "is encrypted, and there is no --keyfile-password for it"
                          : "cannot be decrypted: --keyfile-password is not its password";
    return say(reason, "--keyfile", pair->keyfile, why);
}

/* --- the response to staple --- */

static bool read_ocsp(struct tls_identity *identity, const char *file, char reason[TLS_REASON]) {
    BIO *bio = open_file("--ocsp-file", file, reason);
    if (!bio) {
        return false;
    }
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE_bio(bio, NULL);
    BIO_free(bio);
    bool good = response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL;
    if (good) {
        identity->ocsp_len = i2d_OCSP_RESPONSE(response, &identity->ocsp);
    }
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return identity->ocsp_len > 0 ||
           say(reason, "--ocsp-file", file, "holds no successful OCSP response in DER");
}

bool tls_identity_read(struct tls_identity *identity, const struct tls_pair *pair,
                       char reason[TLS_REASON]) {
    if (!read_certificate(identity, pair->certfile, reason) || !read_key(identity, pair, reason)) {
        return false;
    }
    if (!read_names(identity)) {
        return say_nomem(reason);
    }
    if (X509_check_private_key(identity->cert, identity->key) != 1) {
        char why[TLS_REASON];
        snprintf(why, sizeof(why), "is not the key of --certfile '%s'", pair->certfile);
        ERR_clear_error();
        return say(reason, "--keyfile", pair->keyfile, why);
    }
    return !pair->ocspfile || read_ocsp(identity, pair->ocspfile, reason);
}

void tls_identity_release(struct tls_identity *identity) {
    X509_free(identity->cert);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
    for (size_t i = 0; i < identity->name_count; i++) {
        free(identity->names[i]);
    }
    free(identity->names);
    free(identity->pem);
    OPENSSL_free(identity->ocsp);
}
