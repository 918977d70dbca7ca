/* The way in: frames to messages. Read beat, and the run beat for what had to wait.
 * See websocket_impl.h. */
#include <stdlib.h>

#include "base/err.h"
#include "base/size.h"
#include "http/websocket_impl.h"
#include "wire/ws_mask.h"

#include "base/banned.h"

/* A message grows by at least this much, and by what it has; one that is announced as shorter
 * gets just its size. */
enum { GROW = 4096 };

/* Bytes that compression may add to the shortest message. */
enum { DEFLATE_SLACK = 64 };

static bool is_control(const struct ws_frame *frame) {
    return frame->opcode >= WS_CLOSE;
}

/* Gives the input back if there is nothing in it. */
static void trim(struct websocket *self) {
    const struct ws_input *input = self->input;
    if (input && !input->held && !input->building && !input->first && !input->in_frame &&
        input->scratch_len == 0) {
        slab_give(&self->pool->inputs, self->input);
        self->input = NULL;
    }
}

/* --- the queue --- */

static bool full(const struct websocket *self) {
    const struct ws_input *input = self->input;
    uint32_t limit = self->pool->config->max_queue;
    return input &&
           ((limit > 0 && input->count >= limit) || input->queued >= WEBSOCKET_QUEUE_BYTES);
}

bool websocket_reads(const struct websocket *self) {
    return self->in == WS_SIDE_OPEN && !full(self) && self->pongs < WEBSOCKET_PONGS;
}

/* What the queue's bound counts: empty messages take memory too. */
static size_t footprint(const struct ws_message *message) {
    return sizeof(*message) + message->room;
}

struct ws_message *websocket_take(struct websocket *self) {
    if (!websocket_waits(self)) {
        return NULL;
    }
    struct ws_input *input = self->input;
    struct ws_message *message = input->first;
    input->first = message->next;
    input->count--;
    input->queued -= footprint(message);
    trim(self);
    return message;
}

static void enqueue(struct websocket *self, struct ws_message *message) {
    figures_add(loop_figures(self->tunnel.loop)->messages_in, 1);
    if (!self->events) {
        free(message); /* nobody will ask for it */
        return;
    }
    struct ws_input *input = self->input;
    message->next = NULL;
    if (input->first) {
        input->last->next = message;
    } else {
        input->first = message;
    }
    input->last = message;
    input->count++;
    input->queued += footprint(message);
    if (self->want_message) {
        loop_queue(self->tunnel.loop, &self->runnable);
    }
}

void websocket_drop_unread(struct websocket *self) {
    struct ws_input *input = self->input;
    if (!input) {
        return;
    }
    free(input->building);
    input->building = NULL;
    buf_give(input->held);
    input->held = NULL;
    input->in_frame = false;
    input->scratch_len = 0;
    trim(self);
}

void websocket_drop_in(struct websocket *self) {
    struct ws_message *message;
    while ((message = websocket_take(self)) != NULL) {
        free(message);
    }
    websocket_drop_unread(self);
}

/* --- a message in the making --- */

/* Room for at least one more byte, for `wanted` of them where that is known, in a message that is
 * shorter than the limit. 0 or ERR_NOMEM. */
static int make_room(struct websocket *self, uint64_t wanted) {
    struct ws_message *message = self->input->building;
    uint64_t limit = self->pool->config->max_size;
    size_t len = message->len;
    size_t more = wanted < GROW + len ? (size_t)wanted : GROW + len;
    size_t room;
    size_t size;
    if (limit > 0 && more > limit - len) {
        more = (size_t)(limit - len);
    }
    if (!size_add(len, more, &room) || !size_add(room, sizeof(*message), &size)) {
        return ERR_NOMEM;
    }
    message = realloc(message, size);
    if (!message) {
        return ERR_NOMEM;
    }
    message->room = room;
    self->input->building = message;
    return 0;
}

/* Bytes from `from` on have been added. 0 or ERR_WS_UTF8. */
static int check_text(struct ws_message *message, size_t from) {
    if (message->kind == WEBSOCKET_TEXT &&
        !utf8_feed(&message->utf8, message->bytes + from, message->len - from)) {
        return ERR_WS_UTF8;
    }
    return 0;
}

