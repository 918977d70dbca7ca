/* Tests of net/stream.h's laws, on net/stream_uv.h over real sockets. */
#include "net/stream_uv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "faults.h"
#include "net/sockets.h"
#include "test.h"

#include "base/banned.h"

enum { ROOM = 8 * 1024 * 1024 };

static struct {
    int starts;
    int stops;
} polls;

int __real_uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb callback);
int __real_uv_poll_stop(uv_poll_t *poll);
int __wrap_uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb callback);
int __wrap_uv_poll_stop(uv_poll_t *poll);

int __wrap_uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb callback) {
    polls.starts++;
    return __real_uv_poll_start(poll, events, callback);
}

int __wrap_uv_poll_stop(uv_poll_t *poll) {
    polls.stops++;
    return __real_uv_poll_stop(poll);
}

struct rig {
    struct loop loop;
    struct transport_uv uv;
    struct stream *stream; /* NULL once its memory may be gone */
    int far;
    bool operating; /* inside an operation: no event may come (law 1) */
    /* events */
    uint8_t read[256];
    size_t read_len;
    uint32_t room; /* of the buffer that came last */
    int eofs;
    int drains;
    int closes;
    enum close_why why;
    /* what an event does */
    bool stop_in_read;
    bool close_in_read;
    bool forget_reads;
    int released;
    /* the far end */
    uint8_t *got;
    size_t got_len;
    enum sockets_end end;
};

static struct rig *event(struct stream *stream) {
    struct rig *rig = stream->user;
    CHECK(!rig->operating);
    CHECK_INT(rig->closes, 0); /* law 4: the last event ever */
    return rig;
}

static void on_read(struct stream *stream, struct buf *buf) {
    struct rig *rig = event(stream);
    CHECK_INT(stream->why, CLOSE_NONE); /* law 2 */
    struct slice bytes = buf_slice(buf);
    CHECK(bytes.len > 0);
    rig->room = buf->size;
    if (!rig->forget_reads && CHECK(rig->read_len + bytes.len <= sizeof(rig->read))) {
        memcpy(rig->read + rig->read_len, bytes.at, bytes.len);
        rig->read_len += bytes.len;
    }
    buf_give(buf);
    if (rig->stop_in_read) {
        stream_read_stop(stream);
    }
    if (rig->close_in_read) {
        stream_close(stream, CLOSE_REFUSED);
    }
}

static void on_eof(struct stream *stream) {
    CHECK_INT(stream->why, CLOSE_NONE);
    event(stream)->eofs++;
}

static void on_drained(struct stream *stream) {
    CHECK_INT(stream->why, CLOSE_NONE);
    CHECK(stream->out.bytes < STREAM_LOW_WATER); /* law 3 */
    event(stream)->drains++;
}

static void on_closed(struct stream *stream) {
    struct rig *rig = event(stream);
    rig->closes++;
    rig->why = stream->why;
    CHECK_INT(transport_live(&rig->uv.transport), 1); /* law 4: it lives until this has returned */
    CHECK(chain_empty(&stream->out));
    rig->stream = NULL;
}

static const struct stream_events events = {
    .read = on_read,
    .eof = on_eof,
    .drained = on_drained,
    .closed = on_closed,
};

static void on_enter(void *arg) {
    (void)arg;
}

static void on_release(struct piece *piece) {
    ++*(int *)piece->owner;
}

static void rig_begin_on(struct rig *rig, int near, int far) {
    faults_clear();
    *rig = (struct rig){.far = far};
    rig->got = malloc(ROOM);
    CHECK(rig->got != NULL);
    CHECK_INT(loop_init(&rig->loop, (struct loop_hooks){on_enter, on_enter, NULL}), 0);
    transport_uv_init(&rig->uv, 4);
    rig->stream = transport_open(&rig->uv.transport, &rig->loop, near, &events, rig);
    CHECK(rig->stream != NULL);
    polls.starts = 0;
    polls.stops = 0;
}

