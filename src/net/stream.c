/* The part of a stream that every transport shares: its output queue. See stream.h. */
#include "net/stream.h"

#include "base/banned.h"

void stream_write(struct stream *stream, struct chain *chain) {
    if (stream->why != CLOSE_NONE || stream->shut) {
        chain_drop(chain, &stream->loop->pieces, &stream->loop->trash);
        return;
    }
    if (chain_empty(&stream->out)) {
        stream->progress = loop_now(stream->loop);
    }
    chain_splice(&stream->out, chain);
    loop_flush_later(stream->loop, &stream->flushable);
}

/* Leaves it to the write beat; nothing may reach the transport of a closed stream. */
static void flush_later(struct stream *stream) {
    if (stream->why == CLOSE_NONE) {
        loop_flush_later(stream->loop, &stream->flushable);
    }
}

void stream_want_drained(struct stream *stream) {
    stream->want_drained = true;
    flush_later(stream);
}

void stream_shutdown(struct stream *stream) {
    stream->shut = true;
    flush_later(stream);
}

void stream_finish(struct stream *stream, enum close_why why) {
    stream->finish = (uint8_t)why;
    stream_shutdown(stream);
}

void stream_close(struct stream *stream, enum close_why why) {
    if (stream->why != CLOSE_NONE) {
        return;
    }
    stream->why = why;
    stream->want_drained = false;
    list_remove(&stream->flushable.link);
    stream->ops->close(stream);
    chain_drop(&stream->out, &stream->loop->pieces, &stream->loop->trash);
}
