/* Tests of net/tls.h: the laws of a stream, over TLS, with OpenSSL's client at the far end of a
 * real socket; certificates are made as they are needed. */
#include "net/tls.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "faults.h"
#include "net/sockets.h"
#include "net/stream_uv.h"
#include "net/tls_certs.h"
#include "test.h"

#include "base/banned.h"

enum { ROOM = 6 * 1024 * 1024, TURNS = 20000 };

static const struct slice PLAIN = {(const uint8_t *)"speak TLS\n", 10};

static struct slice plain_answer(void *arg) {
    (void)arg;
    return PLAIN;
}

/* A server. */
struct site {
    struct loop loop;
    struct transport_uv uv;
    struct transport_tls tls;
    struct tls_keys keys;
    struct tls_settings settings;
};

/* A server and a client; the server may be another rig's. */
struct rig {
    struct site own;
    struct site *site;
    struct stream *stream; /* NULL once its memory may be gone */
    int far;
    SSL_CTX *client_ctx;
    SSL *client;
    SSL_SESSION *session; /* the newest ticket */
    /* events */
    uint8_t *read;
    size_t read_len;
    int reads;
    int eofs;
    int drains;
    int closes;
    enum close_why why;
    const char *reason;
    bool operating;    /* inside an operation: no event may come (law 1) */
    bool stop_in_read; /* after each read event */
    /* the far end */
    uint8_t *got;
    size_t got_len;
    bool got_end; /* close_notify */
    int released;
};

static void on_read(struct stream *stream, struct buf *buf) {
    struct rig *rig = stream->user;
    CHECK(!rig->operating && rig->closes == 0 && stream->why == CLOSE_NONE);
    CHECK(buf_len(buf) > 0 && rig->read_len + buf_len(buf) <= ROOM);
    memcpy(rig->read + rig->read_len, buf->bytes + buf->start, buf_len(buf));
    rig->read_len += buf_len(buf);
    rig->reads++;
    buf_give(buf);
    if (rig->stop_in_read) {
        stream_read_stop(stream);
    }
}

static void on_eof(struct stream *stream) {
    struct rig *rig = stream->user;
    CHECK(!rig->operating && stream->why == CLOSE_NONE);
    rig->eofs++;
}

static void on_drained(struct stream *stream) {
    struct rig *rig = stream->user;
    CHECK(!rig->operating && stream->why == CLOSE_NONE);
    CHECK(stream->out.bytes < STREAM_LOW_WATER);
    rig->drains++;
}

static void on_closed(struct stream *stream) {
    struct rig *rig = stream->user;
    CHECK(!rig->operating);
    rig->closes++;
    rig->why = stream->why;
    rig->reason = stream_reason(stream);
    CHECK(chain_empty(&stream->out));
    const struct security *security = stream_security(stream);
    if (security && security->client) {
        CHECK_SLICE(slice_of(security->client->subject.at, 3), SLICE("CN=")); /* still there */
        CHECK_SLICE(slice_of(security->server_cert.at, 10), SLICE("-----BEGIN"));
    }
    rig->stream = NULL;
}

static const struct stream_events events = {
    .read = on_read,
    .eof = on_eof,
    .drained = on_drained,
    .closed = on_closed,
};

static void on_hook(void *arg) {
    (void)arg;
}

static void on_release(struct piece *piece) {
    ++*(int *)piece->owner;
}

static int on_session(SSL *ssl, SSL_SESSION *session) {
    struct rig *rig = SSL_get_app_data(ssl);
    SSL_SESSION_free(rig->session);
    rig->session = session;
    return 1; /* kept */
}

static const struct slice HTTP11[] = {{(const uint8_t *)"http/1.1", 8}};

static struct tls_config plain_config(const struct tls_pair *pairs, size_t count) {
    return (struct tls_config){
        .pairs = pairs, .pair_count = count, .protocols = HTTP11, .protocol_count = 1};
}