static void rig_begin(struct rig *rig) {
    int near = -1;
    int far = -1;
    CHECK(sockets_tcp_pair(&near, &far));
    rig_begin_on(rig, near, far);
}

static void turn(struct rig *rig) {
    loop_turn(&rig->loop, false);
}

/* Operations, inside of which no event may come. */
#define OPERATE(rig, operation)                                                                    \
    do {                                                                                           \
        (rig)->operating = true;                                                                   \
        operation;                                                                                 \
        (rig)->operating = false;                                                                  \
    } while (false)

static void write_piece(struct rig *rig, struct piece *piece) {
    struct chain chain;
    chain_init(&chain);
    if (CHECK(piece != NULL)) {
        chain_append(&chain, piece);
    }
    OPERATE(rig, stream_write(rig->stream, &chain));
    CHECK(chain_empty(&chain));
}

static void write_bytes(struct rig *rig, struct slice bytes) {
    write_piece(rig, piece_memory(&rig->loop.pieces, bytes, on_release, &rig->released));
}

static void far_read(struct rig *rig) {
    rig->got_len += sockets_read(rig->far, rig->got + rig->got_len, ROOM - rig->got_len, &rig->end);
}

/* Turns, and the far end reads, until so many bytes are there, or its side has ended. */
static void exchange_until(struct rig *rig, size_t len) {
    for (int idle = 0; idle < 1000 && rig->got_len < len && rig->end == SOCKETS_OPEN; idle++) {
        size_t before = rig->got_len;
        turn(rig);
        far_read(rig);
        idle = rig->got_len > before ? 0 : idle;
    }
}

static void turn_until_closed(struct rig *rig) {
    while (rig->closes == 0) {
        loop_turn(&rig->loop, true);
    }
}

static void rig_end(struct rig *rig) {
    if (rig->closes == 0) {
        OPERATE(rig, stream_close(rig->stream, CLOSE_STOPPED));
        turn_until_closed(rig);
    }
    turn(rig);
    CHECK_INT(rig->closes, 1);
    CHECK_INT(transport_live(&rig->uv.transport), 0);
    CHECK_INT(buf_pool_live(&rig->loop.bufs), 0);
    close(rig->far);
    free(rig->got);
    loop_release(&rig->loop);
    CHECK_INT(piece_pool_live(&rig->loop.pieces), 0);
    transport_uv_release(&rig->uv);
    faults_clear();
}

static struct slice pattern(void) {
    enum { SIZE = 4 * 1024 * 1024 };
    static uint8_t bytes[SIZE];
    if (bytes[1] == 0) {
        for (size_t i = 0; i < SIZE; i++) {
            bytes[i] = (uint8_t)(i * 31 + i / 251 + i / 65537);
        }
    }
    return slice_of(bytes, SIZE);
}

static void far_write(struct rig *rig, struct slice bytes) {
    CHECK_INT(write(rig->far, bytes.at, bytes.len), bytes.len);
}

/* --- reading --- */

TEST(a_stream_starts_stopped) {
    struct rig rig;
    rig_begin(&rig);
    far_write(&rig, SLICE("early"));
    turn(&rig);
    CHECK_INT(rig.read_len, 0);
    OPERATE(&rig, stream_read_start(rig.stream));
    turn(&rig);
    CHECK_SLICE(slice_of(rig.read, rig.read_len), SLICE("early"));
    rig_end(&rig);
}

TEST(stop_and_start_around_a_request_cost_nothing) {
    struct rig rig;
    rig_begin(&rig);
    OPERATE(&rig, stream_read_start(rig.stream));
    CHECK_INT(polls.starts, 1);
    OPERATE(&rig, stream_read_stop(rig.stream));
    OPERATE(&rig, stream_read_start(rig.stream));
    turn(&rig);
    OPERATE(&rig, stream_read_stop(rig.stream));
    turn(&rig);
    OPERATE(&rig, stream_read_start(rig.stream));
    CHECK_INT(polls.starts, 1);
    CHECK_INT(polls.stops, 0);
    far_write(&rig, SLICE("x"));
    turn(&rig);
    CHECK_INT(rig.read_len, 1);
    rig_end(&rig);
}

