/* Tests of net/preface.h's laws, over real sockets. The preface of these tests is a byte that says
 * how long it is with it, and as many bytes; 0xFF is malformed. */
#include "net/preface.h"

#include <fcntl.h>

#include "base/err.h"
#include "faults.h"
#include "net/sockets.h"
#include "net/stream_uv.h"
#include "test.h"

#include "base/banned.h"

struct rig {
    struct loop loop;
    struct transport_uv uv;
    struct transport_preface transport;
    struct stream *stream; /* NULL once it is closed */
    int far;
    uint8_t read[256];
    size_t read_len;
    unsigned reads;
    int eofs;
    int closes;
    enum close_why why;
    struct preface last; /* as it was at `closed` */
};

static ssize_t read_preface(struct slice bytes, struct preface *preface) {
    if (bytes.at[0] == 0xFF) {
        return ERR_PROXY_V1;
    }
    preface->named = bytes.at[0] > 1;
    preface->client = (struct peer){.family = PEER_IPV4, .port = bytes.at[0]};
    return bytes.len < bytes.at[0] ? 0 : bytes.at[0];
}

static void on_read(struct stream *stream, struct buf *buf) {
    struct rig *rig = stream->user;
    struct slice bytes = buf_slice(buf);
    CHECK(stream->preface->come); /* law 1 */
    CHECK_INT(stream->why, CLOSE_NONE);
    if (CHECK(bytes.len > 0 && rig->read_len + bytes.len <= sizeof(rig->read))) {
        memcpy(rig->read + rig->read_len, bytes.at, bytes.len);
        rig->read_len += bytes.len;
        rig->reads++;
    }
    buf_give(buf);
}

static void on_eof(struct stream *stream) {
    ((struct rig *)stream->user)->eofs++;
}

static void on_drained(struct stream *stream) {
    (void)stream;
}

static void on_closed(struct stream *stream) {
    struct rig *rig = stream->user;
    rig->closes++;
    rig->why = stream->why;
    rig->last = *stream->preface;
    rig->stream = NULL;
}

static const struct stream_events events = {
    .read = on_read, .eof = on_eof, .drained = on_drained, .closed = on_closed};

static void nothing(void *arg) {
    (void)arg;
}

static bool begin(struct rig *rig) {
    int near;
    *rig = (struct rig){.far = -1};
    if (!CHECK_INT(loop_init(&rig->loop, (struct loop_hooks){nothing, nothing, NULL}), 0) ||
        !CHECK(sockets_tcp_pair(&near, &rig->far))) {
        return false;
    }
    transport_uv_init(&rig->uv, 4);
    transport_preface_init(&rig->transport, &rig->uv.transport, read_preface, 255, 4);
    rig->stream = transport_open(&rig->transport.transport, &rig->loop, near, &events, rig);
    if (!CHECK(rig->stream != NULL)) {
        return false;
    }
    stream_read_start(rig->stream);
    return true;
}

static void turns(struct rig *rig) {
    for (int i = 0; i < 20; i++) {
        loop_turn(&rig->loop, false);
    }
}

static void far_sends(struct rig *rig, struct slice bytes) {
    CHECK_INT(write(rig->far, bytes.at, bytes.len), bytes.len);
    turns(rig);
}

static void end(struct rig *rig) {
    if (rig->stream) {
        stream_close(rig->stream, CLOSE_DONE);
    }
    turns(rig);
    CHECK_INT(rig->closes, 1);
    CHECK_INT(transport_live(&rig->transport.transport), 0);
    CHECK_INT(transport_live(&rig->uv.transport), 0);
    CHECK_INT(buf_pool_live(&rig->loop.bufs), 0);
    loop_sweep(&rig->loop);
    transport_preface_release(&rig->transport);
    transport_uv_release(&rig->uv);
    loop_release(&rig->loop);
    close(rig->far);
}

