/* Sockets as Linux has them; see sys.h. */
#include "net/sys.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/banned.h"

int sys_accept(int listener, struct sockaddr_storage *address, socklen_t *len) {
    int fd = accept4(listener, (struct sockaddr *)address, len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 && (address->ss_family == AF_INET || address->ss_family == AF_INET6)) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

ssize_t sys_sendmsg(int socket, const struct msghdr *message, bool more) {
    return sendmsg(socket, message, more ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL);
}

ssize_t sys_sendfile(int socket, int file, off_t offset, size_t len) {
    return sendfile(socket, file, &offset, len);
}

/* A kernel that has the protocol refuses it to a socket that is not connected (ENOTCONN); one that
 * has not does not know the name (ENOENT). To ask again at each connection, as libssl would, may
 * start modprobe each time. */
bool sys_kernel_tls(void) {
    static const char name[] = "tls";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    int refused = setsockopt(fd, IPPROTO_TCP, TCP_ULP, name, sizeof(name) - 1);
    bool known = refused == 0 || errno == ENOTCONN;
    close(fd);
    return known;
}
