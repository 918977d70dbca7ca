/* The way out: messages to frames. See websocket_impl.h. */
#include "base/err.h"
#include "base/size.h"
#include "http/websocket_impl.h"

#include "base/banned.h"

/* Shorter messages are not compressed: the headers around them weigh more than is saved. */
enum { COMPRESS_FROM = 64 };

/* A compressed message is made in pieces of this many bytes, so that it holds no more memory than
 * it has bytes; one that is shorter has room for what compression may add. */
enum { COMPRESS_PIECE = 16 * 1024, COMPRESS_SLACK = 64 };

/* Longer messages that are not compressed go by reference: below, a copy of this many bytes costs
 * less than a second piece. */
enum { COPY_TO = 896 };

bool websocket_congested(const struct websocket *self) {
    return !self->gone && tunnel_unsent(&self->tunnel) > WEBSOCKET_HIGH_WATER;
}

static void put_out(struct websocket *self, struct piece *piece) {
    struct chain chain = {0};
    chain_append(&chain, piece);
    tunnel_write(&self->tunnel, &chain);
}

/* One frame, copied. 0 or ERR_NOMEM. */
static int send_copy(struct websocket *self, enum ws_opcode opcode, struct slice payload) {
    uint8_t head[WS_FRAME_HEAD_MAX];
    size_t head_len = ws_frame_head(head, opcode, true, false, payload.len);
    size_t size;
    struct piece *piece =
        size_add(head_len, payload.len, &size) ? piece_own(&self->tunnel.loop->pieces, size) : NULL;
    if (!piece) {
        return ERR_NOMEM;
    }
    memcpy(piece_room(piece), head, head_len);
    if (payload.len > 0) {
        memcpy(piece_room(piece) + head_len, payload.at, payload.len);
    }
    piece->len = size;
    put_out(self, piece);
    return 0;
}

int websocket_send_control(struct websocket *self, enum ws_opcode opcode, struct slice payload) {
    return send_copy(self, opcode, payload);
}

static enum ws_opcode opcode_of(enum websocket_kind kind) {
    return kind == WEBSOCKET_TEXT ? WS_TEXT : WS_BINARY;
}

/* One more piece of a compressed message; its first bytes are room for a frame head. False where
 * memory is short. */
static bool add_compressed(struct websocket *self, struct slice *message, struct chain *chain,
                           size_t room, size_t *made) {
    struct piece *piece = piece_own(&self->tunnel.loop->pieces, WS_FRAME_HEAD_MAX + room);
    if (!piece) {
        return false;
    }
    uint8_t *out = piece_room(piece) + WS_FRAME_HEAD_MAX;
    int err = ws_deflate(self->deflate, message, out, room, made);
    piece->at = out;
    piece->len = *made;
    chain_append(chain, piece);
    return !err;
}

/* One frame, compressed: the head is written when its length is known. 0 or ERR_NOMEM. */
static int send_compressed(struct websocket *self, enum websocket_kind kind, struct slice message) {
    struct loop *loop = self->tunnel.loop;
    struct chain chain = {0};
    uint8_t head[WS_FRAME_HEAD_MAX];
    size_t room = message.len < COMPRESS_PIECE ? message.len + COMPRESS_SLACK : COMPRESS_PIECE;
    size_t made;
    do {
        if (!add_compressed(self, &message, &chain, room, &made)) {
            chain_drop(&chain, &loop->pieces, &loop->trash);
            return ERR_NOMEM;
        }
    } while (message.len > 0 || made == room);
    ws_deflate_end(self->deflate);
    size_t len = chain.bytes - WS_DEFLATE_TAIL.len;
    size_t head_len = ws_frame_head(head, opcode_of(kind), true, true, len);
    chain_cut(&chain, len, &loop->pieces, &loop->trash);
    chain.first->at -= head_len;
    chain.first->len += head_len;
    chain.bytes += head_len;
    memcpy(piece_room(chain.first) + WS_FRAME_HEAD_MAX - head_len, head, head_len);
    tunnel_write(&self->tunnel, &chain);
    return 0;
}

/* Memory is short for a message: none may be left out of the middle. */
static int give_up(struct websocket *self) {
    websocket_fail(self, ERR_NOMEM);
    return ERR_NOMEM;
}

/* May messages still be sent? */
static bool may_send(const struct websocket *self) {
    return self->out == WS_SIDE_OPEN;
}

int websocket_send(struct websocket *self, enum websocket_kind kind, struct slice message) {
    if (!may_send(self)) {
        return ERR_GONE;
    }
    bool compress = self->deflate && message.len >= COMPRESS_FROM;
    int err =
        compress ? send_compressed(self, kind, message) : send_copy(self, opcode_of(kind), message);
    if (err) {
        return give_up(self);
    }
    figures_add(loop_figures(self->tunnel.loop)->messages_out, 1);
    return 0;
}

bool websocket_takes_piece(const struct websocket *self, size_t len) {
    return !self->deflate && len > COPY_TO;
}

int websocket_send_piece(struct websocket *self, enum websocket_kind kind, struct piece *piece) {
    struct loop *loop = self->tunnel.loop;
    struct chain chain = {0};
    struct piece *head = may_send(self) ? piece_own(&loop->pieces, WS_FRAME_HEAD_MAX) : NULL;
    if (!head) {
        chain_append(&chain, piece);
        chain_drop(&chain, &loop->pieces, &loop->trash);
        return may_send(self) ? give_up(self) : ERR_GONE;
    }
    head->len = ws_frame_head(piece_room(head), opcode_of(kind), true, false, piece->len);
    chain_append(&chain, head);
    chain_append(&chain, piece);
    tunnel_write(&self->tunnel, &chain);
    figures_add(loop_figures(loop)->messages_out, 1);
    return 0;
}
