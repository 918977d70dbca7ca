/* Tests of net/tls where the kernel encrypts (kTLS). The kernel's part is played: this program's
 * own setsockopt takes the keys, and nothing is encrypted, so the far end sees what was handed
 * down, as it is. tests/ktls has the real kernel's part. */
#include "net/tls.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/sockets.h"
#include "net/stream_uv.h"
#include "net/tls_certs.h"
#include "test.h"

#include "base/banned.h"

/* As <linux/tls.h> has them. */
enum { LEVEL_TLS = 282, OPTION_TLS_TX = 1, TYPE_ALERT = 21 };

enum { ROOM = 6 * 1024 * 1024, TURNS = 20000 };

/* What the played kernel does, and what it was asked. */
static struct {
    int asked;    /* whether it has TLS at all */
    int offered;  /* of connected sockets */
    int keys;     /* taken */
    bool unknown; /* it has no TLS */
    bool refuses; /* it has, but not this cipher */
    int full;     /* so many messages that are no data find no room */
    int alerts;   /* that were taken */
} kernel;

int setsockopt(int fd, int level, int option, const void *value, socklen_t len) {
    if (level == IPPROTO_TCP && option == TCP_ULP) {
        struct sockaddr_storage peer;
        socklen_t peer_len = sizeof(peer);
        bool connected = getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0;
        *(connected ? &kernel.offered : &kernel.asked) += 1;
        errno = kernel.unknown ? ENOENT : ENOTCONN;
        return connected && !kernel.unknown ? 0 : -1;
    }
    if (level == LEVEL_TLS && option == OPTION_TLS_TX) {
        errno = ENOENT;
        kernel.keys += !kernel.refuses;
        return kernel.refuses ? -1 : 0;
    }
    return (int)syscall(SYS_setsockopt, fd, level, option, value, len);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    if (message->msg_controllen > 0) {
        const struct cmsghdr *control = CMSG_FIRSTHDR(message);
        if (kernel.full > 0) {
            kernel.full--;
            errno = EAGAIN;
            return -1;
        }
        kernel.alerts += *CMSG_DATA(control) == TYPE_ALERT;
    }
    return syscall(SYS_sendmsg, fd, message, flags);
}

struct rig {
    struct loop loop;
    struct transport_uv uv;
    struct transport_tls tls;
    struct tls_keys keys;  /* none: no tickets are sent, which the far end could not read */
    struct stream *stream; /* NULL once its memory may be gone */
    enum close_why why;
    int drains;
    int released;
    int far;
    SSL_CTX *client_ctx;
    SSL *client;
    uint8_t *got;
    size_t got_len;
    enum sockets_end end;
};

static void on_read(struct stream *stream, struct buf *buf) {
    (void)stream;
    buf_give(buf);
}

static void on_eof(struct stream *stream) {
    (void)stream;
}

static void on_drained(struct stream *stream) {
    struct rig *rig = stream->user;
    CHECK(stream->out.bytes < STREAM_LOW_WATER);
    rig->drains++;
}