static void rig_init(struct rig *rig) {
    signal(SIGPIPE, SIG_IGN);
    faults_clear();
    *rig = (struct rig){
        .far = -1,
        .own = {.settings = {.handshakes = 8, .keep = 4, .plain_answer = plain_answer}},
    };
    rig->site = &rig->own;
    rig->read = malloc(ROOM);
    rig->got = malloc(ROOM);
    CHECK(rig->read && rig->got);
    uint8_t key[TLS_KEY];
    memset(key, 7, sizeof(key));
    tls_keys_add(&rig->site->keys, key);
    rig->client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(rig->client_ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(rig->client_ctx, on_session);
}

static void rig_serve(struct rig *rig, const struct tls_config *config) {
    char reason[TLS_REASON] = "";
    struct tls_context *context = tls_context_new(config, reason);
    if (!context) {
        fprintf(stderr, "%s\n", reason);
        abort();
    }
    CHECK_INT(loop_init(&rig->site->loop, (struct loop_hooks){on_hook, on_hook, NULL}), 0);
    transport_uv_init(&rig->site->uv, 4);
    CHECK_INT(transport_tls_init(&rig->site->tls, &rig->site->uv.transport, context,
                                 &rig->site->keys, &rig->site->settings),
              0);
    tls_context_drop(context);
}

static void rig_connect(struct rig *rig) {
    int near = -1;
    int on = 1;
    CHECK(sockets_tcp_pair(&near, &rig->far));
    setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(rig->far, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    rig->closes = 0;
    rig->read_len = rig->got_len = 0;
    rig->stream = transport_open(&rig->site->tls.transport, &rig->site->loop, near, &events, rig);
    CHECK(rig->stream != NULL);
    stream_read_start(rig->stream);
    rig->client = SSL_new(rig->client_ctx);
    SSL_set_app_data(rig->client, rig);
    SSL_set_fd(rig->client, rig->far);
    SSL_set_connect_state(rig->client);
}

/* A server with one certificate, and a client that has connected. */
static void rig_begin(struct rig *rig) {
    rig_init(rig);
    struct tls_pair pair = certs_pair(CERTS_RSA, "localhost", NULL);
    struct tls_config config = plain_config(&pair, 1);
    rig_serve(rig, &config);
    rig_connect(rig);
}

/* Allocations of libcrypto and libssl inside the server's turns: the one numbered `fail_at` fails.
 */
static uint64_t fail_at;
static uint64_t allocations;
static bool in_turn;

static void turn(struct rig *rig) {
    in_turn = true;
    loop_turn(&rig->site->loop, false);
    in_turn = false;
}

/* Turns until the handshake is done on both sides. False where it fails. */
static bool shake(struct rig *rig) {
    for (int i = 0; i < TURNS; i++) {
        ERR_clear_error();
        int done = SSL_do_handshake(rig->client);
        turn(rig);
        if (done == 1 && rig->stream && stream_security(rig->stream)) {
            return true;
        }
        int error = SSL_get_error(rig->client, done);
        if (done != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
            for (int more = 0; more < 50; more++) {
                turn(rig);
            }
            return false;
        }
        if (rig->closes > 0) {
            return false;
        }
    }
    return false;
}

static void far_read(struct rig *rig) {
    size_t got = 0;
    ERR_clear_error();
    while (rig->got_len < ROOM &&
           SSL_read_ex(rig->client, rig->got + rig->got_len, ROOM - rig->got_len, &got)) {
        rig->got_len += got;
    }
    rig->got_end = SSL_get_shutdown(rig->client) & SSL_RECEIVED_SHUTDOWN;
}

static void exchange_until(struct rig *rig, size_t got) {
    for (int i = 0; i < TURNS && rig->got_len < got; i++) {
        turn(rig);
        far_read(rig);
    }
}

static void read_until(struct rig *rig, size_t len) {
    for (int i = 0; i < TURNS && rig->read_len < len && rig->closes == 0; i++) {
        turn(rig);
    }
}

static void far_write(struct rig *rig, struct slice bytes) {
    size_t sent = 0;
    while (bytes.len > 0) {
        if (SSL_write_ex(rig->client, bytes.at, bytes.len, &sent)) {
            bytes.at += sent;
            bytes.len -= sent;
        } else {
            turn(rig);
        }
    }
}

static void write_piece(struct rig *rig, struct piece *piece) {
    struct chain chain = {0};
    if (CHECK(piece != NULL)) {
        chain_append(&chain, piece);
    }
    rig->operating = true;
    stream_write(rig->stream, &chain);
    rig->operating = false;
}

static void write_bytes(struct rig *rig, struct slice bytes) {
    write_piece(rig, piece_memory(&rig->site->loop.pieces, bytes, on_release, &rig->released));
}

static void turn_until_closed(struct rig *rig) {
    for (int i = 0; i < TURNS && rig->closes == 0; i++) {
        turn(rig);
    }
    CHECK_INT(rig->closes, 1);
}

static void rig_disconnect(struct rig *rig) {
    if (rig->stream) {
        stream_close(rig->stream, CLOSE_STOPPED);
        turn_until_closed(rig);
    }
    turn(rig);
    SSL_set_shutdown(rig->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* keep its session */
    SSL_free(rig->client);
    close(rig->far);
}

/* All but the server. */
static void rig_free(struct rig *rig) {
    SSL_SESSION_free(rig->session);
    SSL_CTX_free(rig->client_ctx);
    free(rig->read);
    free(rig->got);
}

static void rig_end(struct rig *rig) {
    rig_disconnect(rig);
    CHECK_INT(transport_live(&rig->site->tls.transport), 0);
    CHECK_INT(transport_live(&rig->site->uv.transport), 0);
    CHECK_INT(buf_pool_live(&rig->site->loop.bufs), 0);
    CHECK_INT(rig->site->tls.handshaking, 0);
    loop_release(&rig->site->loop);
    CHECK_INT(piece_pool_live(&rig->site->loop.pieces), 0);
    transport_tls_release(&rig->site->tls);
    transport_uv_release(&rig->site->uv);
    rig_free(rig);
    faults_clear();
}

static struct slice pattern(size_t len) {
    enum { SIZE = 5 * 1024 * 1024 };
    static uint8_t bytes[SIZE];
    if (bytes[1] == 0) {
        for (size_t i = 0; i < SIZE; i++) {
            bytes[i] = (uint8_t)(i * 31 + i / 251 + i / 65537);
        }
    }
    return slice_of(bytes, len);
}

/* --- the handshake --- */

static void echo_once(struct rig *rig) {
    size_t read = rig->read_len;
    size_t got = rig->got_len;
    far_write(rig, SLICE("question"));
    read_until(rig, read + 8);
    CHECK_SLICE(slice_of(rig->read + read, rig->read_len - read), SLICE("question"));
    write_bytes(rig, SLICE("answer"));
    exchange_until(rig, got + 6);
    CHECK_SLICE(slice_of(rig->got + got, rig->got_len - got), SLICE("answer"));
}

static void check_version(int version, const char *name) {
    struct rig rig;
    rig_begin(&rig);
    SSL_set_min_proto_version(rig.client, version);
    SSL_set_max_proto_version(rig.client, version);
    CHECK(stream_security(rig.stream) == NULL);
    if (CHECK(shake(&rig))) {
        const struct security *security = stream_security(rig.stream);
        CHECK_INT(security->version, version);
        CHECK(strcmp(security->protocol, name) == 0);
        CHECK(strcmp(security->cipher, SSL_get_cipher_name(rig.client)) == 0);
        CHECK_INT(security->suite, SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(rig.client)));
        CHECK(security->client == NULL && !security->asks_client);
        CHECK(security->server_cert.len > 100);
        echo_once(&rig);
        CHECK_INT(rig.site->tls.counters.full, 1);
    }
    rig_end(&rig);
}

TEST(tls_1_3) {
    check_version(TLS1_3_VERSION, "TLSv1.3");
}

TEST(tls_1_2) {
    check_version(TLS1_2_VERSION, "TLSv1.2");
}

/* Who was refused, and has been told why, goes. */
static void far_goes(struct rig *rig) {
    shutdown(rig->far, SHUT_WR);
    turn_until_closed(rig);
    CHECK_INT(rig->why, CLOSE_TLS_FAILED);
}

TEST(older_versions_are_refused) {
    struct rig rig;
    rig_begin(&rig);
    SSL_set_cipher_list(rig.client, "ALL:@SECLEVEL=0");
    SSL_set_min_proto_version(rig.client, TLS1_VERSION);
    SSL_set_max_proto_version(rig.client, TLS1_1_VERSION);
    CHECK(!shake(&rig));
    far_goes(&rig);
    CHECK(rig.reason != NULL);
    CHECK_INT(rig.site->tls.counters.failed, 1);
    rig_end(&rig);
}

TEST(a_protocol_is_chosen_or_the_handshake_ends) {
    struct rig rig;
    const unsigned char *chosen;
    unsigned len;
    rig_begin(&rig);
    SSL_set_alpn_protos(rig.client, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    CHECK(shake(&rig));
    SSL_get0_alpn_selected(rig.client, &chosen, &len);
    CHECK_SLICE(slice_of(chosen, len), SLICE("http/1.1"));
    rig_disconnect(&rig);
    rig_connect(&rig);
    SSL_set_alpn_protos(rig.client, (const unsigned char *)"\x02h2", 3);
    CHECK(!shake(&rig));
    far_goes(&rig);
    rig_end(&rig);
}

TEST(whoever_speaks_http_is_told) {
    struct rig rig;
    enum sockets_end end = SOCKETS_OPEN;
    uint8_t answer[64];
    size_t len = 0;
    rig_begin(&rig);
    CHECK_INT(write(rig.far, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    for (int i = 0; i < TURNS && end == SOCKETS_OPEN; i++) {
        turn(&rig);
        len += sockets_read(rig.far, answer + len, sizeof(answer) - len, &end);
    }
    CHECK_SLICE(slice_of(answer, len), PLAIN);
    CHECK_INT(end, SOCKETS_EOF);
    shutdown(rig.far, SHUT_WR);
    turn_until_closed(&rig);
    CHECK_INT(rig.why, CLOSE_TLS_PLAIN);
    CHECK_INT(rig.read_len, 0);
    rig_end(&rig);
}

/* The queue of errors is the thread's, and so an application's too. */
TEST(no_error_is_left_to_others) {
    struct rig rig;
    rig_begin(&rig);
    CHECK(write(rig.far, "\x16\x03\x01\x00\x05hello", 10) == 10);
    far_goes(&rig);
    CHECK(ERR_peek_error() == 0);
    rig_end(&rig);
    rig_begin(&rig);
    CHECK(shake(&rig));
    CHECK(write(rig.far, "\x17\x03\x03\x00\x05hello", 10) == 10);
    turn_until_closed(&rig);
    CHECK_INT(rig.why, CLOSE_TLS_FAILED);
    CHECK(ERR_peek_error() == 0);
    rig_end(&rig);
}

TEST(whoever_speaks_neither_is_refused) {
    struct rig rig;
    rig_begin(&rig);
    CHECK_INT(write(rig.far, "\x00\x01\x02\x03\x04\x05\x06", 7), 7);
    far_goes(&rig);
    rig_end(&rig);
}

/* What it goes on to send is dropped, and resets nothing: it can read why. Its place is free. */
TEST(whoever_is_refused_can_read_why) {
    struct rig rig;
    rig_begin(&rig);
    CHECK_INT(write(rig.far, "\x16\x03\x01\x00\x05hello", 10), 10);
    for (int i = 0; i < 200; i++) {
        turn(&rig);
        CHECK(write(rig.far, "more of it, and more", 20) == 20);
    }
    CHECK_INT(rig.closes, 0);
    CHECK_INT(rig.site->tls.handshaking, 0);
    CHECK_INT(rig.site->tls.counters.failed, 1);
    enum sockets_end end;
    rig.got_len = sockets_read(rig.far, rig.got, ROOM, &end);
    CHECK(rig.got_len == 7 && rig.got[0] == 21); /* an alert, and our end behind it */
    CHECK_INT(end, SOCKETS_EOF);
    far_goes(&rig);
    CHECK_INT(rig.site->tls.counters.failed, 1);
    rig_end(&rig);
}

TEST(whoever_is_refused_and_stays_is_closed_in_time) {
    struct rig rig;
    rig_begin(&rig);
    CHECK_INT(write(rig.far, "\x16\x03\x01\x00\x05hello", 10), 10);
    while (rig.closes == 0) {
        loop_turn(&rig.site->loop, true);
    }
    CHECK_INT(rig.why, CLOSE_TLS_FAILED);
    rig_end(&rig);
}

TEST(handshakes_beyond_the_limit_wait_their_turn) {
    struct rig rig;
    struct rig second;
    rig_init(&rig);
    rig.site->settings.handshakes = 1;
    struct tls_pair pair = certs_pair(CERTS_RSA, "localhost", NULL);
    struct tls_config config = plain_config(&pair, 1);
    rig_serve(&rig, &config);
    rig_connect(&rig);
    /* One begins and goes no further. */
    SSL_do_handshake(rig.client);
    for (int i = 0; i < 50; i++) {
        turn(&rig);
    }
    CHECK_INT(rig.site->tls.handshaking, 1);
    /* Another one waits. */
    rig_init(&second);
    second.site = rig.site;
    rig_connect(&second);
    for (int i = 0; i < 50; i++) {
        SSL_do_handshake(second.client);
        turn(&rig);
    }
    CHECK(!SSL_is_init_finished(second.client));
    CHECK(!list_empty(&rig.site->tls.queue));
    /* The first goes: it is served. */
    stream_close(rig.stream, CLOSE_STOPPED);
    CHECK(shake(&second));
    echo_once(&second);
    rig_disconnect(&second);
    rig_free(&second);
    rig_end(&rig);
}

static void turn_often(struct rig *rig) {
    for (int i = 0; i < 50; i++) {
        turn(rig);
    }
}

/* A rig with places for one handshake, which has it, and two more at the same server that wait. */
static void begin_three(struct rig rigs[3]) {
    struct tls_pair pair = certs_pair(CERTS_RSA, "localhost", NULL);
    struct tls_config config = plain_config(&pair, 1);
    for (int i = 0; i < 3; i++) {
        rig_init(&rigs[i]);
        rigs[i].site = rigs[0].site;
    }
    rigs[0].site->settings.handshakes = 1;
    rig_serve(&rigs[0], &config);
    for (int i = 0; i < 2; i++) {
        rig_connect(&rigs[i]);
        SSL_do_handshake(rigs[i].client);
        turn_often(&rigs[i]);
    }
    rig_connect(&rigs[2]);
    turn_often(&rigs[2]);
}

static void end_three(struct rig rigs[3]) {
    for (int i = 2; i > 0; i--) {
        rig_disconnect(&rigs[i]);
        rig_free(&rigs[i]);
    }
    rig_end(&rigs[0]);
}

TEST(a_turn_that_is_not_taken_goes_to_the_next) {
    struct rig rigs[3];
    begin_three(rigs);
    SSL_do_handshake(rigs[2].client);
    turn_often(&rigs[2]);
    stream_close(rigs[0].stream, CLOSE_STOPPED);
    turn_until_closed(&rigs[0]);
    stream_close(rigs[1].stream, CLOSE_STOPPED); /* it was its turn */
    CHECK(shake(&rigs[2]));
    echo_once(&rigs[2]);
    end_three(rigs);
}

TEST(whoever_comes_late_does_not_take_the_turn_of_another) {
    struct rig rigs[3];
    begin_three(rigs);
    SSL_do_handshake(rigs[0].client);             /* its last word, */
    SSL_do_handshake(rigs[2].client);             /* and the first of another one: in one beat */
    CHECK(!list_empty(&rigs[0].site->tls.queue)); /* here since long */
    turn(&rigs[0]);
    CHECK(stream_security(rigs[0].stream) != NULL);
    CHECK_INT(rigs[0].site->tls.handshaking, 1);
    CHECK(shake(&rigs[1]));
    CHECK(shake(&rigs[2]));
    end_three(rigs);
}

/* There is no time-out: without it the last would wait for ever. */
static void check_loses(bool two) {
    struct rig rigs[3];
    begin_three(rigs);
    struct transport_tls *tls = &rigs[0].site->tls;
    SSL_do_handshake(rigs[2].client);
    turn_often(&rigs[2]);
    CHECK_INT(tls->waiting, 2);
    for (int i = 0; i < TURNS && rigs[0].closes == 0; i++) {
        loop_turn(&rigs[0].site->loop, true);
    }
    CHECK_INT(rigs[0].why, CLOSE_TLS_TIMEOUT);
    CHECK_INT(tls->waiting, 1);
    if (two) { /* the second says nothing either */
        for (int i = 0; i < TURNS && rigs[1].closes == 0; i++) {
            loop_turn(&rigs[0].site->loop, true);
        }
        CHECK_INT(rigs[1].why, CLOSE_TLS_TIMEOUT);
    } else {
        CHECK(shake(&rigs[1]));
    }
    CHECK(shake(&rigs[2]));
    CHECK_INT(tls->counters.failed, 1 + two); /* nobody waits now, and nobody was hurried */
    CHECK_INT(tls->waiting, 0);
    CHECK_INT(tls->losing, 0);
    end_three(rigs);
}

TEST(who_says_nothing_loses_the_place_to_who_waits) {
    check_loses(false);
    check_loses(true);
}

TEST(a_handshake_that_does_not_come_ends_in_time) {
    struct rig rig;
    rig_init(&rig);
    rig.site->settings.timeout = 1;
    struct tls_pair pair = certs_pair(CERTS_RSA, "localhost", NULL);
    struct tls_config config = plain_config(&pair, 1);
    rig_serve(&rig, &config);
    rig_connect(&rig);
    while (rig.closes == 0) {
        loop_turn(&rig.site->loop, true);
    }
    CHECK_INT(rig.why, CLOSE_TLS_TIMEOUT);
    rig_end(&rig);
}

/* --- ends --- */

TEST(an_end_before_the_handshake_does_not_wait_for_it) {
    struct rig rig;
    rig_begin(&rig);
    turn(&rig);
    stream_finish(rig.stream, CLOSE_STOPPED);
    turn_until_closed(&rig);
    CHECK_INT(rig.why, CLOSE_STOPPED);
    rig_end(&rig);
}

TEST(close_notify_is_the_end_of_input) {
    struct rig rig;
    rig_begin(&rig);
    CHECK(shake(&rig));
    far_write(&rig, SLICE("last"));
    SSL_shutdown(rig.client);
    for (int i = 0; i < TURNS && rig.eofs == 0; i++) {
        turn(&rig);
    }
    CHECK_SLICE(slice_of(rig.read, rig.read_len), SLICE("last"));
    CHECK_INT(rig.eofs, 1);
    CHECK_INT(rig.closes, 0);
    stream_write(rig.stream, &(struct chain){0});
    rig_end(&rig);
}

TEST(an_end_without_close_notify_is_a_cut) {
    struct rig rig;
    rig_begin(&rig);
    CHECK(shake(&rig));
    far_write(&rig, SLICE("not the last"));
    shutdown(rig.far, SHUT_WR);
    turn_until_closed(&rig);
    CHECK_INT(rig.eofs, 0);
    CHECK_INT(rig.why, CLOSE_TLS_CUT);
    rig_end(&rig);
}

TEST(our_end_is_said_behind_the_output) {
    struct rig rig;
    rig_begin(&rig);
    CHECK(shake(&rig));
    write_bytes(&rig, pattern(100000));
    stream_finish(rig.stream, CLOSE_DONE);
    exchange_until(&rig, 100000);
    for (int i = 0; i < TURNS && !rig.got_end; i++) {
        turn(&rig);
        far_read(&rig);
    }
    CHECK(rig.got_end);
    CHECK_SLICE(slice_of(rig.got, rig.got_len), pattern(100000));
    turn_until_closed(&rig);
    CHECK_INT(rig.why, CLOSE_DONE);
    rig_end(&rig);
}

TEST(a_broken_record_closes) {
    struct rig rig;
    rig_begin(&rig);
    CHECK(shake(&rig));
    CHECK_INT(write(rig.far, "\x17\x03\x03\x00\x20xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 37), 37);
    turn_until_closed(&rig);
    CHECK_INT(rig.why, CLOSE_TLS_FAILED);
    CHECK(rig.reason != NULL);
    rig_end(&rig);
}

/* --- bytes --- */

TEST(much_goes_out_to_a_peer_that_reads_slowly) {
    struct rig rig;
    rig_begin(&rig);
    CHECK(shake(&rig));
    write_bytes(&rig, pattern(5 * 1024 * 1024));
    for (int i = 0; i < 200; i++) {
        turn(&rig);
    }
    CHECK(!chain_empty(&rig.stream->out)); /* the socket is full */
    stream_want_drained(rig.stream);
    for (int i = 0; i < 20; i++) {
        turn(&rig);
    }
    CHECK_INT(rig.drains, 0);
    exchange_until(&rig, 5 * 1024 * 1024);
    CHECK_SLICE(slice_of(rig.got, rig.got_len), pattern(5 * 1024 * 1024));
    CHECK_INT(rig.drains, 1);
    loop_sweep(&rig.site->loop);
    CHECK_INT(rig.released, 1);
    rig_end(&rig);
}

TEST(pieces_large_and_small_and_files_leave_in_their_order) {
    struct rig rig;
    char path[] = "/tmp/tls-test-XXXXXX";
    rig_begin(&rig);
    CHECK(shake(&rig));
    int file = mkstemp(path);
    unlink(path);
    struct slice all = pattern(200000);
    CHECK_INT(write(file, all.at + 50, 150000), 150000);
    write_bytes(&rig, slice_of(all.at, 20));
    write_bytes(&rig, slice_of(all.at + 20, 0));
    write_bytes(&rig, slice_of(all.at + 20, 30));
    write_piece(&rig,
                piece_file(&rig.site->loop.pieces, file, 0, 150000, on_release, &rig.released));
    write_bytes(&rig, slice_of(all.at + 150050, 49950));
    exchange_until(&rig, 200000);
    CHECK_SLICE(slice_of(rig.got, rig.got_len), all);
    loop_sweep(&rig.site->loop);
    CHECK_INT(rig.released, 5);
    close(file);
    rig_end(&rig);
}

TEST(a_file_that_is_too_short_is_a_cut) {
    struct rig rig;
    char path[] = "/tmp/tls-test-XXXXXX";
    rig_begin(&rig);
    CHECK(shake(&rig));
    int file = mkstemp(path);
    unlink(path);
    CHECK_INT(write(file, "abc", 3), 3);
    write_piece(&rig, piece_file(&rig.site->loop.pieces, file, 0, 10, on_release, &rig.released));
    turn_until_closed(&rig);
    CHECK_INT(rig.why, CLOSE_FILE);
    close(file);
    rig_end(&rig);
}

TEST(much_comes_in_byte_by_byte_and_to_a_user_who_stops) {
    struct rig rig;
    rig_begin(&rig);
    CHECK(shake(&rig));
    rig.stop_in_read = true;
    far_write(&rig, pattern(10));
    for (size_t sent = 10; sent < 60000; sent += 1000) {
        far_write(&rig,
                  slice_of(pattern(60000).at + sent, sent + 1000 < 60000 ? 1000 : 60000 - sent));
    }
    for (int i = 0; i < TURNS && rig.read_len < 60000 - 990; i++) {
        int reads = rig.reads;
        turn(&rig);
        turn(&rig);
        CHECK(rig.reads - reads <= 1); /* it had stopped */
        rig.operating = true;
        stream_read_start(rig.stream);
        rig.operating = false;
    }
    CHECK_SLICE(slice_of(rig.read, rig.read_len), pattern(rig.read_len));
    CHECK(rig.read_len >= 59000);
    rig_end(&rig);
}

/* --- tickets --- */

static bool resumes(struct rig *rig, SSL_SESSION *session) {
    rig_disconnect(rig);
    rig_connect(rig);
    SSL_SESSION *copy = SSL_SESSION_dup(session); /* libssl uses one once (RFC 8446 C.4) */
    SSL_set_session(rig->client, copy);
    SSL_SESSION_free(copy);
    bool resumed = CHECK(shake(rig)) && SSL_session_reused(rig->client);
    echo_once(rig);
    return resumed;
}

TEST(a_ticket_resumes_also_with_another_server_of_the_same_keys) {
    struct rig rig;
    struct rig other;
    rig_begin(&rig);
    CHECK(shake(&rig));
    echo_once(&rig);
    CHECK(rig.session != NULL);
    SSL_SESSION *session = rig.session;
    SSL_SESSION_up_ref(session);
    CHECK(resumes(&rig, session));
    CHECK_INT(rig.site->tls.counters.resumed, 1);
    CHECK(rig.session && rig.session != session); /* a ticket for the next time */
    rig_begin(&other);
    CHECK(resumes(&other, session));
    /* An older key still opens; a forgotten one does not. */
    uint8_t key[TLS_KEY];
    for (int i = 0; i < TLS_KEYS - 1; i++) {
        memset(key, 100 + i, sizeof(key));
        tls_keys_add(&other.site->keys, key);
    }
    CHECK(resumes(&other, session));
    memset(key, 200, sizeof(key));
    tls_keys_add(&other.site->keys, key);
    CHECK(!resumes(&other, session));
    SSL_SESSION_free(session);
    rig_end(&other);
    rig_end(&rig);
}

/* --- certificates --- */

static const char *shown_to(struct rig *rig, const char *host, int *kind) {
    static char name[256];
    rig_disconnect(rig);
    rig_connect(rig);
    if (host) {
        SSL_set_tlsext_host_name(rig->client, host);
    }
    if (!CHECK(shake(rig))) {
        return "";
    }
    X509 *cert = SSL_get1_peer_certificate(rig->client);
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof(name));
    *kind = EVP_PKEY_get_base_id(X509_get0_pubkey(cert));
    X509_free(cert);
    return name;
}

TEST(the_servers_name_chooses_the_certificate) {
    struct rig rig;
    int kind;
    rig_init(&rig);
    const struct tls_pair pairs[] = {
        certs_pair(CERTS_RSA, "first.test", NULL),
        certs_pair(CERTS_EC, "*.wild.test", NULL),
        certs_pair(CERTS_ED25519, "exact.wild.test", NULL),
        certs_pair(CERTS_EC, "first.test", NULL),
    };
    struct tls_config config = plain_config(pairs, 4);
    rig_serve(&rig, &config);
    rig_connect(&rig);
    CHECK(strcmp(shown_to(&rig, "exact.wild.test", &kind), "exact.wild.test") == 0);
    CHECK_INT(kind, EVP_PKEY_ED25519);
    CHECK(strcmp(shown_to(&rig, "Other.Wild.TEST", &kind), "*.wild.test") == 0);
    CHECK(strcmp(shown_to(&rig, "a.b.wild.test", &kind), "first.test") == 0);
    CHECK(strcmp(shown_to(&rig, "nobody.test", &kind), "first.test") == 0);
    CHECK(strcmp(shown_to(&rig, NULL, &kind), "first.test") == 0);
    CHECK(strcmp(shown_to(&rig, "first.test", &kind), "first.test") == 0);
    SSL_CTX_set1_sigalgs_list(rig.client_ctx, "RSA-PSS+SHA256");
    shown_to(&rig, "first.test", &kind);
    CHECK_INT(kind, EVP_PKEY_RSA);
    SSL_CTX_set1_sigalgs_list(rig.client_ctx, "ECDSA+SHA256");
    shown_to(&rig, "first.test", &kind);
    CHECK_INT(kind, EVP_PKEY_EC);
    rig_end(&rig);
}

static void check_refused(const struct tls_pair *pair, const char *why) {
    char reason[TLS_REASON] = "";
    struct tls_config config = plain_config(pair, 1);
    CHECK(tls_context_new(&config, reason) == NULL);
    if (!CHECK(strstr(reason, why) != NULL)) {
        fprintf(stderr, "%s\n", reason);
    }
    CHECK(ERR_peek_error() == 0); /* for the application's own TLS to find */
}

TEST(what_is_wrong_with_a_file_is_said) {
    struct tls_pair good = certs_pair(CERTS_RSA, "localhost", NULL);
    struct tls_pair other = certs_pair(CERTS_RSA, "other", NULL);
    struct tls_pair secret = certs_pair(CERTS_EC, "localhost", "pass");
    struct tls_pair old = certs_pair_dated(CERTS_EC, "localhost", -20, -10);
    struct tls_pair young = certs_pair_dated(CERTS_EC, "localhost", 10, 20);
    struct tls_pair pair = good;
    pair.keyfile = other.keyfile;
    check_refused(&pair, "is not the key of --certfile");
    pair.keyfile = "/nowhere/key.pem";
    check_refused(&pair, "'/nowhere/key.pem' cannot be read: No such file or directory");
    pair = good;
    pair.certfile = good.keyfile;
    check_refused(&pair, "holds no certificate in PEM");
    pair = good;
    pair.keyfile = good.certfile;
    check_refused(&pair, "holds no private key in PEM");
    check_refused(&old, "has expired:");
    check_refused(&young, "is not valid before");
    pair = secret;
    pair.password = NULL;
    check_refused(&pair, "is encrypted");
    pair.password = "wrong";
    check_refused(&pair, "is not its password");
    pair = good;
    pair.ocspfile = good.certfile;
    check_refused(&pair, "holds no successful OCSP response");
    char reason[TLS_REASON];
    struct tls_config config = plain_config(&secret, 1);
    struct tls_context *context = tls_context_new(&config, reason);
    CHECK(context != NULL);
    tls_context_drop(context);
    config.ciphers = "NOTHING";
    CHECK(tls_context_new(&config, reason) == NULL && strstr(reason, "--tls-ciphers 'NOTHING'"));
    config.ciphers = NULL;
    config.ciphersuites = "NOTHING";
    CHECK(tls_context_new(&config, reason) == NULL && strstr(reason, "--tls-ciphersuites"));
}

TEST(a_client_shows_its_certificate) {
    struct rig rig;
    struct tls_pair pair = certs_pair(CERTS_RSA, "localhost", NULL);
    struct tls_pair mine = certs_pair(CERTS_EC, "me", NULL);
    struct tls_pair stranger = certs_pair(CERTS_EC, "stranger", NULL);
    for (int verify = TLS_VERIFY_OPTIONAL; verify <= TLS_VERIFY_REQUIRED; verify++) {
        bool required = verify == TLS_VERIFY_REQUIRED;
        rig_init(&rig);
        struct tls_config config = plain_config(&pair, 1);
        config.verify = (enum tls_verify)verify;
        config.client_ca = mine.certfile; /* it vouches for itself */
        rig_serve(&rig, &config);
        rig_connect(&rig);
        CHECK_INT(shake(&rig), !required); /* without one */
        CHECK(required ||
              (stream_security(rig.stream)->asks_client && !stream_security(rig.stream)->client));
        rig_disconnect(&rig);
        rig_connect(&rig);
        SSL_use_certificate_file(rig.client, mine.certfile, SSL_FILETYPE_PEM);
        SSL_use_PrivateKey_file(rig.client, mine.keyfile, SSL_FILETYPE_PEM);
        if (CHECK(shake(&rig))) {
            const struct security_client *client = stream_security(rig.stream)->client;
            if (CHECK(client != NULL)) {
                CHECK_SLICE(client->subject, SLICE("CN=me"));
                CHECK_SLICE(client->issuer, SLICE("CN=me"));
                CHECK(client->error == NULL);
                CHECK(client->serial.len > 0 && client->begins.len > 10 && client->ends.len > 10);
                CHECK_INT(client->chain_count, 1);
                CHECK_SLICE(slice_of(client->chain[0].at, 10), SLICE("-----BEGIN"));
            }
        }
        rig_disconnect(&rig);
        rig_connect(&rig);
        SSL_use_certificate_file(rig.client, stranger.certfile, SSL_FILETYPE_PEM);
        SSL_use_PrivateKey_file(rig.client, stranger.keyfile, SSL_FILETYPE_PEM);
        bool served = shake(&rig);
        CHECK_INT(served, !required);
        CHECK(!served || stream_security(rig.stream)->client->error != NULL);
        rig_end(&rig);
    }
}

/* --- faults --- */

static bool fails(void) {
    return in_turn && ++allocations == fail_at;
}

static void *count_malloc(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return fails() ? NULL : malloc(size);
}

static void *count_realloc(void *old, size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return fails() ? NULL : realloc(old, size);
}

static void count_free(void *memory, const char *file, int line) {
    (void)file;
    (void)line;
    free(memory);
}

__attribute__((constructor)) static void count_allocations(void) {
    CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free);
}

/* Every allocation of libssl and of ours, failing in turn, ends in a closed stream at the worst. */
TEST(allocations_may_fail) {
    struct rig rig;
    rig_begin(&rig);
    int whole = 0;
    for (uint64_t at = 1; whole < 3 && at < 3000; at++) {
        rig_disconnect(&rig);
        rig_connect(&rig);
        struct stream *stream = rig.stream;
        allocations = 0;
        fail_at = at;
        bool shaken = shake(&rig);
        bool failed = allocations >= fail_at;
        fail_at = 0;
        if (shaken && rig.stream == stream) {
            echo_once(&rig);
        }
        whole = failed ? 0 : whole + 1;
    }
    CHECK_INT(whole, 3);
    for (uint64_t at = 1; at < 12; at++) {
        rig_disconnect(&rig);
        rig_connect(&rig);
        faults_clear();
        faults[FAULT_ALLOC] = (struct fault){.from = at, .to = at};
        bool shaken = shake(&rig);
        faults_clear();
        if (shaken && rig.stream) {
            echo_once(&rig);
        }
    }
    rig_end(&rig);
}

/* Short and refused writes: what is sent arrives whole or the stream is closed. */
TEST(system_calls_may_fail) {
    struct rig rig;
    for (uint64_t at = 1; at < 8; at++) {
        for (int error = 0; error < 3; error++) {
            rig_begin(&rig);
            faults_clear();
            faults[FAULT_SENDMSG] = (struct fault){.from = at,
                                                   .to = at + 3,
                                                   .error = error == 0   ? 0
                                                            : error == 1 ? EAGAIN
                                                                         : ECONNRESET,
                                                   .limit = error == 0 ? 100 : 0};
            if (shake(&rig)) {
                write_bytes(&rig, pattern(30000));
                for (int i = 0; i < 300 && rig.got_len < 30000 && rig.stream; i++) {
                    turn(&rig);
                    far_read(&rig);
                }
                CHECK_SLICE(slice_of(rig.got, rig.got_len), pattern(rig.got_len));
                CHECK(error == 2 || rig.got_len == 30000);
            } else {
                CHECK_INT(error, 2);
            }
            CHECK(error != 2 || rig.closes == 0 || rig.why == CLOSE_PEER_RESET);
            rig_end(&rig);
        }
    }
}
