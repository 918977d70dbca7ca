/* libFuzzer target of a TLS connection: a handshake with libssl's own client, disturbed.
 *
 * The input's first byte says how the client behaves (see `enum manner`), the second how many bytes
 * the server gets at a time. Then, for a client that shakes hands, pairs of a distance and a mask:
 * the byte so far on of what the client sends is changed. What is left is sent unchanged: as it
 * is by a client that does not shake hands, else as data behind the handshake.
 *
 * What must hold: the laws of streams (the fakes watch them); data is only read behind a handshake
 * that nothing has disturbed; no object lives on. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <string.h>

#include "http/fakes.h"
#include "must.h"
#include "net/tls.h"
#include "net/tls_certs.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum manner { RAW = 0, SHAKES = 1, OLD = 2, CUTS = 4, WRITES = 8 };
enum { TURNS = 60 };

static struct {
    struct loop loop;
    struct fake_transport fake;
    struct transport_tls tls;
    struct tls_context *context;
    struct tls_keys keys;
    SSL_CTX *client;
    struct fake_peer peer;
    struct stream *stream;
    size_t got;
    uint64_t sent; /* by the client, towards the next disturbance */
} rig;

static const char OUTPUT[40000];

static void on_hook(void *arg) {
    (void)arg;
}

static void on_read(struct stream *stream, struct buf *buf) {
    MUST(stream_security(stream) != NULL);
    rig.got += buf_len(buf);
    buf_give(buf);
}

static void on_nothing(struct stream *stream) {
    MUST(stream->why == CLOSE_NONE);
}

static void on_closed(struct stream *stream) {
    MUST(stream->why != CLOSE_NONE);
    rig.stream = NULL;
}

static const struct stream_events events = {
    .read = on_read, .eof = on_nothing, .drained = on_nothing, .closed = on_closed};

static void set_up(void) {
    char reason[TLS_REASON];
    struct tls_pair pair = certs_pair(CERTS_EC, "localhost", NULL);
    struct slice protocol = SLICE("http/1.1");
    struct tls_config config = {
        .pairs = &pair, .pair_count = 1, .protocols = &protocol, .protocol_count = 1};
    rig.context = tls_context_new(&config, reason);
    rig.client = SSL_CTX_new(TLS_client_method());
    MUST(rig.context && rig.client);
}

static struct slice plain_answer(void *arg) {
    (void)arg;
    return SLICE("speak TLS");
}

static void begin(void) {
    struct tls_settings settings = {.timeout = 1000, .handshakes = 1, .plain_answer = plain_answer};
    MUST(loop_init(&rig.loop, (struct loop_hooks){on_hook, on_hook, NULL}) == 0);
    fake_transport_init(&rig.fake);
    MUST(transport_tls_init(&rig.tls, &rig.fake.transport, rig.context, &rig.keys, &settings) == 0);
    fake_peer_init(&rig.peer);
    rig.fake.expected = &rig.peer;
    rig.stream = transport_open(&rig.tls.transport, &rig.loop, -1, &events, NULL);
    MUST(rig.stream != NULL);
    stream_read_start(rig.stream);
    rig.got = 0;
    rig.sent = 0;
}

static void turn(void) {
    fake_peer_turn(&rig.peer);
    loop_turn(&rig.loop, false);
}

/* What the client has written, to the server; the next disturbances of `input` on the way. */
static void carry(BIO *from, struct slice *input, bool *disturbed) {
    uint8_t bytes[4096];
    int count;
    while ((count = BIO_read(from, bytes, sizeof(bytes))) > 0) {
        uint64_t end = rig.sent + (uint64_t)count;
        uint64_t at = rig.sent;
        while (input->len >= 2 && at + input->at[0] < end) {
            at += input->at[0];
            bytes[at - rig.sent] ^= input->at[1];
            *disturbed = *disturbed || input->at[1] != 0;
            input->at += 2;
            input->len -= 2;
            at++;
        }
        rig.sent = end;
        fake_peer_send(&rig.peer, slice_of(bytes, (size_t)count));
    }
}

static void converse(unsigned manner, struct slice input) {
    bool disturbed = false;
    size_t told = 0;
    SSL *ssl = SSL_new(rig.client);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    MUST(ssl && in && out);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    if (manner & OLD) {
        SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
    }
    bool wrote = false;
    for (int i = 0; i < TURNS; i++) {
        ERR_clear_error();
        if (SSL_do_handshake(ssl) == 1 && !wrote) {
            wrote = true;
            SSL_write(ssl, OUTPUT, 1000);
            if (rig.stream && (manner & WRITES)) {
                struct chain chain = {0};
                chain_append(&chain, piece_memory(&rig.loop.pieces,
                                                  slice_of(OUTPUT, sizeof(OUTPUT)), NULL, NULL));
                stream_write(rig.stream, &chain);
                stream_finish(rig.stream, CLOSE_DONE);
            }
        }
        carry(out, &input, &disturbed);
        turn();
        if (rig.peer.out_len > told) {
            BIO_write(in, rig.peer.out + told, (int)(rig.peer.out_len - told));
            told = rig.peer.out_len;
        }
        uint8_t bytes[1000];
        while (wrote && SSL_read(ssl, bytes, sizeof(bytes)) > 0) {
        }
    }
    MUST(!disturbed || rig.got == 0 || rig.got == 1000);
    if (input.len > 0 && rig.stream) {
        fake_peer_send(&rig.peer, input);
    }
    SSL_free(ssl);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    if (len < 2 || len > FAKE_IN / 2) {
        return 0;
    }
    if (!rig.context) {
        set_up();
    }
    begin();
    unsigned manner = bytes[0];
    rig.peer.step = bytes[1] > 0 ? bytes[1] : SIZE_MAX;
    struct slice input = slice_of(bytes + 2, len - 2);
    if (manner & SHAKES) {
        converse(manner, input);
    } else {
        fake_peer_send(&rig.peer, input);
    }
    rig.peer.half_closes = manner & CUTS;
    for (int i = 0; i < TURNS; i++) {
        turn();
    }
    MUST((manner & SHAKES) || rig.got == 0);
    if (rig.stream) {
        stream_close(rig.stream, CLOSE_STOPPED);
    }
    for (int i = 0; i < 4; i++) {
        turn();
    }
    MUST(rig.stream == NULL && transport_live(&rig.tls.transport) == 0);
    MUST(rig.tls.handshaking == 0 && buf_pool_live(&rig.loop.bufs) == 0);
    loop_release(&rig.loop);
    MUST(piece_pool_live(&rig.loop.pieces) == 0);
    transport_tls_release(&rig.tls);
    fake_transport_release(&rig.fake);
    return 0;
}
