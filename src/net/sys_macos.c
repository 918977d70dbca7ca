/* Sockets as macOS has them; see sys.h. */
#include "net/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/banned.h"

int sys_accept(int listener, struct sockaddr_storage *address, socklen_t *len) {
    int fd = accept(listener, (struct sockaddr *)address, len);
    if (fd < 0) {
        return -1;
    }
    int on = 1;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on)) < 0) {
        /* EINVAL where the peer has gone again: the connection's fault, not the listener's. */
        close(fd);
        errno = ECONNABORTED;
        return -1;
    }
    if (address->ss_family == AF_INET || address->ss_family == AF_INET6) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

ssize_t sys_sendmsg(int socket, const struct msghdr *message, bool more) {
    (void)more;
    return sendmsg(socket, message, 0);
}

bool sys_kernel_tls(void) {
    return false;
}

ssize_t sys_sendfile(int socket, int file, off_t offset, size_t len) {
    off_t sent = (off_t)len;
    int err = sendfile(file, socket, offset, &sent, NULL, 0);
    return sent > 0 ? (ssize_t)sent : err;
}
