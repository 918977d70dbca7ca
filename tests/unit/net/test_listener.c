/* Tests of net/listener.h with real sockets. */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include "faults.h"
#include "net/sockets.h"
#include "test.h"

#include "base/banned.h"

enum { MOST = 128, BATCH = 64, PASSES = 8 };

struct rig {
    struct loop loop;
    struct listener listener;
    struct sockaddr_in address;
    int fd;
    int taken[MOST];
    struct peer peers[MOST];
    int count;
    int rests;    /* how often it was told that it rests */
    int pause_at; /* pauses when so many have come; 0: never */
    bool closed;
};

static void on_enter(void *arg) {
    (void)arg;
}

static void on_accept(struct listener *listener, int fd, const struct peer *peer) {
    struct rig *rig = listener->user;
    if (CHECK(rig->count < MOST)) {
        rig->taken[rig->count] = fd;
        rig->peers[rig->count++] = *peer;
    }
    if (rig->count == rig->pause_at) {
        listener_pause(listener);
    }
}

static void after_close(struct listener *listener) {
    ((struct rig *)listener->user)->closed = true;
}

static void rig_begin(struct rig *rig) {
    faults_clear();
    *rig = (struct rig){0};
    CHECK_INT(loop_init(&rig->loop, (struct loop_hooks){on_enter, on_enter, NULL}), 0);
    rig->fd = sockets_listen(&rig->address);
    CHECK(rig->fd >= 0);
    CHECK_INT(listener_init(&rig->listener, &rig->loop, rig->fd, rig, on_accept), 0);
}

static void rig_close(struct rig *rig) {
    listener_close(&rig->listener, after_close);
    while (!rig->closed) {
        loop_turn(&rig->loop, true);
    }
}

static void rig_end(struct rig *rig) {
    if (!rig->listener.closed) {
        rig_close(rig);
    }
    /* the descriptor is the caller's still */
    CHECK_INT(close(rig->fd), 0);
    for (int i = 0; i < rig->count; i++) {
        close(rig->taken[i]);
    }
    loop_release(&rig->loop);
    faults_clear();
}

static void fire_timer(struct timer *timer) {
    struct loop_timer *own = LIST_OWNER(timer, struct loop_timer, timer);
    own->fire(own);
}

/* All timers that are due within `ms` fire now. */
static void pass_time(struct rig *rig, uint64_t ms) {
    wheel_advance(&rig->loop.wheel, loop_now(&rig->loop) + ms, fire_timer);
}

