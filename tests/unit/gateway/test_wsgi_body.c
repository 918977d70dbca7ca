/* Bodies while they are gathered: in memory, in a file, across the bound between them. */
#include "gateway/wsgi_body.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "faults.h"
#include "must.h"
#include "test.h"

#include "base/banned.h"

enum { PIECES = 300, PIECE = 1000 };

static char directory[] = "/tmp/freastal-test-XXXXXX";

__attribute__((constructor)) static void make_directory(void) {
    MUST(mkdtemp(directory) != NULL);
}

__attribute__((destructor)) static void remove_directory(void) {
    rmdir(directory);
}

static unsigned names_in_directory(void) {
    unsigned names = 0;
    DIR *dir = opendir(directory);
    MUST(dir != NULL);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        names += entry->d_name[0] != '.';
    }
    closedir(dir);
    return names;
}

static uint8_t pattern(uint64_t at) {
    return (uint8_t)(at * 31 + at / 251);
}

static int append(struct wsgi_body *body, size_t len, uint64_t expected) {
    uint8_t *bytes = malloc(len > 0 ? len : 1);
    MUST(bytes != NULL);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = pattern(body->len + i);
    }
    int err = wsgi_body_append(body, slice_of(bytes, len), expected, directory);
    free(bytes);
    return err;
}

/* Does the body hold `len` bytes of the pattern, wherever it lies? */
static bool holds(const struct wsgi_body *body, uint64_t len) {
    bool good = body->len == len;
    for (uint64_t at = 0; at < len && good; at++) {
        uint8_t byte = 0;
        if (body->fd >= 0) {
            good = pread(body->fd, &byte, 1, (off_t)at) == 1;
        } else {
            byte = body->memory[at];
        }
        good = good && byte == pattern(at);
    }
    return good;
}

TEST(an_empty_body_needs_nothing) {
    struct wsgi_body body;
    wsgi_body_init(&body);
    CHECK_INT(append(&body, 0, 0), 0);
    CHECK_INT(body.len, 0);
    CHECK_INT(body.fd, -1);
    wsgi_body_release(&body);
}

TEST(short_bodies_stay_in_memory) {
    for (size_t len = 1; len <= WSGI_BODY_MEMORY; len = len * 3 + 1) {
        for (int known = 0; known < 2; known++) {
            struct wsgi_body body;
            wsgi_body_init(&body);
            while (body.len < len) {
                size_t piece = len - body.len < PIECE ? len - (size_t)body.len : PIECE;
                CHECK_INT(append(&body, piece, known ? len : 0), 0);
            }
            CHECK_INT(body.fd, -1);
            CHECK(holds(&body, len));
            wsgi_body_release(&body);
        }
    }
}

TEST(the_bound_between_memory_and_file) {
    for (size_t over = 0; over < 2; over++) {
        struct wsgi_body body;
        wsgi_body_init(&body);
        CHECK_INT(append(&body, WSGI_BODY_MEMORY - 1, 0), 0);
        CHECK_INT(append(&body, 1 + over, 0), 0);
        CHECK((body.fd >= 0) == (over > 0));
        CHECK((body.memory == NULL) == (over > 0));
        CHECK(holds(&body, WSGI_BODY_MEMORY + over));
        wsgi_body_release(&body);
        CHECK_INT(body.fd, -1);
    }
}

TEST(one_piece_larger_than_memory) {
    struct wsgi_body body;
    wsgi_body_init(&body);
    CHECK_INT(append(&body, WSGI_BODY_MEMORY * 2, WSGI_BODY_MEMORY * 2), 0);
    CHECK(body.fd >= 0);
    CHECK(holds(&body, WSGI_BODY_MEMORY * 2));
    wsgi_body_release(&body);
}

TEST(the_file_has_no_name_and_is_ours_alone) {
    struct wsgi_body body;
    struct stat status;
    wsgi_body_init(&body);
    for (int i = 0; i < PIECES; i++) {
        CHECK_INT(append(&body, PIECE, 0), 0);
        CHECK_INT(names_in_directory(), 0);
    }
    CHECK(holds(&body, PIECES * PIECE));
    if (CHECK_INT(fstat(body.fd, &status), 0)) {
        CHECK_INT(status.st_nlink, 0);
        CHECK_INT(status.st_mode & 0777, 0600);
        CHECK_INT(status.st_size, PIECES * PIECE);
    }
    wsgi_body_release(&body);
}

TEST(a_directory_that_is_not_there) {
    struct wsgi_body body;
    static uint8_t bytes[WSGI_BODY_MEMORY + 1];
    wsgi_body_init(&body);
    int err = wsgi_body_append(&body, slice_of(bytes, sizeof(bytes)), 0, "/nowhere/at/all");
    CHECK_INT(err, ERR_SYSTEM);
    CHECK_INT(errno, ENOENT);
    wsgi_body_release(&body);
}

TEST(a_directory_whose_name_is_too_long) {
    struct wsgi_body body;
    static uint8_t bytes[WSGI_BODY_MEMORY + 1];
    static char name[8192];
    memset(name, 'x', sizeof(name) - 1);
    wsgi_body_init(&body);
    CHECK_INT(wsgi_body_append(&body, slice_of(bytes, sizeof(bytes)), 0, name), ERR_SYSTEM);
    CHECK_INT(errno, ENAMETOOLONG);
    wsgi_body_release(&body);
}

TEST(each_allocation_that_fails_is_told_and_loses_nothing) {
    for (uint64_t at = 1; at < 6; at++) {
        struct wsgi_body body;
        uint64_t failed = 0;
        wsgi_body_init(&body);
        for (int i = 0; i < 60; i++) {
            static uint8_t bytes[PIECE];
            for (size_t k = 0; k < PIECE; k++) {
                bytes[k] = pattern(body.len + k);
            }
            uint64_t before = body.len;
            if (i == 0) {
                faults_clear();
                faults[FAULT_ALLOC] = (struct fault){.from = at, .to = at, .error = ENOMEM};
            }
            int err = wsgi_body_append(&body, slice_of(bytes, PIECE), 0, directory);
            CHECK(err == 0 || err == ERR_NOMEM);
            CHECK_INT(body.len, before + (err == 0 ? PIECE : 0));
            failed += err != 0;
        }
        faults_clear();
        CHECK_INT(failed, 1);
        CHECK(holds(&body, (60 - failed) * PIECE));
        wsgi_body_release(&body);
    }
}