static void count_stir(void *arg) {
    (*(int *)arg)++;
}

/* libuv tells the kernel in a turn only: whoever waits on the loop's behalf must know. */
TEST(what_changes_between_turns_stirs) {
    struct rig rig;
    int stirs = 0;
    rig_begin(&rig);
    rig.loop.hooks.arg = &stirs;
    loop_on_stir(&rig.loop, count_stir);
    stream_read_start(rig.stream);
    CHECK_INT(stirs, 1);
    turn(&rig);
    stream_read_stop(rig.stream);
    stream_read_start(rig.stream); /* the poll stays as it is */
    CHECK_INT(stirs, 1);
    stream_close(rig.stream, CLOSE_DONE);
    CHECK_INT(stirs, 2);
    loop_on_stir(&rig.loop, NULL);
    rig.loop.hooks.arg = NULL;
    turn_until_closed(&rig);
    rig_end(&rig);
}

TEST(a_stop_takes_effect_when_bytes_come) {
    struct rig rig;
    rig_begin(&rig);
    OPERATE(&rig, stream_read_start(rig.stream));
    OPERATE(&rig, stream_read_stop(rig.stream));
    far_write(&rig, SLICE("x"));
    turn(&rig);
    CHECK_INT(polls.stops, 1);
    turn(&rig);
    CHECK_INT(polls.stops, 1); /* not polled any more: no spinning */
    CHECK_INT(rig.read_len, 0);
    OPERATE(&rig, stream_read_start(rig.stream));
    turn(&rig);
    CHECK_INT(rig.read_len, 1);
    rig_end(&rig);
}

TEST(stopping_from_inside_the_event) {
    struct rig rig;
    rig_begin(&rig);
    rig.stop_in_read = true;
    OPERATE(&rig, stream_read_start(rig.stream));
    far_write(&rig, SLICE("a"));
    turn(&rig);
    far_write(&rig, SLICE("b"));
    turn(&rig);
    turn(&rig);
    CHECK_INT(rig.read_len, 1);
    OPERATE(&rig, stream_read_start(rig.stream));
    turn(&rig);
    CHECK_SLICE(slice_of(rig.read, rig.read_len), SLICE("ab"));
    rig_end(&rig);
}

TEST(the_peers_end_comes_once_and_writing_goes_on) {
    struct rig rig;
    rig_begin(&rig);
    OPERATE(&rig, stream_read_start(rig.stream));
    far_write(&rig, SLICE("last words"));
    shutdown(rig.far, SHUT_WR);
    turn(&rig);
    turn(&rig);
    turn(&rig);
    CHECK_SLICE(slice_of(rig.read, rig.read_len), SLICE("last words"));
    CHECK_INT(rig.eofs, 1);
    OPERATE(&rig, stream_read_start(rig.stream));
    turn(&rig);
    CHECK_INT(rig.eofs, 1);
    write_bytes(&rig, SLICE("answer"));
    exchange_until(&rig, 6);
    CHECK_SLICE(slice_of(rig.got, rig.got_len), SLICE("answer"));
    rig_end(&rig);
}

TEST(a_reset_closes) {
    struct rig rig;
    rig_begin(&rig);
    OPERATE(&rig, stream_read_start(rig.stream));
    sockets_reset(rig.far);
    turn_until_closed(&rig);
    CHECK_INT(rig.why, CLOSE_PEER_RESET);
    rig.far = -1;
    rig_end(&rig);
}

