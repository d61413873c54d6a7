#define _GNU_SOURCE
#include "CLinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

// MARK: Processes

int segue_same_program(pid_t pid) {
  struct stat own, other;
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
  if (stat("/proc/self/exe", &own) != 0 || stat(path, &other) != 0) return -1;
  return own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

// MARK: Sockets

const int SEGUE_SOCK_NONBLOCK = SOCK_NONBLOCK;
const int SEGUE_SOCK_CLOEXEC = SOCK_CLOEXEC;

bool segue_address_text(const struct sockaddr *address, char *text, unsigned int capacity) {
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *four = (const struct sockaddr_in *)address;
    return inet_ntop(AF_INET, &four->sin_addr, text, capacity) != NULL;
  }
  if (address->sa_family != AF_INET6) return false;
  const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(six)) return inet_ntop(AF_INET, &six->s6_addr[12], text, capacity) != NULL;
  return inet_ntop(AF_INET6, six, text, capacity) != NULL;
}

ssize_t segue_send(int socket, const void *data, size_t count) {
  ssize_t sent;
  do {
    sent = send(socket, data, count, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

int segue_accept4(int listener, struct sockaddr *address, unsigned int *length, int flags) {
  int accepted;
  do {
    accepted = accept4(listener, address, length, flags);
  } while (accepted < 0 && errno == EINTR);
  return accepted;
}

int segue_peer_cred(int socket, struct segue_credentials *credentials) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return -1;
  credentials->pid = peer.pid;
  credentials->uid = peer.uid;
  credentials->gid = peer.gid;
  return 0;
}

/// Aligned as the kernel wants control messages to be.
union control {
  struct cmsghdr header;
  char space[CMSG_SPACE(sizeof(int) * SEGUE_MAXIMUM_PASSED_FDS)];
};

ssize_t segue_send_fds(
    int socket, const void *data, size_t count, const int *fds, size_t fd_count) {
  if (fd_count > SEGUE_MAXIMUM_PASSED_FDS || count == 0) {
    errno = EINVAL;
    return -1;
  }
  struct iovec bytes = {.iov_base = (void *)data, .iov_len = count};
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
  union control control;
  if (fd_count > 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.space;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

/// Takes the descriptors out of a received message; those above `capacity` are closed. Returns how
/// many there were in all.
static size_t take_descriptors(struct msghdr *message, int *fds, size_t capacity) {
  size_t seen = 0;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
       header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < count; index++) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + index * sizeof(int), sizeof fd);
      if (seen < capacity) {
        fds[seen] = fd;
      } else {
        close(fd);
      }
      seen++;
    }
  }
  return seen;
}

ssize_t segue_receive_fds(
    int socket, void *data, size_t capacity, int *fds, size_t fd_capacity, size_t *fd_count) {
  *fd_count = 0;
  struct iovec bytes = {.iov_base = data, .iov_len = capacity};
  union control control;
  struct msghdr message = {
      .msg_iov = &bytes,
      .msg_iovlen = 1,
      .msg_control = control.space,
      .msg_controllen = sizeof control.space,
  };
  ssize_t received;
  do {
    received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return -1;
  size_t seen = take_descriptors(&message, fds, fd_capacity);
  if (seen > fd_capacity || (message.msg_flags & MSG_CTRUNC)) {
    for (size_t index = 0; index < seen && index < fd_capacity; index++) close(fds[index]);
    errno = EMSGSIZE;
    return -1;
  }
  *fd_count = seen;
  return received;
}

// MARK: Readiness

const uint32_t SEGUE_EPOLL_IN = EPOLLIN;
const uint32_t SEGUE_EPOLL_OUT = EPOLLOUT;
const uint32_t SEGUE_EPOLL_ERROR = EPOLLERR;
const uint32_t SEGUE_EPOLL_HANGUP = EPOLLHUP;
const uint32_t SEGUE_EPOLL_PEER_CLOSED = EPOLLRDHUP;
const uint32_t SEGUE_EPOLL_EDGE = EPOLLET;
const uint32_t SEGUE_EPOLL_ONESHOT = EPOLLONESHOT;
const uint32_t SEGUE_EPOLL_EXCLUSIVE = EPOLLEXCLUSIVE;

int segue_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int segue_epoll_add(int epoll, int fd, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data.u64 = token};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int segue_epoll_modify(int epoll, int fd, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data.u64 = token};
  return epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
}

int segue_epoll_remove(int epoll, int fd) {
  struct epoll_event event = {0};
  return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &event);
}

#define EPOLL_BATCH 256

int segue_epoll_wait(int epoll, struct segue_epoll_event *events, int capacity, int timeout) {
  // The kernel's struct is packed on some architectures, which Swift cannot express.
  struct epoll_event ready[EPOLL_BATCH];
  int count = epoll_wait(epoll, ready, capacity < EPOLL_BATCH ? capacity : EPOLL_BATCH, timeout);
  if (count < 0) return errno == EINTR ? 0 : -1;
  for (int index = 0; index < count; index++) {
    events[index].events = ready[index].events;
    events[index].token = ready[index].data.u64;
  }
  return count;
}

int segue_eventfd_create(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int segue_eventfd_signal(int fd) {
  int result;
  do {
    result = eventfd_write(fd, 1);
  } while (result < 0 && errno == EINTR);
  // A full counter is as good as set.
  return result < 0 && errno == EAGAIN ? 0 : result;
}

int segue_eventfd_drain(int fd) {
  eventfd_t value;
  int result;
  do {
    result = eventfd_read(fd, &value);
  } while (result < 0 && errno == EINTR);
  return result < 0 && errno == EAGAIN ? 0 : result;
}

// MARK: Memory

static int release_program(struct dl_phdr_info *info, size_t size, void *unused) {
  (void)size;
  (void)unused;
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (size_t index = 0; index < info->dlpi_phnum; index++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[index];
    // A writable segment may hold changes that exist nowhere else.
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) continue;
    const uintptr_t start = (info->dlpi_addr + segment->p_vaddr) & ~(page - 1);
    const uintptr_t end = info->dlpi_addr + segment->p_vaddr + segment->p_filesz;
    madvise((void *)start, (end - start) & ~(page - 1), MADV_DONTNEED);
  }
  // The first entry is the program itself; libraries are shared with others anyway.
  return 1;
}

void segue_release_program_pages(void) { dl_iterate_phdr(release_program, NULL); }

// MARK: Files

int segue_punch_hole(int fd, int64_t offset, int64_t length) {
  int result;
  do {
    result = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  } while (result < 0 && errno == EINTR);
  return result;
}

int64_t segue_seek_data(int fd, int64_t offset) { return lseek(fd, offset, SEEK_DATA); }

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

int segue_rename_noreplace(const char *from, const char *to) {
  return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

bool segue_has_attribute(const char *path, const char *name, const char *value) {
  char actual[64];
  ssize_t length = getxattr(path, name, actual, sizeof actual);
  return length >= 0 && (size_t)length == strlen(value) &&
         memcmp(actual, value, (size_t)length) == 0;
}
