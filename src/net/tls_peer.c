/* See tls_peer.h. All texts stand one behind the other in one memory BIO. */
#include "net/tls_peer.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/err.h"

#include "base/banned.h"

enum { TEXTS = 5 + SECURITY_CHAIN };

struct tls_peer {
    BIO *texts; /* owned */
    struct security_client client;
};

/* How far each text reaches, while they are written and may still move. */
struct ends {
    size_t at[TEXTS];
    size_t count;
};

static bool end_text(struct tls_peer *peer, struct ends *ends, int written) {
    char *bytes;
    long len = BIO_get_mem_data(peer->texts, &bytes);
    if (written <= 0 || len < 0) {
        return false;
    }
    ends->at[ends->count++] = (size_t)len;
    return true;
}

static bool write_name(struct tls_peer *peer, struct ends *ends, const X509_NAME *name) {
    /* An empty name writes nothing, and says 0. */
    int written = X509_NAME_print_ex(peer->texts, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    return end_text(peer, ends, written < 0 ? 0 : 1);
}

/* One that is no time, in a certificate that need not be trusted, is written as "Bad time value".
 */
static bool write_time(struct tls_peer *peer, struct ends *ends, const ASN1_TIME *time) {
    ASN1_TIME_print(peer->texts, time);
    return end_text(peer, ends, 1);
}

static bool write_all(struct tls_peer *peer, struct ends *ends, X509 *own, STACK_OF(X509) * chain) {
    if (!write_name(peer, ends, X509_get_subject_name(own)) ||
        !write_name(peer, ends, X509_get_issuer_name(own)) ||
        !end_text(peer, ends, i2a_ASN1_INTEGER(peer->texts, X509_get0_serialNumber(own))) ||
        !write_time(peer, ends, X509_get0_notBefore(own)) ||
        !write_time(peer, ends, X509_get0_notAfter(own)) ||
        !end_text(peer, ends, PEM_write_bio_X509(peer->texts, own))) {
        return false;
    }
    /* The chain that a server is shown leaves the peer's own certificate out. */
    for (int i = 0; i < sk_X509_num(chain) && ends->count < TEXTS; i++) {
        if (!end_text(peer, ends, PEM_write_bio_X509(peer->texts, sk_X509_value(chain, i)))) {
            return false;
        }
    }
    return true;
}

static void cut_texts(struct tls_peer *peer, const struct ends *ends) {
    struct security_client *client = &peer->client;
    struct slice *const into[] = {&client->subject, &client->issuer, &client->serial,
                                  &client->begins, &client->ends};
    char *bytes;
    size_t begin = 0;
    BIO_get_mem_data(peer->texts, &bytes);
    for (size_t i = 0; i < ends->count; i++) {
        struct slice text = slice_of(bytes + begin, ends->at[i] - begin);
        *(i < 5 ? into[i] : &client->chain[client->chain_count++]) = text;
        begin = ends->at[i];
    }
}

int tls_peer_read(const SSL *ssl, struct tls_peer **made) {
    X509 *own = SSL_get0_peer_certificate(ssl);
    *made = NULL;
    if (!own) {
        return 0;
    }
    struct tls_peer *peer = calloc(1, sizeof(*peer));
    struct ends ends = {0};
    if (!peer) {
        return ERR_NOMEM;
    }
    peer->texts = BIO_new(BIO_s_mem());
    if (!peer->texts || !write_all(peer, &ends, own, SSL_get_peer_cert_chain(ssl))) {
        tls_peer_free(peer);
        return ERR_NOMEM;
    }
    cut_texts(peer, &ends);
    long verified = SSL_get_verify_result(ssl);
    peer->client.error = verified == X509_V_OK ? NULL : X509_verify_cert_error_string(verified);
    *made = peer;
    return 0;
}

const struct security_client *tls_peer_security(const struct tls_peer *peer) {
    return peer ? &peer->client : NULL;
}

void tls_peer_free(struct tls_peer *peer) {
    if (peer) {
        BIO_free(peer->texts);
        free(peer);
    }
}
