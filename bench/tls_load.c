/* Handshakes of TLS 1.3, each on a connection of its own with one small request behind it.
 *
 * Usage: tls_load PORT SECONDS full|resume
 * Eight threads, so that the server has work while a client computes; each asks one connection
 * after another. With `resume`, each goes on with the session that its last connection was given.
 * Certificates are not checked: that is the client's cost. Says in JSON how many handshakes there
 * were, how many of them were resumed, and how long it took. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8 };

static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

struct client {
    SSL_CTX *context;
    SSL_SESSION *session; /* of the last connection; only with `resume` */
    struct sockaddr_in address;
    double until;
    bool resume;
    unsigned long handshakes;
    unsigned long resumed;
    unsigned long errors;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The ticket has come; 1: it is kept. */
static int on_session(SSL *ssl, SSL_SESSION *session) {
    struct client *client = SSL_get_app_data(ssl);
    SSL_SESSION_free(client->session);
    client->session = session;
    return 1;
}

/* Reads until the server ends the connection. True where an answer of 200 had come. */
static bool read_answer(SSL *ssl) {
    char bytes[16384];
    char status[13] = {0};
    size_t have = 0;
    int got;
    while ((got = SSL_read(ssl, bytes, sizeof(bytes))) > 0) {
        size_t part = (size_t)got;
        if (have < sizeof(status) - 1) {
            size_t room = sizeof(status) - 1 - have;
            memcpy(status + have, bytes, part < room ? part : room);
        }
        have += part;
    }
    return strcmp(status, "HTTP/1.1 200") == 0;
}

static bool shake_and_ask(struct client *client, int fd) {
    SSL *ssl = SSL_new(client->context);
    bool done = false;
    if (ssl && SSL_set_fd(ssl, fd) == 1 && SSL_set_app_data(ssl, client) == 1) {
        if (client->resume && client->session) {
            SSL_set_session(ssl, client->session);
        }
        if (SSL_connect(ssl) == 1) {
            client->resumed += SSL_session_reused(ssl) == 1;
            done = SSL_write(ssl, request, sizeof(request) - 1) > 0 && read_answer(ssl);
            SSL_shutdown(ssl);
        }
    }
    SSL_free(ssl);
    return done;
}

static void *work(void *arg) {
    struct client *client = arg;
    while (now() < client->until) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool done =
            fd >= 0 &&
            connect(fd, (struct sockaddr *)&client->address, sizeof(client->address)) == 0 &&
            shake_and_ask(client, fd);
        client->handshakes += done;
        client->errors += !done;
        if (fd >= 0) {
            close(fd);
        }
    }
    SSL_SESSION_free(client->session);
    return NULL;
}

int main(int argc, char **argv) {
    static struct client clients[THREADS];
    pthread_t threads[THREADS];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (argc != 4 || !context) {
        fprintf(stderr, "usage: tls_load PORT SECONDS full|resume\n");
        return 2;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    double began = now();
    unsigned long handshakes = 0;
    unsigned long resumed = 0;
    unsigned long errors = 0;
    for (int i = 0; i < THREADS; i++) {
        clients[i] = (struct client){.context = context,
                                     .until = began + strtod(argv[2], NULL),
                                     .resume = strcmp(argv[3], "resume") == 0};
        clients[i].address.sin_family = AF_INET;
        clients[i].address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
        clients[i].address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (pthread_create(&threads[i], NULL, work, &clients[i]) != 0) {
            fprintf(stderr, "tls_load: no thread\n");
            return 1;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        handshakes += clients[i].handshakes;
        resumed += clients[i].resumed;
        errors += clients[i].errors;
    }
    printf("{\"handshakes\": %lu, \"resumed\": %lu, \"errors\": %lu, \"seconds\": %.6f}\n",
           handshakes, resumed, errors, now() - began);
    SSL_CTX_free(context);
    return 0;
}