/* A run of payload; `bytes` may be changed. 0 or a negative error. */
static int append_plain(struct websocket *self, const uint8_t *bytes, size_t len, size_t phase) {
    while (len > 0) {
        struct ws_message *message = self->input->building;
        if (message->len == message->room) {
            int err = make_room(self, self->input->left);
            if (err) {
                return err;
            }
            message = self->input->building;
        }
        size_t from = message->len;
        size_t step = message->room - from < len ? message->room - from : len;
        ws_unmask(message->bytes + from, bytes, step, self->input->frame.key, phase);
        message->len += step;
        int err = check_text(message, from);
        if (err) {
            return err;
        }
        bytes += step;
        len -= step;
        phase += step;
        self->input->left -= step;
    }
    return 0;
}

/* Inflates all of `in`. 0 or a negative error. */
static int inflate_all(struct websocket *self, struct slice in) {
    for (;;) {
        struct ws_message *message = self->input->building;
        uint8_t over; /* one byte beyond the limit tells that there is one */
        uint64_t limit = self->pool->config->max_size;
        bool at_limit = limit > 0 && message->len >= limit;
        size_t made;
        if (!at_limit && message->len == message->room) {
            int err = make_room(self, GROW + message->len);
            if (err) {
                return err;
            }
            message = self->input->building;
        }
        size_t from = message->len;
        size_t room = at_limit ? 1 : message->room - from;
        int err =
            ws_inflate(self->deflate, &in, at_limit ? &over : message->bytes + from, room, &made);
        if (err) {
            return err;
        }
        if (at_limit && made > 0) {
            return ERR_WS_TOO_BIG;
        }
        message->len += made;
        err = check_text(message, from);
        if (err || (in.len == 0 && made < room)) {
            return err;
        }
    }
}

static int append_compressed(struct websocket *self, uint8_t *bytes, size_t len, size_t phase) {
    ws_unmask(bytes, bytes, len, self->input->frame.key, phase);
    self->input->left -= len;
    return inflate_all(self, slice_of(bytes, len));
}

/* --- frames --- */

/* Is it certain from its head that a frame makes its message larger than may be? A compressed one
 * may have more bytes than what it holds (blocks that are only stored, RFC 1951 section 3.2.4);
 * that is counted as it is inflated. */
static bool too_big(const struct websocket *self) {
    const struct ws_message *building = self->input->building;
    const struct ws_frame *frame = &self->input->frame;
    uint64_t limit = self->pool->config->max_size;
    uint64_t len = frame->len;
    if (limit == 0) {
        return false;
    }
    if (building ? building->compressed : frame->compressed) {
        len -= len / 8;
        len -= len < DEFLATE_SLACK ? len : DEFLATE_SLACK;
    }
    return len > limit - (building ? building->len : 0);
}

/* A data frame begins. 0 or a negative error. */
static int begin_data(struct websocket *self) {
    const struct ws_frame *frame = &self->input->frame;
    if ((frame->opcode == WS_CONTINUATION) != (self->input->building != NULL)) {
        return ERR_WS_CONTINUATION;
    }
    if (too_big(self)) {
        return ERR_WS_TOO_BIG;
    }
    if (self->input->building) {
        return 0;
    }
    bool known = !frame->compressed && frame->len <= GROW;
    size_t room = known ? (size_t)frame->len : 0;
    struct ws_message *message = malloc(sizeof(*message) + room);
    if (!message) {
        return ERR_NOMEM;
    }
    *message = (struct ws_message){
        .kind = frame->opcode == WS_TEXT ? WEBSOCKET_TEXT : WEBSOCKET_BINARY,
        .compressed = frame->compressed,
        .room = room,
    };
    utf8_init(&message->utf8);
    self->input->building = message;
    return 0;
}

/* The message is whole. 0 or a negative error. */
static int end_message(struct websocket *self) {
    if (self->input->building->compressed) {
        int err = inflate_all(self, WS_DEFLATE_TAIL);
        if (err) {
            return err;
        }
        ws_inflate_end(self->deflate);
    }
    struct ws_message *message = self->input->building;
    if (message->kind == WEBSOCKET_TEXT && !utf8_done(&message->utf8)) {
        return ERR_WS_UTF8;
    }
    self->input->building = NULL;
    enqueue(self, message);
    return 0;
}

