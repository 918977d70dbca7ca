/* Private to http/websocket*: the struct of a WebSocket. websocket.c holds its life and its
 * closing, websocket_in.c makes messages of frames, websocket_out.c frames of messages. */
#ifndef HTTP_WEBSOCKET_IMPL_H
#define HTTP_WEBSOCKET_IMPL_H

#include "base/slab.h"
#include "http/websocket.h"
#include "http/ws_deflate.h"
#include "wire/utf8.h"
#include "wire/ws_frame.h"

/* Pongs that wait to be written: more of a peer's pings are not read meanwhile. */
enum { WEBSOCKET_PONGS = 64 };

/* A frame head or the payload of a control frame, as far as it has come. */
enum { WEBSOCKET_SCRATCH = 128 };

struct websocket_pool {
    const struct websocket_config *config;
    struct slab slab;
    struct slab inputs; /* of struct ws_input */
};

/* A message, whole or in the making. */
struct ws_message {
    struct ws_message *next;
    enum websocket_kind kind;
    bool compressed;
    struct utf8 utf8;
    size_t len;
    size_t room;
    uint8_t bytes[];
};

/* What has come and is not with the user yet: there only while there is such a thing, so that an
 * idle WebSocket stays small. */
struct ws_input {
    struct buf *held;            /* bytes that wait for room in the queue; or NULL */
    struct ws_message *building; /* or NULL */
    struct ws_message *first;    /* those that wait for the user */
    struct ws_message *last;
    size_t queued; /* bytes that they hold */
    uint32_t count;
    bool in_frame; /* a frame's payload is being read */
    uint8_t scratch_len;
    uint64_t left; /* of the frame's payload */
    struct ws_frame frame;
    uint8_t scratch[WEBSOCKET_SCRATCH];
};

enum ws_side { WS_SIDE_OPEN, WS_SIDE_CLOSED };

struct websocket {
    struct tunnel tunnel;
    struct websocket_pool *pool;
    const struct websocket_events *events; /* NULL once released */
    void *user;
    union {
        struct runnable runnable;
        struct grave grave; /* once it is over */
    };
    struct loop_timer timer; /* the next ping, its pong, or the peer's Close */
    /* state */
    uint8_t in;  /* enum ws_side */
    uint8_t out; /* enum ws_side */
    bool gone;   /* the tunnel is closed */
    bool want_message;
    bool want_drained;
    bool drained;               /* … and it has */
    bool ponging;               /* a ping of ours waits for its pong */
    bool heard;                 /* something came since, or may have come and waits to be read */
    uint8_t pongs;              /* of ours, since output has drained */
    uint16_t code;              /* of `closed`, once a side is closed */
    struct ws_input *input;     /* or NULL */
    struct ws_message *reason;  /* of `closed`; or NULL: empty */
    struct ws_deflate *deflate; /* NULL: not agreed upon */
};

/* websocket.c: the peer's side is closed, for the first reason. [borrows reason for the call] */
void websocket_shut_in(struct websocket *self, uint16_t code, struct slice reason);

/* websocket.c: a rule is broken: Close is sent, and both sides are closed. */
void websocket_fail(struct websocket *self, int err);

/* websocket.c: a Close frame came. */
void websocket_on_close(struct websocket *self, uint16_t code, struct slice reason);

/* websocket.c: a Pong came. */
void websocket_on_pong(struct websocket *self);

/* Does a message wait for the user? */
static inline bool websocket_waits(const struct websocket *self) {
    return self->input && self->input->first;
}

/* websocket_in.c: is there room for what the peer sends? */
bool websocket_reads(const struct websocket *self);

/* websocket_in.c: uses up the bytes that are held and reads on, as far as there is room. */
void websocket_advance(struct websocket *self);

/* websocket_in.c: new bytes. [takes buf] */
void websocket_feed(struct websocket *self, struct buf *buf);

/* websocket_in.c: [gives] the first message that waits, or NULL. */
struct ws_message *websocket_take(struct websocket *self);

/* websocket_in.c: drops what is no message yet. */
void websocket_drop_unread(struct websocket *self);

/* websocket_in.c: drops all that came. */
void websocket_drop_in(struct websocket *self);

/* websocket_out.c: a control frame. [borrows payload for the call] 0 or ERR_NOMEM. */
int websocket_send_control(struct websocket *self, enum ws_opcode opcode, struct slice payload);

#endif