TEST(errors_of_recv) {
    const struct {
        int error;
        enum close_why why; /* CLOSE_NONE: it goes on */
    } rows[] = {
        {EINTR, CLOSE_NONE},           {EAGAIN, CLOSE_NONE},  {ECONNRESET, CLOSE_PEER_RESET},
        {ETIMEDOUT, CLOSE_PEER_RESET}, {ENOMEM, CLOSE_NOMEM}, {ENOBUFS, CLOSE_NOMEM},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;
        rig_begin(&rig);
        faults[FAULT_RECV] = (struct fault){.from = 1, .to = 2, .error = rows[i].error};
        OPERATE(&rig, stream_read_start(rig.stream));
        far_write(&rig, SLICE("x"));
        for (int k = 0; k < 5; k++) {
            turn(&rig);
        }
        CHECK(faults[FAULT_RECV].calls > 0);
        CHECK_INT(rig.closes, rows[i].why != CLOSE_NONE);
        CHECK_INT(rig.why, rows[i].why);
        CHECK_INT(rig.read_len, rows[i].why == CLOSE_NONE);
        rig_end(&rig);
    }
}

TEST(reading_in_pieces) {
    struct rig rig;
    rig_begin(&rig);
    faults[FAULT_RECV] = (struct fault){.from = 1, .to = UINT64_MAX, .limit = 1};
    OPERATE(&rig, stream_read_start(rig.stream));
    far_write(&rig, SLICE("one at a time"));
    for (int k = 0; k < 20; k++) {
        turn(&rig);
    }
    CHECK_SLICE(slice_of(rig.read, rig.read_len), SLICE("one at a time"));
    rig_end(&rig);
}

/* Turns three times with one byte more than fits the usual buffer, and one byte later. */
static void read_plenty(struct rig *rig, uint32_t room[3]) {
    rig->forget_reads = true;
    OPERATE(rig, stream_read_start(rig->stream));
    far_write(rig, slice_of(pattern().at, BUF_SIZE + 1));
    turn(rig);
    room[0] = rig->room;
    turn(rig);
    room[1] = rig->room;
    far_write(rig, SLICE("x"));
    turn(rig);
    room[2] = rig->room;
}

TEST(bytes_in_plenty_come_into_larger_buffers) {
    struct rig rig;
    uint32_t room[3];
    rig_begin(&rig);
    read_plenty(&rig, room);
    CHECK_INT(room[0], BUF_SIZE);
    CHECK_INT(room[1], BUF_LARGE);
    CHECK_INT(room[2], BUF_SIZE);
    rig_end(&rig);
}

TEST(no_memory_for_a_larger_buffer) {
    struct rig rig;
    uint32_t room[3];
    rig_begin(&rig);
    buf_give(buf_take(&rig.loop.bufs)); /* one of the usual size waits for reuse */
    faults[FAULT_ALLOC] = (struct fault){.from = 1, .to = UINT64_MAX};
    read_plenty(&rig, room);
    CHECK(faults[FAULT_ALLOC].calls > 0);
    CHECK_INT(room[0], BUF_SIZE);
    CHECK_INT(room[1], BUF_SIZE);
    CHECK_INT(rig.closes, 0);
    rig_end(&rig);
}

TEST(no_memory_to_read_into) {
    struct rig rig;
    rig_begin(&rig);
    OPERATE(&rig, stream_read_start(rig.stream));
    far_write(&rig, SLICE("x"));
    faults[FAULT_ALLOC] = (struct fault){.from = 1, .to = UINT64_MAX};
    turn_until_closed(&rig);
    CHECK(faults[FAULT_ALLOC].calls > 0);
    CHECK_INT(rig.why, CLOSE_NOMEM);
    rig_end(&rig);
}

/* --- writing --- */

TEST(output_leaves_in_the_write_beat_in_order) {
    struct rig rig;
    rig_begin(&rig);
    write_bytes(&rig, SLICE("one "));
    write_bytes(&rig, SLICE("two "));
    write_bytes(&rig, SLICE(""));
    far_read(&rig);
    CHECK_INT(rig.got_len, 0);
    faults[FAULT_SENDMSG] = (struct fault){0};
    turn(&rig);
    CHECK_INT(faults[FAULT_SENDMSG].calls, 1); /* one vectored write */
    write_bytes(&rig, SLICE("three"));
    exchange_until(&rig, 13);
    CHECK_SLICE(slice_of(rig.got, rig.got_len), SLICE("one two three"));
    loop_sweep(&rig.loop);
    CHECK_INT(rig.released, 4);
    rig_end(&rig);
}

