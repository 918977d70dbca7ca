/* Where operating systems differ for sockets; one implementation a system, chosen by meson
 * (sys_linux.c, sys_macos.c). Called by net/ only. */
#ifndef NET_SYS_H
#define NET_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Takes a connection: non-blocking, close-on-exec, without delay (TCP_NODELAY where it is TCP),
 * never raising SIGPIPE. The descriptor, or -1 with errno. */
int sys_accept(int listener, struct sockaddr_storage *address, socklen_t *len);

/* sendmsg without SIGPIPE; `more`: further output follows at once. */
ssize_t sys_sendmsg(int socket, const struct msghdr *message, bool more);

/* Sends `len` bytes of `file` from `offset`. Bytes sent, 0 at the file's end, -1 with errno. */
ssize_t sys_sendfile(int socket, int file, off_t offset, size_t len);

/* Does the kernel encrypt TLS (kTLS)? */
bool sys_kernel_tls(void);

#endif
