/* Tests of net/line_writer.h with real descriptors: what is taken is written once, in order, and
 * nobody waits. */
#include "net/line_writer.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "faults.h"
#include "test.h"

#include "base/banned.h"

enum { PATIENCE_MS = 20000, PIPE_BYTES = 64 * 1024 };

static size_t put(struct line_writer *writer, const char *lines) {
    return line_writer_put(writer, slice_of(lines, strlen(lines)));
}

/* What a file has. */
static struct slice content_of(int fd) {
    static char text[4 * LINE_WRITER_BYTES];
    ssize_t len = pread(fd, text, sizeof(text), 0);
    return slice_of(text, len > 0 ? (size_t)len : 0);
}

TEST(lines_in_order) {
    struct line_writer writer;
    int fd = memfd_create("log", MFD_CLOEXEC);
    CHECK_INT(line_writer_init(&writer, fd, SLICE("")), 0);
    CHECK_INT(put(&writer, "one\ntwo\n"), 0);
    line_writer_settle(&writer, PATIENCE_MS);
    CHECK_TEXT(content_of(fd), "one\ntwo\n");
    CHECK_INT(put(&writer, "three\n"), 0);
    CHECK_INT(line_writer_release(&writer, PATIENCE_MS), 0);
    CHECK_TEXT(content_of(fd), "one\ntwo\nthree\n");
    close(fd);
}

/* Reads `len` bytes of numbered lines, and checks that they count up from `*next`. */
static void read_numbers(int fd, size_t len, unsigned *next) {
    char line[16];
    size_t at = 0;
    while (len-- > 0) {
        if (!CHECK_INT(read(fd, line + at, 1), 1)) {
            return;
        }
        if (line[at++] == '\n') {
            line[at - 1] = '\0';
            CHECK_INT(strtoul(line, NULL, 10), (*next)++);
            at = 0;
        }
    }
}

TEST(a_slow_reader_loses_lines_and_holds_nobody_up) {
    struct line_writer writer;
    int ends[2];
    unsigned next = 1000000;
    unsigned taken = 0;
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    CHECK_INT(line_writer_init(&writer, ends[1], SLICE("")), 0);
    for (unsigned i = 0; i < 100000; i++) { /* eight bytes each: more than pipe and buffers hold */
        char line[16];
        int len = snprintf(line, sizeof(line), "%u\n", next + taken);
        taken += line_writer_put(&writer, slice_of(line, (size_t)len)) == 0;
    }
    CHECK(taken < 100000);
    CHECK(taken * 8 >= LINE_WRITER_BYTES);
    for (unsigned i = 0; i < taken; i++) {
        read_numbers(ends[0], 8, &next);
    }
    CHECK_INT(next, 1000000 + taken);
    CHECK_INT(put(&writer, "1\n"), 0);
    CHECK_INT(line_writer_release(&writer, PATIENCE_MS), 0);
    close(ends[0]);
    close(ends[1]);
}