TEST(many_small_pieces) {
    struct rig rig;
    struct slice bytes = pattern();
    rig_begin(&rig);
    for (size_t i = 0; i < 500; i++) {
        write_bytes(&rig, slice_of(bytes.at + i, i % 7 == 0 ? 0 : 1));
    }
    size_t expected = rig.stream->out.bytes;
    exchange_until(&rig, expected);
    CHECK_INT(rig.got_len, expected);
    for (size_t i = 0, k = 0; i < 500; i++) {
        if (i % 7 != 0) {
            CHECK_INT(rig.got[k++], bytes.at[i]);
        }
    }
    rig_end(&rig);
}

/* A unix socket, whose far end's reads are seen at once, with little room. */
static void small_buffers(struct rig *rig) {
    int pair[2] = {-1, -1};
    int size = 4096;
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_INT(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    rig_begin_on(rig, pair[0], pair[1]);
}

TEST(back_pressure) {
    struct rig rig;
    struct slice bytes = pattern();
    small_buffers(&rig);
    write_bytes(&rig, bytes);
    OPERATE(&rig, stream_want_drained(rig.stream));
    for (int i = 0; i < 20; i++) {
        turn(&rig);
    }
    /* the socket is full; the rest waits here, untouched */
    CHECK(rig.stream->out.bytes > 0 && rig.stream->out.bytes < bytes.len);
    CHECK_INT(rig.drains, 0);
    uint64_t calls = faults[FAULT_SENDMSG].calls;
    for (int i = 0; i < 20; i++) {
        turn(&rig);
    }
    CHECK_INT(faults[FAULT_SENDMSG].calls, calls); /* no spinning */
    exchange_until(&rig, bytes.len);
    CHECK(slice_equal(slice_of(rig.got, rig.got_len), bytes));
    CHECK_INT(rig.drains, 1);
    rig_end(&rig);
}

TEST(drained_comes_once_for_each_wish) {
    struct rig rig;
    rig_begin(&rig);
    OPERATE(&rig, stream_want_drained(rig.stream));
    OPERATE(&rig, stream_want_drained(rig.stream));
    turn(&rig);
    CHECK_INT(rig.drains, 1); /* nothing waits: at once */
    write_bytes(&rig, SLICE("x"));
    turn(&rig);
    CHECK_INT(rig.drains, 1);
    OPERATE(&rig, stream_want_drained(rig.stream));
    turn(&rig);
    CHECK_INT(rig.drains, 2);
    rig_end(&rig);
}

TEST(partial_writes_and_interruptions) {
    const struct fault rows[] = {
        {.from = 1, .to = UINT64_MAX, .limit = 1}, {.from = 1, .to = UINT64_MAX, .limit = 3},
        {.from = 1, .to = 3, .error = EINTR},      {.from = 1, .to = 3, .error = EAGAIN},
        {.from = 2, .to = 4, .error = EAGAIN},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;
        rig_begin(&rig);
        faults[FAULT_SENDMSG] = rows[i];
        write_bytes(&rig, SLICE("head"));
        write_bytes(&rig, SLICE("and body"));
        turn(&rig);
        write_bytes(&rig, SLICE(" and more"));
        OPERATE(&rig, stream_finish(rig.stream, CLOSE_DONE));
        exchange_until(&rig, 100);
        CHECK_SLICE(slice_of(rig.got, rig.got_len), SLICE("headand body and more"));
        CHECK_INT(rig.end, SOCKETS_EOF);
        CHECK(faults[FAULT_SENDMSG].calls > 1);
        rig_end(&rig);
    }
}

TEST(errors_of_sendmsg) {
    const struct {
        int error;
        enum close_why why;
    } rows[] = {
        {ECONNRESET, CLOSE_PEER_RESET}, {EPIPE, CLOSE_PEER_RESET}, {ENOBUFS, CLOSE_NOMEM},
        {ENOMEM, CLOSE_NOMEM},          {EIO, CLOSE_SYSTEM},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;
        rig_begin(&rig);
        faults[FAULT_SENDMSG] = (struct fault){.from = 1, .to = 1, .error = rows[i].error};
        write_bytes(&rig, SLICE("never"));
        OPERATE(&rig, stream_want_drained(rig.stream));
        turn_until_closed(&rig);
        CHECK_INT(rig.why, rows[i].why);
        CHECK_INT(rig.drains, 0);
        loop_sweep(&rig.loop);
        CHECK_INT(rig.released, 1);
        rig_end(&rig);
    }
}

TEST(progress_is_noted) {
    struct rig rig;
    struct slice bytes = pattern();
    small_buffers(&rig);
    rig.stream->progress = 1;
    write_bytes(&rig, bytes); /* was empty: the clock starts now */
    CHECK(rig.stream->progress == loop_now(&rig.loop));
    rig.stream->progress = 1;
    turn(&rig);
    CHECK(rig.stream->progress > 1);
    for (int i = 0; i < 20; i++) {
        turn(&rig);
    }
    rig.stream->progress = 1;
    write_bytes(&rig, SLICE("more"));
    turn(&rig);
    CHECK_INT(rig.stream->progress, 1); /* nothing moved */
    rig_end(&rig);
}

/* --- files --- */

static int file_of(struct slice bytes) {
    int fd = memfd_create("test", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, bytes.at, bytes.len), bytes.len);
    return fd;
}

