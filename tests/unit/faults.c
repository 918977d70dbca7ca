/* The functions that the linker puts in the place of others; see faults.h. */
#include "faults.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

struct fault faults[FAULT_COUNT];

void faults_clear(void) {
    memset(faults, 0, sizeof(faults));
}

/* Counts the call; true where a fault is meant for it. */
static bool strikes(enum fault_call call) {
    struct fault *fault = &faults[call];
    fault->calls++;
    return fault->from > 0 && fault->calls >= fault->from && fault->calls <= fault->to;
}

/* Counts the call; true where it fails. Otherwise it cuts `len` if it must. */
static bool fails(enum fault_call call, size_t *len) {
    if (!strikes(call)) {
        return false;
    }
    const struct fault *fault = &faults[call];
    if (fault->error) {
        errno = fault->error;
        return true;
    }
    if (fault->limit > 0 && *len > fault->limit) {
        *len = fault->limit;
    }
    return false;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
ssize_t __real_recv(int fd, void *bytes, size_t len, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_sendfile64(int fd, int file, off_t *offset, size_t len);
int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendfile64(int fd, int file, off_t *offset, size_t len);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

void *__wrap_malloc(size_t size) {
    return strikes(FAULT_ALLOC) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return strikes(FAULT_ALLOC) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return strikes(FAULT_ALLOC) ? NULL : __real_realloc(old, size);
}

ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags) {
    return fails(FAULT_RECV, &len) ? -1 : __real_recv(fd, bytes, len, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
    enum { MOST = 64 };
    size_t len = SIZE_MAX;
    if (fails(FAULT_SENDMSG, &len)) {
        return -1;
    }
    if (len == SIZE_MAX || message->msg_iovlen > MOST) {
        return __real_sendmsg(fd, message, flags);
    }
    struct iovec iov[MOST];
    struct msghdr cut = *message;
    size_t count = 0;
    for (; count < message->msg_iovlen && len > 0; count++) {
        iov[count] = message->msg_iov[count];
        iov[count].iov_len = iov[count].iov_len < len ? iov[count].iov_len : len;
        len -= iov[count].iov_len;
    }
    cut.msg_iov = iov;
    cut.msg_iovlen = count;
    return __real_sendmsg(fd, &cut, flags);
}

ssize_t __wrap_sendfile64(int fd, int file, off_t *offset, size_t len) {
    return fails(FAULT_SENDFILE, &len) ? -1 : __real_sendfile64(fd, file, offset, len);
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags) {
    size_t none = 0;
    return fails(FAULT_ACCEPT, &none) ? -1 : __real_accept4(fd, address, len, flags);
}