TEST(a_reader_that_does_not_read_at_all_is_not_waited_for) {
    struct line_writer writer;
    int ends[2];
    static char line[PIPE_BUF];
    unsigned taken = 0;
    memset(line, 'a', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    CHECK_INT(line_writer_init(&writer, ends[1], SLICE("")), 0);
    for (int i = 0; i < 100; i++) {
        taken += line_writer_put(&writer, slice_of(line, sizeof(line))) == 0;
    }
    uint64_t lost = line_writer_release(&writer, 50);
    CHECK(lost >= 1 && lost <= taken);
    CHECK_INT(taken - lost, PIPE_BYTES / PIPE_BUF);
    close(ends[0]);
    close(ends[1]);
}

TEST(a_descriptor_that_is_non_blocking_for_somebody_else) {
    struct line_writer writer;
    int ends[2];
    unsigned next = 1000000;
    CHECK_INT(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_INT(fcntl(ends[0], F_SETFL, 0), 0);
    CHECK_INT(line_writer_init(&writer, ends[1], SLICE("")), 0);
    unsigned count = 0;
    for (; count < (PIPE_BYTES + LINE_WRITER_BYTES / 2) / 8; count++) {
        char line[16];
        int len = snprintf(line, sizeof(line), "%u\n", next + count);
        CHECK_INT(line_writer_put(&writer, slice_of(line, (size_t)len)), 0);
    }
    for (unsigned i = 0; i < count; i++) {
        read_numbers(ends[0], 8, &next);
    }
    CHECK_INT(line_writer_release(&writer, PATIENCE_MS), 0);
    close(ends[0]);
    close(ends[1]);
}

TEST(a_full_disk) {
    struct line_writer writer;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK_INT(line_writer_init(&writer, fd, SLICE("")), 0);
    CHECK_INT(put(&writer, "one\ntwo\n"), 0);
    line_writer_settle(&writer, PATIENCE_MS); /* does not wait for what fails */
    int room = memfd_create("log", MFD_CLOEXEC);
    CHECK_INT(dup2(room, fd), fd); /* another file in its place: nothing is lost */
    line_writer_settle(&writer, PATIENCE_MS);
    CHECK_INT(put(&writer, "three\n"), 0);
    CHECK_INT(line_writer_release(&writer, PATIENCE_MS), 0);
    CHECK_TEXT(content_of(room), "one\ntwo\nthree\n");
    close(room);
    close(fd);
}

TEST(what_could_not_be_written_is_counted) {
    struct line_writer writer;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK_INT(line_writer_init(&writer, fd, SLICE("")), 0);
    CHECK_INT(put(&writer, "one\ntwo\n"), 0);
    line_writer_settle(&writer, PATIENCE_MS);
    CHECK_INT(put(&writer, "three\n"), 0);
    CHECK_INT(line_writer_release(&writer, PATIENCE_MS), 3);
    close(fd);
}

TEST(only_whole_lines_are_taken) {
    struct line_writer writer;
    int ends[2];
    static char lines[3 * LINE_WRITER_BYTES];
    memset(lines, 'a', sizeof(lines));
    for (size_t i = 999; i < sizeof(lines); i += 1000) {
        lines[i] = '\n';
    }
    lines[sizeof(lines) - 1] = '\n';
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    CHECK_INT(line_writer_init(&writer, ends[1], SLICE("")), 0);
    size_t refused = line_writer_put(&writer, slice_of(lines, sizeof(lines)));
    size_t all = (sizeof(lines) + 999) / 1000;
    CHECK_INT(all - refused, LINE_WRITER_BYTES / 1000);
    CHECK(line_writer_release(&writer, 20) <= all - refused);
    close(ends[0]);
    close(ends[1]);
}

/* --- datagrams --- */

static int listen_at(struct sockaddr_un *address, const char *name) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "freastal-%s-%d", name,
             (int)getpid());
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

static int connected_to(const struct sockaddr_un *address) {
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

static void check_datagram(int fd, const char *expected) {
    char text[256];
    ssize_t len = recv(fd, text, sizeof(text), 0);
    CHECK_SLICE(slice_of(text, len > 0 ? (size_t)len : 0), slice_of(expected, strlen(expected)));
}

TEST(a_datagram_a_line) {
    struct line_writer writer;
    struct sockaddr_un address;
    int syslog = listen_at(&address, "lines");
    int fd = connected_to(&address);
    CHECK_INT(line_writer_init(&writer, fd, SLICE("<14>me: ")), 0);
    CHECK_INT(put(&writer, "one\ntwo\n"), 0);
    check_datagram(syslog, "<14>me: one");
    check_datagram(syslog, "<14>me: two");
    CHECK_INT(line_writer_release(&writer, PATIENCE_MS), 0);
    close(fd);
    close(syslog);
}

TEST(one_that_comes_again_under_its_name) {
    struct line_writer writer;
    struct sockaddr_un address;
    int syslog = listen_at(&address, "again");
    int fd = connected_to(&address);
    CHECK_INT(line_writer_init(&writer, fd, SLICE("")), 0);
    close(syslog);
    CHECK_INT(put(&writer, "one\n"), 0);
    line_writer_settle(&writer, PATIENCE_MS);
    syslog = listen_at(&address, "again");
    CHECK_INT(put(&writer, "two\n"), 0);
    check_datagram(syslog, "one");
    check_datagram(syslog, "two");
    CHECK_INT(line_writer_release(&writer, PATIENCE_MS), 0);
    close(fd);
    close(syslog);
}

TEST(without_memory) {
    for (uint64_t failing = 1; failing <= 2; failing++) {
        struct line_writer writer;
        faults_clear();
        faults[FAULT_ALLOC] = (struct fault){.from = failing, .to = failing, .error = 1};
        CHECK_INT(line_writer_init(&writer, STDOUT_FILENO, SLICE("")), ERR_NOMEM);
        faults_clear();
    }
}