TEST(a_file_between_memory) {
    struct rig rig;
    struct slice bytes = pattern();
    int fd = file_of(bytes);
    struct slice part = slice_of(bytes.at + 1000, bytes.len - 2000);
    rig_begin(&rig);
    write_bytes(&rig, SLICE("head"));
    write_piece(&rig, piece_file(&rig.loop.pieces, fd, 1000, part.len, on_release, &rig.released));
    write_bytes(&rig, SLICE("tail"));
    exchange_until(&rig, part.len + 8);
    CHECK_INT(rig.got_len, part.len + 8);
    CHECK_SLICE(slice_of(rig.got, 4), SLICE("head"));
    CHECK(slice_equal(slice_of(rig.got + 4, part.len), part));
    CHECK_SLICE(slice_of(rig.got + 4 + part.len, 4), SLICE("tail"));
    loop_sweep(&rig.loop);
    CHECK_INT(rig.released, 3);
    CHECK(faults[FAULT_SENDFILE].calls > 1); /* more than a share of one beat */
    rig_end(&rig);
    close(fd);
}

TEST(partial_sendfile) {
    const struct fault rows[] = {
        {.from = 1, .to = UINT64_MAX, .limit = 100},
        {.from = 1, .to = 3, .error = EINTR},
        {.from = 1, .to = 3, .error = EAGAIN},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;
        struct slice bytes = slice_of(pattern().at, 1500);
        int fd = file_of(bytes);
        rig_begin(&rig);
        faults[FAULT_SENDFILE] = rows[i];
        write_piece(&rig, piece_file(&rig.loop.pieces, fd, 0, bytes.len, NULL, NULL));
        OPERATE(&rig, stream_finish(rig.stream, CLOSE_DONE));
        exchange_until(&rig, bytes.len + 1);
        CHECK(slice_equal(slice_of(rig.got, rig.got_len), bytes));
        CHECK_INT(rig.end, SOCKETS_EOF);
        rig_end(&rig);
        close(fd);
    }
}

TEST(a_file_that_is_shorter_than_promised_is_a_cut) {
    struct rig rig;
    int fd = file_of(SLICE("short"));
    rig_begin(&rig);
    write_piece(&rig, piece_file(&rig.loop.pieces, fd, 0, 10, NULL, NULL));
    OPERATE(&rig, stream_finish(rig.stream, CLOSE_DONE));
    turn_until_closed(&rig);
    CHECK_INT(rig.why, CLOSE_FILE);
    exchange_until(&rig, 100);
    CHECK_INT(rig.end, SOCKETS_RESET); /* never an orderly end */
    rig_end(&rig);
    close(fd);
}