TEST(a_connection_is_given_ready_for_use) {
    struct rig rig;
    rig_begin(&rig);
    int client = sockets_connect(&rig.address);
    struct sockaddr_in own;
    socklen_t len = sizeof(own);
    CHECK_INT(getsockname(client, (struct sockaddr *)&own, &len), 0);
    loop_turn(&rig.loop, true);
    if (CHECK_INT(rig.count, 1)) {
        int on = 0;
        len = sizeof(on);
        CHECK(fcntl(rig.taken[0], F_GETFL) & O_NONBLOCK);
        CHECK(fcntl(rig.taken[0], F_GETFD) & FD_CLOEXEC);
        CHECK_INT(getsockopt(rig.taken[0], IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
        CHECK(on != 0);
        CHECK_INT(rig.peers[0].family, PEER_IPV4);
        CHECK_INT(rig.peers[0].port, ntohs(own.sin_port));
        CHECK_INT(rig.listener.local.port, ntohs(rig.address.sin_port));
    }
    CHECK_INT(rig.listener.accepted, 1);
    close(client);
    rig_end(&rig);
}

TEST(a_flood_is_taken_in_batches) {
    struct rig rig;
    int clients[BATCH + 10];
    rig_begin(&rig);
    for (int i = 0; i < BATCH + 10; i++) {
        clients[i] = sockets_connect(&rig.address);
    }
    loop_turn(&rig.loop, true);
    CHECK_INT(rig.count, BATCH);
    loop_turn(&rig.loop, true);
    CHECK_INT(rig.count, BATCH + 10);
    for (int i = 0; i < BATCH + 10; i++) {
        close(clients[i]);
    }
    rig_end(&rig);
}

TEST(who_shares_the_socket_takes_one_a_turn) {
    struct rig rig;
    int clients[2];
    rig_begin(&rig);
    rig.listener.shared = true;
    for (int i = 0; i < 2; i++) {
        clients[i] = sockets_connect(&rig.address);
    }
    loop_turn(&rig.loop, true);
    CHECK_INT(rig.count, 1);
    loop_turn(&rig.loop, true);
    CHECK_INT(rig.count, 2);
    for (int i = 0; i < 2; i++) {
        close(clients[i]);
    }
    rig_end(&rig);
}

static void do_nothing(struct runnable *runnable) {
    (void)runnable;
}

TEST(who_shares_the_socket_and_has_requests_to_run_lets_others_go_first) {
    struct rig rig;
    struct runnable request;
    rig_begin(&rig);
    rig.listener.shared = true;
    runnable_init(&request, do_nothing);
    int clients[2] = {sockets_connect(&rig.address), sockets_connect(&rig.address)};
    for (int count = 0; count < 2; count++) { /* but not for ever */
        for (int i = 0; i < PASSES; i++) {
            loop_queue(&rig.loop, &request);
            loop_turn(&rig.loop, false);
            CHECK_INT(rig.count, count);
        }
        loop_queue(&rig.loop, &request);
        loop_turn(&rig.loop, false);
        CHECK_INT(rig.count, count + 1);
    }
    close(clients[0]);
    close(clients[1]);
    clients[0] = sockets_connect(&rig.address);
    loop_queue(&rig.loop, &request);
    loop_turn(&rig.loop, false);
    CHECK_INT(rig.count, 2);
    loop_turn(&rig.loop, true); /* idle again */
    CHECK_INT(rig.count, 3);
    close(clients[0]);
    rig_end(&rig);
}

TEST(closing_before_it_looks_again) {
    struct rig rig;
    rig_begin(&rig);
    rig.listener.shared = true;
    int client = sockets_connect(&rig.address);
    loop_read_later(&rig.loop, &rig.listener.behind);
    rig_close(&rig);
    CHECK_INT(rig.count, 0);
    close(client);
    rig_end(&rig);
}

TEST(a_paused_listener_leaves_connections_in_the_queue) {
    struct rig rig;
    int clients[3];
    rig_begin(&rig);
    rig.pause_at = 1; /* from inside the callback */
    for (int i = 0; i < 3; i++) {
        clients[i] = sockets_connect(&rig.address);
    }
    loop_turn(&rig.loop, true);
    loop_turn(&rig.loop, false);
    CHECK_INT(rig.count, 1);
    listener_drain(&rig.listener);
    CHECK_INT(rig.count, 1);
    listener_resume(&rig.listener);
    loop_turn(&rig.loop, true);
    CHECK_INT(rig.count, 3);
    for (int i = 0; i < 3; i++) {
        close(clients[i]);
    }
    rig_end(&rig);
}

TEST(draining_takes_all_at_once) {
    struct rig rig;
    int clients[BATCH + 10];
    rig_begin(&rig);
    for (int i = 0; i < BATCH + 10; i++) {
        clients[i] = sockets_connect(&rig.address);
    }
    listener_drain(&rig.listener);
    CHECK_INT(rig.count, BATCH + 10);
    for (int i = 0; i < BATCH + 10; i++) {
        close(clients[i]);
    }
    rig_end(&rig);
}

TEST(a_closed_listener_takes_nothing) {
    struct rig rig;
    rig_begin(&rig);
    rig_close(&rig);
    int client = sockets_connect(&rig.address);
    listener_resume(&rig.listener);
    listener_drain(&rig.listener);
    loop_turn(&rig.loop, false);
    CHECK_INT(rig.count, 0);
    close(client);
    rig_end(&rig);
}

/* Accepting fails with `error`: it must rest, and go on when the rest is over. */
static void check_rest(int error) {
    struct rig rig;
    rig_begin(&rig);
    faults[FAULT_ACCEPT] = (struct fault){.from = 1, .to = 1, .error = error};
    int client = sockets_connect(&rig.address);
    loop_turn(&rig.loop, true);
    loop_turn(&rig.loop, false);
    loop_turn(&rig.loop, false);
    CHECK_INT(faults[FAULT_ACCEPT].calls, 1); /* no spinning */
    CHECK_INT(rig.listener.exhausted, 1);
    CHECK_INT(rig.count, 0);
    pass_time(&rig, 2000);
    loop_turn(&rig.loop, true);
    CHECK_INT(rig.count, 1);
    close(client);
    rig_end(&rig);
}

TEST(out_of_descriptors_or_memory_it_rests) {
    check_rest(EMFILE);
    check_rest(ENFILE);
    check_rest(ENOBUFS);
    check_rest(ENOMEM);
}

TEST(an_error_of_the_socket_itself_makes_it_rest) {
    check_rest(EINVAL);
    check_rest(EBADF);
}

TEST(resting_and_pausing_together) {
    struct rig rig;
    rig_begin(&rig);
    faults[FAULT_ACCEPT] = (struct fault){.from = 1, .to = 1, .error = EMFILE};
    int client = sockets_connect(&rig.address);
    loop_turn(&rig.loop, true);
    listener_pause(&rig.listener);
    pass_time(&rig, 2000);
    loop_turn(&rig.loop, false);
    CHECK_INT(rig.count, 0); /* the rest is over, the pause is not */
    listener_resume(&rig.listener);
    loop_turn(&rig.loop, true);
    CHECK_INT(rig.count, 1);
    close(client);
    rig_end(&rig);
}

static void count_rest(struct listener *listener, const char *why) {
    struct rig *rig = listener->user;
    CHECK(strstr(why, "open files") != NULL);
    rig->rests++;
}

TEST(resuming_ends_a_rest) {
    struct rig rig;
    rig_begin(&rig);
    rig.listener.rests = count_rest;
    faults[FAULT_ACCEPT] = (struct fault){.from = 1, .to = 2, .error = EMFILE};
    int client = sockets_connect(&rig.address);
    loop_turn(&rig.loop, true);
    CHECK_INT(rig.rests, 1);
    listener_resume(&rig.listener);
    loop_turn(&rig.loop, true);
    CHECK_INT(rig.rests, 2); /* told each time */
    CHECK_INT(rig.count, 0);
    listener_resume(&rig.listener);
    loop_turn(&rig.loop, true);
    CHECK_INT(rig.count, 1);
    CHECK_INT(rig.loop.wheel.count, 0);
    close(client);
    rig_end(&rig);
}

TEST(closing_while_it_rests) {
    struct rig rig;
    rig_begin(&rig);
    faults[FAULT_ACCEPT] = (struct fault){.from = 1, .to = 1, .error = EMFILE};
    int client = sockets_connect(&rig.address);
    loop_turn(&rig.loop, true);
    rig_close(&rig);
    CHECK_INT(rig.loop.wheel.count, 0);
    close(client);
    rig_end(&rig);
}

TEST(errors_of_one_connection_pass) {
    const int errors[] = {ECONNABORTED, EINTR, EPROTO};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct rig rig;
        rig_begin(&rig);
        faults[FAULT_ACCEPT] = (struct fault){.from = 1, .to = 2, .error = errors[i]};
        int client = sockets_connect(&rig.address);
        loop_turn(&rig.loop, true);
        CHECK_INT(rig.count, 1);
        CHECK_INT(rig.listener.exhausted, 0);
        close(client);
        rig_end(&rig);
    }
}

TEST(unix_sockets) {
    struct loop loop;
    struct listener listener;
    struct rig rig = {0};
    struct sockaddr_un address = {.sun_family = AF_UNIX}; /* a name of the kernel's choice */
    socklen_t len = sizeof(address);
    faults_clear();
    CHECK_INT(loop_init(&loop, (struct loop_hooks){on_enter, on_enter, NULL}), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    CHECK_INT(listen(fd, 8), 0);
    CHECK_INT(listener_init(&listener, &loop, fd, &rig, on_accept), 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(client, (struct sockaddr *)&address, len), 0);
    loop_turn(&loop, true);
    CHECK_INT(rig.count, 1);
    CHECK_INT(rig.peers[0].family, PEER_UNIX);
    listener_close(&listener, after_close);
    while (!rig.closed) {
        loop_turn(&loop, true);
    }
    close(rig.taken[0]);
    close(client);
    close(fd);
    loop_release(&loop);
}

TEST(a_descriptor_that_cannot_be_polled) {
    struct loop loop;
    struct listener listener;
    CHECK_INT(loop_init(&loop, (struct loop_hooks){on_enter, on_enter, NULL}), 0);
    CHECK(listener_init(&listener, &loop, -1, NULL, on_accept) < 0);
    loop_release(&loop);
}