static void on_closed(struct stream *stream) {
    struct rig *rig = stream->user;
    rig->why = stream->why;
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

static struct slice no_answer(void *arg) {
    (void)arg;
    return SLICE("TLS");
}

static void serve(struct rig *rig) {
    static const struct slice protocols[] = {{(const uint8_t *)"http/1.1", 8}};
    struct tls_pair pair = certs_pair(CERTS_EC, "localhost", NULL);
    struct tls_config config = {
        .pairs = &pair, .pair_count = 1, .protocols = protocols, .protocol_count = 1};
    struct tls_settings settings = {
        .handshakes = 8, .keep = 4, .kernel = true, .plain_answer = no_answer};
    char reason[TLS_REASON] = "";
    struct tls_context *context = tls_context_new(&config, reason);
    CHECK(context != NULL);
    CHECK_INT(loop_init(&rig->loop, (struct loop_hooks){on_hook, on_hook, NULL}), 0);
    transport_uv_init(&rig->uv, 4);
    CHECK_INT(transport_tls_init(&rig->tls, &rig->uv.transport, context, &rig->keys, &settings), 0);
    tls_context_drop(context);
}

static void turn(struct rig *rig) {
    loop_turn(&rig->loop, false);
}

static void far_read(struct rig *rig) {
    rig->got_len += sockets_read(rig->far, rig->got + rig->got_len, ROOM - rig->got_len, &rig->end);
}

/* Connects and shakes hands by `version`; what the far end gets from then on is raw. */
static void rig_begin(struct rig *rig, int version) {
    int near = -1;
    signal(SIGPIPE, SIG_IGN);
    *rig = (struct rig){.far = -1, .got = malloc(ROOM)};
    serve(rig);
    CHECK(sockets_tcp_pair(&near, &rig->far) && rig->got);
    rig->stream = transport_open(&rig->tls.transport, &rig->loop, near, &events, rig);
    CHECK(rig->stream != NULL);
    stream_read_start(rig->stream);
    rig->client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(rig->client_ctx, version);
    SSL_CTX_set_max_proto_version(rig->client_ctx, version);
    rig->client = SSL_new(rig->client_ctx);
    SSL_set_fd(rig->client, rig->far);
    SSL_set_connect_state(rig->client);
    for (int i = 0; i < TURNS && !stream_security(rig->stream); i++) {
        SSL_do_handshake(rig->client);
        loop_turn(&rig->loop, false);
    }
    CHECK(stream_security(rig->stream) != NULL);
}

/* As far as the stream is closed, where it is, and its pieces are over. */
static void read_to_end(struct rig *rig) {
    for (int i = 0; i < TURNS && rig->end == SOCKETS_OPEN; i++) {
        turn(rig);
        far_read(rig);
    }
    for (int i = 0; i < 10; i++) {
        turn(rig);
    }
}

static void rig_end(struct rig *rig) {
    if (rig->stream) {
        stream_close(rig->stream, CLOSE_STOPPED);
    }
    for (int i = 0; i < TURNS && rig->stream; i++) {
        turn(rig);
    }
    turn(rig);
    CHECK(rig->stream == NULL);
    CHECK_INT(transport_live(&rig->tls.transport), 0);
    CHECK_INT(transport_live(&rig->uv.transport), 0);
    loop_release(&rig->loop);
    CHECK_INT(piece_pool_live(&rig->loop.pieces), 0);
    transport_tls_release(&rig->tls);
    transport_uv_release(&rig->uv);
    SSL_free(rig->client);
    SSL_CTX_free(rig->client_ctx);
    close(rig->far);
    free(rig->got);
    memset(&kernel, 0, sizeof(kernel));
}

static void write_piece(struct rig *rig, struct piece *piece) {
    struct chain chain = {0};
    if (CHECK(piece != NULL)) {
        chain_append(&chain, piece);
    }
    stream_write(rig->stream, &chain);
}

static void write_bytes(struct rig *rig, struct slice bytes) {
    write_piece(rig, piece_memory(&rig->loop.pieces, bytes, on_release, &rig->released));
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

/* --- tests --- */

/* A file that goes with its descriptor. */
static int make_file(struct slice bytes) {
    char name[] = "/tmp/freastal-kernel-XXXXXX";
    int file = mkstemp(name);
    CHECK(file >= 0 && unlink(name) == 0);
    CHECK_INT(write(file, bytes.at, bytes.len), (ssize_t)bytes.len);
    return file;
}

static void check_pieces(int version) {
    struct rig rig;
    int file = make_file(SLICE("..file.."));
    rig_begin(&rig, version);
    CHECK_INT(kernel.asked, 1);
    CHECK_INT(kernel.offered, 1);
    CHECK_INT(kernel.keys, 1);
    CHECK_INT(rig.tls.counters.kernel, 1);
    write_bytes(&rig, SLICE("head and "));
    write_bytes(&rig, SLICE(""));
    write_piece(&rig, piece_file(&rig.loop.pieces, file, 2, 4, on_release, &rig.released));
    write_bytes(&rig, SLICE(" and tail"));
    stream_finish(rig.stream, CLOSE_DONE);
    read_to_end(&rig);
    CHECK_INT(rig.end, SOCKETS_EOF);
    /* In 1.2 the server's Finished comes before it. */
    const struct slice all = SLICE("head and file and tail\x01\x00");
    CHECK(rig.got_len >= all.len);
    CHECK_SLICE(slice_of(rig.got + rig.got_len - all.len, all.len), all);
    CHECK_INT(kernel.alerts, 1); /* close_notify, behind all data */
    rig_end(&rig);
    CHECK_INT(rig.released, 4);
    close(file);
}

TEST(pieces_go_down_as_they_are_in_1_3) {
    check_pieces(TLS1_3_VERSION);
}

TEST(pieces_go_down_as_they_are_in_1_2) {
    check_pieces(TLS1_2_VERSION);
}

TEST(more_than_the_socket_takes_waits) {
    struct rig rig;
    struct slice bytes = pattern(5 * 1024 * 1024);
    rig_begin(&rig, TLS1_3_VERSION);
    write_bytes(&rig, bytes);
    stream_want_drained(rig.stream);
    for (int i = 0; i < 100; i++) {
        turn(&rig);
    }
    CHECK(rig.stream->out.bytes > STREAM_LOW_WATER); /* it is what the socket has not taken */
    CHECK_INT(rig.drains, 0);
    for (int i = 0; i < TURNS && rig.drains == 0; i++) {
        turn(&rig);
        far_read(&rig);
    }
    CHECK_INT(rig.drains, 1);
    stream_finish(rig.stream, CLOSE_DONE);
    read_to_end(&rig);
    CHECK_INT(rig.end, SOCKETS_EOF);
    CHECK_INT(rig.got_len, bytes.len + 2);
    CHECK(memcmp(rig.got, bytes.at, bytes.len) == 0);
    CHECK_INT(rig.why, CLOSE_DONE);
    rig_end(&rig);
}

TEST(an_end_that_finds_no_room_waits_for_it) {
    struct rig rig;
    rig_begin(&rig, TLS1_3_VERSION);
    kernel.full = 3;
    write_bytes(&rig, SLICE("all"));
    stream_finish(rig.stream, CLOSE_DONE);
    read_to_end(&rig);
    CHECK_INT(kernel.full, 0);
    CHECK_INT(kernel.alerts, 1);
    CHECK_SLICE(slice_of(rig.got, rig.got_len), SLICE("all\x01\x00"));
    CHECK_INT(rig.why, CLOSE_DONE);
    rig_end(&rig);
}

TEST(a_peer_that_has_gone_closes_it) {
    struct rig rig;
    rig_begin(&rig, TLS1_3_VERSION);
    sockets_reset(rig.far);
    rig.far = dup(0);
    write_bytes(&rig, pattern(1024 * 1024));
    for (int i = 0; i < TURNS && rig.stream; i++) {
        turn(&rig);
    }
    CHECK(rig.why == CLOSE_PEER_RESET);
    rig_end(&rig);
    CHECK_INT(rig.released, 1);
}

TEST(a_file_that_is_too_short_shows) {
    struct rig rig;
    int file = make_file(SLICE("abc"));
    rig_begin(&rig, TLS1_3_VERSION);
    write_piece(&rig, piece_file(&rig.loop.pieces, file, 0, 4, on_release, &rig.released));
    read_to_end(&rig);
    CHECK_INT(rig.why, CLOSE_FILE);
    CHECK_INT(kernel.alerts, 0); /* no orderly end */
    rig_end(&rig);
    close(file);
}

/* libssl encrypts, as where nothing was offered. */
static void check_encrypted(struct rig *rig) {
    size_t got = 0;
    uint8_t text[16];
    CHECK_INT(rig->tls.counters.kernel, 0);
    write_bytes(rig, SLICE("answer"));
    for (int i = 0; i < TURNS && got == 0; i++) {
        turn(rig);
        SSL_read_ex(rig->client, text, sizeof(text), &got);
    }
    CHECK_SLICE(slice_of(text, got), SLICE("answer"));
}

TEST(a_cipher_that_the_kernel_has_not_is_libssls) {
    struct rig rig;
    kernel.refuses = true;
    rig_begin(&rig, TLS1_3_VERSION);
    CHECK_INT(kernel.offered, 1);
    check_encrypted(&rig);
    rig_end(&rig);
}

TEST(a_kernel_without_tls_is_asked_once) {
    struct rig rig;
    kernel.unknown = true;
    rig_begin(&rig, TLS1_3_VERSION);
    CHECK_INT(kernel.asked, 1);
    CHECK_INT(kernel.offered, 0);
    check_encrypted(&rig);
    rig_end(&rig);
}