TEST(a_file_that_cannot_be_read_is_ours_to_reset) {
    struct rig rig;
    int fd = file_of(SLICE("content"));
    rig_begin(&rig);
    faults[FAULT_SENDFILE] = (struct fault){.from = 1, .to = 1, .error = EIO};
    write_piece(&rig, piece_file(&rig.loop.pieces, fd, 0, 7, NULL, NULL));
    OPERATE(&rig, stream_finish(rig.stream, CLOSE_DONE));
    turn_until_closed(&rig);
    CHECK_INT(rig.why, CLOSE_SYSTEM);
    exchange_until(&rig, 100);
    CHECK_INT(rig.end, SOCKETS_RESET);
    rig_end(&rig);
    close(fd);
}

/* --- ending --- */

TEST(shutdown_ends_our_direction_only) {
    struct rig rig;
    rig_begin(&rig);
    write_bytes(&rig, SLICE("bye"));
    OPERATE(&rig, stream_shutdown(rig.stream));
    write_bytes(&rig, SLICE("too late"));
    exchange_until(&rig, 100);
    CHECK_SLICE(slice_of(rig.got, rig.got_len), SLICE("bye"));
    CHECK_INT(rig.end, SOCKETS_EOF);
    CHECK_INT(rig.closes, 0);
    OPERATE(&rig, stream_read_start(rig.stream));
    far_write(&rig, SLICE("still here"));
    turn(&rig);
    CHECK_SLICE(slice_of(rig.read, rig.read_len), SLICE("still here"));
    loop_sweep(&rig.loop);
    CHECK_INT(rig.released, 2);
    rig_end(&rig);
}

TEST(finish_waits_for_the_output) {
    struct rig rig;
    struct slice bytes = pattern();
    small_buffers(&rig);
    write_bytes(&rig, bytes);
    OPERATE(&rig, stream_finish(rig.stream, CLOSE_DONE));
    for (int i = 0; i < 20; i++) {
        turn(&rig);
    }
    CHECK_INT(rig.closes, 0);
    exchange_until(&rig, bytes.len + 1);
    CHECK(slice_equal(slice_of(rig.got, rig.got_len), bytes));
    CHECK_INT(rig.end, SOCKETS_EOF);
    turn_until_closed(&rig);
    CHECK_INT(rig.why, CLOSE_DONE);
    rig_end(&rig);
}

TEST(a_close_drops_output_and_the_reason_says_how) {
    const enum close_why reasons[] = {CLOSE_REFUSED, CLOSE_DONE, CLOSE_CUT, CLOSE_WRITE_TIMEOUT,
                                      CLOSE_NOMEM};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        struct rig rig;
        rig_begin(&rig);
        write_bytes(&rig, SLICE("dropped"));
        OPERATE(&rig, stream_close(rig.stream, reasons[i]));
        OPERATE(&rig, stream_close(rig.stream, CLOSE_SYSTEM)); /* the first reason stays */
        turn_until_closed(&rig);
        CHECK_INT(rig.why, reasons[i]);
        exchange_until(&rig, 100);
        CHECK_INT(rig.got_len, 0);
        CHECK_INT(rig.end, close_why_resets(reasons[i]) ? SOCKETS_RESET : SOCKETS_EOF);
        loop_sweep(&rig.loop);
        CHECK_INT(rig.released, 1);
        rig_end(&rig);
    }
}