/* 0 or a negative error. */
static int end_control(struct websocket *self) {
    struct slice payload = slice_of(self->input->scratch, self->input->scratch_len);
    struct slice reason;
    uint16_t code;
    int err = 0;
    switch (self->input->frame.opcode) {
    case WS_PING:
        self->pongs++;
        err = self->out == WS_SIDE_OPEN ? websocket_send_control(self, WS_PONG, payload) : 0;
        break;
    case WS_PONG:
        websocket_on_pong(self);
        break;
    default:
        err = ws_close_parse(payload, &code, &reason);
        if (!err) {
            websocket_on_close(self, code, reason);
        }
        break;
    }
    self->input->scratch_len = 0;
    return err;
}

static int end_frame(struct websocket *self) {
    self->input->in_frame = false;
    if (is_control(&self->input->frame)) {
        return end_control(self);
    }
    return self->input->frame.fin ? end_message(self) : 0;
}

/* Takes a frame's head off `buf`. 0, also where it is not whole yet, or a negative error. */
static int take_head(struct websocket *self, struct buf *buf) {
    struct slice in = buf_slice(buf);
    ssize_t used = 0;
    if (self->input->scratch_len == 0) {
        used = ws_frame_parse(&self->input->frame, in.at, in.len, self->deflate != NULL);
        if (used > 0) {
            buf->start += (uint32_t)used;
        }
    }
    while (used == 0 && buf_len(buf) > 0) { /* byte by byte: a head has at most 14 */
        self->input->scratch[self->input->scratch_len++] = buf->bytes[buf->start++];
        used = ws_frame_parse(&self->input->frame, self->input->scratch, self->input->scratch_len,
                              self->deflate != NULL);
    }
    if (used <= 0) {
        return (int)used;
    }
    self->input->scratch_len = 0;
    self->input->in_frame = true;
    self->input->left = self->input->frame.len;
    int err = is_control(&self->input->frame) ? 0 : begin_data(self);
    return err || self->input->left > 0 ? err : end_frame(self);
}

/* Takes payload off `buf`. 0 or a negative error. */
static int take_payload(struct websocket *self, struct buf *buf) {
    size_t have = buf_len(buf);
    size_t step = have < self->input->left ? have : (size_t)self->input->left;
    uint8_t *bytes = buf->bytes + buf->start;
    size_t phase = (size_t)((self->input->frame.len - self->input->left) & 3);
    int err = 0;
    buf->start += (uint32_t)step;
    if (is_control(&self->input->frame)) {
        ws_unmask(self->input->scratch + self->input->scratch_len, bytes, step,
                  self->input->frame.key, phase);
        self->input->scratch_len = (uint8_t)(self->input->scratch_len + step);
        self->input->left -= step;
    } else if (self->input->building->compressed) {
        err = append_compressed(self, bytes, step, phase);
    } else {
        err = append_plain(self, bytes, step, phase);
    }
    return err || self->input->left > 0 ? err : end_frame(self);
}

static void update_reading(struct websocket *self) {
    bool held = self->input && self->input->held;
    if (websocket_reads(self) && !held) {
        tunnel_read_start(&self->tunnel);
        return;
    }
    tunnel_read_stop(&self->tunnel);
    if (self->pongs >= WEBSOCKET_PONGS) {
        tunnel_want_drained(&self->tunnel);
    }
}

/* Uses the bytes that are held, as far as there is room. */
static void use_held(struct websocket *self) {
    struct ws_input *input = self->input;
    struct buf *buf = input->held;
    while (buf_len(buf) > 0 && websocket_reads(self)) {
        int err = input->in_frame ? take_payload(self, buf) : take_head(self, buf);
        if (err) {
            websocket_fail(self, err);
        }
    }
    if (self->in != WS_SIDE_OPEN) {
        websocket_drop_unread(self);
    } else if (buf_len(buf) == 0) {
        buf_give(buf);
        input->held = NULL;
        trim(self);
    }
}

void websocket_advance(struct websocket *self) {
    self->heard = true;
    if (self->input && self->input->held) {
        use_held(self);
    }
    if (self->in == WS_SIDE_OPEN) {
        update_reading(self);
    }
}

void websocket_feed(struct websocket *self, struct buf *buf) {
    if (self->in == WS_SIDE_OPEN && !self->input) {
        self->input = slab_take(&self->pool->inputs);
        if (self->input) {
            *self->input = (struct ws_input){0};
        } else {
            websocket_fail(self, ERR_NOMEM);
        }
    }
    if (self->in != WS_SIDE_OPEN) {
        buf_give(buf);
        return;
    }
    self->input->held = buf;
    websocket_advance(self);
}