TEST(it_is_taken_off_the_first_bytes) {
    static struct rig rig;
    if (!begin(&rig)) {
        return;
    }
    far_sends(&rig, SLICE("\4abcGET"));
    CHECK_TEXT(slice_of(rig.read, rig.read_len), "GET");
    far_sends(&rig, SLICE("\4abc"));
    CHECK_TEXT(slice_of(rig.read, rig.read_len), "GET\4abc");
    end(&rig);
    CHECK(rig.last.come && rig.last.named);
    CHECK_INT(rig.last.client.port, 4);
    CHECK_INT(rig.why, CLOSE_DONE);
}

TEST(it_may_come_byte_by_byte) {
    static struct rig rig;
    if (!begin(&rig)) {
        return;
    }
    struct slice bytes = SLICE("\4abcGET");
    for (size_t i = 0; i < bytes.len; i++) {
        far_sends(&rig, slice_of(bytes.at + i, 1));
        CHECK_INT(rig.stream->preface->come, i >= 3);
        CHECK_INT(rig.read_len, i >= 4 ? i - 3 : 0);
    }
    CHECK_INT(rig.reads, 3);
    CHECK_INT(buf_pool_live(&rig.loop.bufs), 0); /* nothing is kept behind it */
    end(&rig);
}

TEST(one_that_names_nobody) {
    static struct rig rig;
    if (!begin(&rig)) {
        return;
    }
    far_sends(&rig, SLICE("\1x"));
    CHECK_TEXT(slice_of(rig.read, rig.read_len), "x");
    end(&rig);
    CHECK(rig.last.come && !rig.last.named);
}

TEST(one_that_is_malformed_closes) {
    static struct rig rig;
    if (!begin(&rig)) {
        return;
    }
    far_sends(&rig, SLICE("\xFFGET"));
    CHECK_INT(rig.closes, 1);
    CHECK_INT(rig.why, CLOSE_PREFACE);
    CHECK_INT(rig.last.error, ERR_PROXY_V1);
    CHECK(!rig.last.come);
    CHECK_INT(rig.reads, 0);
    end(&rig);
}

TEST(the_end_comes_before_it) {
    static struct rig rig;
    if (!begin(&rig)) {
        return;
    }
    far_sends(&rig, SLICE("\4a"));
    shutdown(rig.far, SHUT_WR);
    turns(&rig);
    CHECK_INT(rig.eofs, 1);
    CHECK(!rig.stream->preface->come);
    end(&rig);
}

TEST(output_and_the_end_go_straight_through) {
    static struct rig rig;
    if (!begin(&rig)) {
        return;
    }
    struct chain chain = {0};
    struct piece *piece = piece_memory(&rig.loop.pieces, SLICE("hello"), NULL, NULL);
    uint8_t got[16];
    enum sockets_end far_end;
    far_sends(&rig, SLICE("\1"));
    chain_append(&chain, piece);
    stream_write(rig.stream, &chain);
    stream_finish(rig.stream, CLOSE_DONE);
    turns(&rig);
    CHECK_TEXT(slice_of(got, sockets_read(rig.far, got, sizeof got, &far_end)), "hello");
    CHECK_INT(far_end, SOCKETS_EOF);
    CHECK_INT(rig.why, CLOSE_DONE);
    end(&rig);
}

TEST(memory_is_short) {
    static struct rig rig;
    if (!begin(&rig)) {
        return;
    }
    for (unsigned nth = 1; nth <= 2; nth++) {
        int near;
        int far;
        CHECK(sockets_tcp_pair(&near, &far));
        transport_preface_release(&rig.transport); /* none is kept: they are allocated */
        transport_uv_release(&rig.uv);
        faults[FAULT_ALLOC] = (struct fault){.from = nth, .to = nth};
        CHECK(!transport_open(&rig.transport.transport, &rig.loop, near, &events, &rig));
        faults_clear();
        CHECK_INT(fcntl(near, F_GETFD), -1); /* it was taken all the same */
        close(far);
    }
    CHECK_INT(transport_live(&rig.transport.transport), 1);
    end(&rig);
}
