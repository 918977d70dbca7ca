/* libFuzzer target of the chunk decoder. For any input: cut into whatever pieces, it gives the
 * same data, the same end and the same error; it uses and shows nothing outside the input. Seeds:
 * tests/corpus, of which what stands before the body is skipped. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "wire/chunk.h"

struct answer {
    int err;
    bool done;
    size_t used;
    size_t data_len;
    uint8_t *data; /* of `len` bytes of room */
};

static void require(bool good, const char *what) {
    if (!good) {
        fprintf(stderr, "not so: %s\n", what);
        abort();
    }
}

/* Decodes one piece, in memory of its own; false where there is nothing more to do. */
static bool decode_piece(struct chunk_decoder *decoder, struct answer *answer, const uint8_t *bytes,
                         size_t len) {
    uint8_t *piece = malloc(len);
    require(piece != NULL, "memory");
    memcpy(piece, bytes, len);
    for (size_t given = 0; given < len && !decoder->done && answer->err == 0;) {
        struct slice data;
        ssize_t used = chunk_decode(decoder, piece + given, len - given, &data);
        if (used < 0) {
            require(err_status((int)used) >= 400, "an error has a status");
            answer->err = (int)used;
            break;
        }
        require(used > 0 && (size_t)used <= len - given, "uses some of the input");
        require(data.len == 0 || (data.at >= piece + given &&
                                  data.at + data.len <= piece + given + (size_t)used),
                "shows what it used");
        memcpy(answer->data + answer->data_len, data.at, data.len);
        answer->data_len += data.len;
        answer->used += (size_t)used;
        given += (size_t)used;
    }
    free(piece);
    return !decoder->done && answer->err == 0;
}

/* In pieces of `step` bytes; 0: of changing length. */
static struct answer decode(const uint8_t *bytes, size_t len, size_t step) {
    struct answer answer = {.data = malloc(len + 1)};
    require(answer.data != NULL, "memory");
    struct chunk_decoder decoder;
    chunk_decoder_init(&decoder);
    uint32_t state = (uint32_t)len * 2654435761u + 1;
    size_t at = 0;
    bool more = true;
    while (more && at < len) {
        state = state * 1664525u + 1013904223u;
        size_t piece = step > 0 ? step : (state >> 24) % 40 + 1;
        piece = len - at < piece ? len - at : piece;
        more = decode_piece(&decoder, &answer, bytes + at, piece);
        at += piece;
    }
    answer.done = decoder.done;
    return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    const uint8_t *head_end = len > 4 ? memmem(bytes, len, "\r\n\r\n", 4) : NULL;
    if (head_end && memchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", bytes[0], 26) && len > 20) {
        len -= (size_t)(head_end + 4 - bytes);
        bytes = head_end + 4;
    }
    struct answer expected = decode(bytes, len, len > 0 ? len : 1);
    require(!expected.done || expected.err == 0, "done or in error");
    for (size_t step = 0; step < 2; step++) {
        struct answer answer = decode(bytes, len, step);
        require(answer.err == expected.err && answer.done == expected.done, "the same end");
        require(answer.err < 0 || answer.used == expected.used, "as many bytes used");
        require(answer.data_len == expected.data_len &&
                    memcmp(answer.data, expected.data, answer.data_len) == 0,
                "the same data");
        free(answer.data);
    }
    free(expected.data);
    return 0;
}