TEST(after_a_close_nothing_comes_but_closed) {
    struct rig rig;
    rig_begin(&rig);
    OPERATE(&rig, stream_read_start(rig.stream));
    far_write(&rig, SLICE("unread"));
    shutdown(rig.far, SHUT_WR);
    OPERATE(&rig, stream_want_drained(rig.stream));
    OPERATE(&rig, stream_close(rig.stream, CLOSE_DONE));
    /* what a user may still call before it has been told */
    write_bytes(&rig, SLICE("dropped"));
    OPERATE(&rig, stream_want_drained(rig.stream));
    OPERATE(&rig, stream_read_stop(rig.stream));
    OPERATE(&rig, stream_read_start(rig.stream));
    OPERATE(&rig, stream_shutdown(rig.stream));
    OPERATE(&rig, stream_finish(rig.stream, CLOSE_DONE));
    CHECK_INT(rig.closes, 0);
    turn(&rig);
    turn(&rig);
    CHECK_INT(rig.closes, 1);
    CHECK_INT(rig.read_len, 0);
    CHECK_INT(rig.eofs, 0);
    CHECK_INT(rig.drains, 0);
    loop_sweep(&rig.loop);
    CHECK_INT(rig.released, 1);
    rig_end(&rig);
}

/* Between a failed write and `closed` the user goes on in a second round of the same turn. */
static struct {
    struct runnable runnable;
    struct rig *rig;
    int runs;
} late;

static void run_late(struct runnable *runnable) {
    struct rig *rig = late.rig;
    if (late.runs++ == 0) {
        write_bytes(rig, SLICE("fails"));
        loop_queue(&rig->loop, runnable);
        usleep(300); /* the slice of running is over: what is ready is written now */
        return;
    }
    CHECK_INT(rig->stream->why, CLOSE_PEER_RESET);
    OPERATE(rig, stream_read_start(rig->stream));
    OPERATE(rig, stream_want_drained(rig->stream));
    OPERATE(rig, stream_finish(rig->stream, CLOSE_DONE));
}

TEST(a_user_that_goes_on_after_a_failed_write) {
    struct rig rig;
    rig_begin(&rig);
    late.rig = &rig;
    late.runs = 0;
    runnable_init(&late.runnable, run_late);
    faults[FAULT_SENDMSG] = (struct fault){.from = 1, .to = 1, .error = EPIPE};
    loop_queue(&rig.loop, &late.runnable);
    turn(&rig);
    CHECK_INT(late.runs, 2);
    turn_until_closed(&rig);
    CHECK_INT(rig.why, CLOSE_PEER_RESET);
    CHECK_INT(rig.drains, 0);
    rig_end(&rig);
}

TEST(closing_from_inside_an_event) {
    struct rig rig;
    rig_begin(&rig);
    rig.close_in_read = true;
    OPERATE(&rig, stream_read_start(rig.stream));
    far_write(&rig, SLICE("x"));
    shutdown(rig.far, SHUT_WR);
    turn_until_closed(&rig);
    CHECK_INT(rig.why, CLOSE_REFUSED);
    CHECK_INT(rig.eofs, 0);
    rig_end(&rig);
}

TEST(a_stream_that_cannot_be_made_takes_the_descriptor_all_the_same) {
    struct loop loop;
    struct transport_uv uv;
    faults_clear();
    CHECK_INT(loop_init(&loop, (struct loop_hooks){on_enter, on_enter, NULL}), 0);
    transport_uv_init(&uv, 0);
    int fd = file_of(SLICE("not a socket")); /* epoll refuses regular files */
    CHECK(transport_open(&uv.transport, &loop, fd, &events, NULL) == NULL);
    CHECK_INT(fcntl(fd, F_GETFD), -1);
    CHECK_INT(transport_live(&uv.transport), 0);
    fd = file_of(SLICE(""));
    faults[FAULT_ALLOC] = (struct fault){.from = 1, .to = 1};
    CHECK(transport_open(&uv.transport, &loop, fd, &events, NULL) == NULL);
    CHECK_INT(faults[FAULT_ALLOC].calls, 1);
    CHECK_INT(fcntl(fd, F_GETFD), -1);
    faults_clear();
    loop_release(&loop);
    transport_uv_release(&uv);
}
