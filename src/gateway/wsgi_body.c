/* Gathering a body; see wsgi_body.h. */
#include "gateway/wsgi_body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

#include "base/banned.h"

enum { PATH_ROOM = 4096, FIRST_ROOM = 1024 };

void wsgi_body_release(struct wsgi_body *body) {
    free(body->memory);
    if (body->fd >= 0) {
        close(body->fd);
    }
    wsgi_body_init(body);
}

/* A file that only its descriptor leads to; mode 0600, under a name nobody can foretell for the
 * moment that it has one. -1 with errno. */
static int open_nameless(const char *directory) {
    char path[PATH_ROOM];
    int len = snprintf(path, sizeof(path), "%s/freastal-XXXXXX", directory);
    if (len < 0 || (size_t)len >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        unlink(path);
    }
    return fd;
}

static int write_all(int fd, const uint8_t *at, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno != EINTR) {
            return ERR_SYSTEM;
        }
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int move_to_file(struct wsgi_body *body, const char *directory) {
    body->fd = open_nameless(directory);
    if (body->fd < 0 || write_all(body->fd, body->memory, (size_t)body->len)) {
        return ERR_SYSTEM;
    }
    free(body->memory);
    body->memory = NULL;
    return 0;
}

/* Room for `need` bytes, at most WSGI_BODY_MEMORY. */
static int reserve(struct wsgi_body *body, size_t need, uint64_t expected) {
    size_t room = body->room > 0 ? body->room : FIRST_ROOM;
    if (need <= body->room) {
        return 0;
    }
    while (room < need) {
        room *= 2;
    }
    if (expected >= need && expected <= WSGI_BODY_MEMORY) {
        room = (size_t)expected;
    }
    uint8_t *memory = realloc(body->memory, room);
    if (!memory) {
        return ERR_NOMEM;
    }
    body->memory = memory;
    body->room = room;
    return 0;
}

int wsgi_body_append(struct wsgi_body *body, struct slice bytes, uint64_t expected,
                     const char *directory) {
    int err = 0;
    if (bytes.len == 0) {
        return 0;
    }
    if (body->fd < 0 && bytes.len <= WSGI_BODY_MEMORY - body->len) {
        err = reserve(body, (size_t)body->len + bytes.len, expected);
        if (!err) {
            memcpy(body->memory + body->len, bytes.at, bytes.len);
            body->len += bytes.len;
        }
        return err;
    }
    if (body->fd < 0) {
        err = move_to_file(body, directory);
    }
    if (!err) {
        err = write_all(body->fd, bytes.at, bytes.len);
    }
    if (!err) {
        body->len += bytes.len;
    }
    return err;
}
