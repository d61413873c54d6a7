/// The Linux calls that Swift cannot make on its own: those that need code between `fork` and
/// `exec`, those the Glibc module map leaves out, and those whose arguments are macros.
///
/// Unless a function says otherwise it returns -1 on failure and leaves the reason in `errno`, and
/// it repeats a call that a signal interrupted. Descriptors it creates are close-on-exec.

#ifndef SEGUE_CLINUX_H
#define SEGUE_CLINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// <sys/socket.h> is left out on purpose: what this header includes counts as this module's as well as
// Glibc's, and a Swift file that imports only one of the two may then not see it, by the order in
// which files are compiled.
struct sockaddr;

// MARK: Starting processes

/// How many descriptors ``segue_spawn`` can pass from number 3 on.
#define SEGUE_MAXIMUM_PASSED_FDS 64

/// One `setrlimit(2)` made in the child. `SEGUE_UNLIMITED` stands for `RLIM_INFINITY`.
struct segue_limit {
  /// `SEGUE_LIMIT_...`
  int resource;
  uint64_t soft;
  /// A hard limit above the one in force is lowered to it instead of failing.
  uint64_t hard;
};

extern const int SEGUE_LIMIT_FILES;
extern const int SEGUE_LIMIT_PROCESSES;
extern const int SEGUE_LIMIT_ADDRESS_SPACE;
/// Private writable memory (`RLIMIT_DATA`, since Linux 4.7 with `mmap`): unlike the address space
/// it does not count what a runtime only reserves.
extern const int SEGUE_LIMIT_DATA;
extern const int SEGUE_LIMIT_CORE;
extern const uint64_t SEGUE_UNLIMITED;

/// Everything about a new process. Start from `segue_spawn_defaults()`: all zeroes would be wrong.
struct segue_spawn_request {
  /// The executable. `PATH` is not searched.
  const char *_Nonnull path;
  /// Ends with NULL, as does `envp`. The child gets nothing of its parent's environment.
  char *_Nullable const *_Nonnull argv;
  char *_Nullable const *_Nonnull envp;
  /// The working directory; NULL keeps the parent's.
  const char *_Nullable directory;
  /// Descriptors that become 0, 1 and 2; -1 opens `/dev/null`.
  int input;
  int output;
  int error;
  /// Descriptors that become 3, 4, ...; at most `SEGUE_MAXIMUM_PASSED_FDS`.
  const int *_Nullable passed;
  size_t passed_count;
  /// Adds `LISTEN_FDS` and `LISTEN_PID` (sd_listen_fds(3)) for the passed descriptors. They come
  /// first in the environment; `envp` should not hold them.
  bool announce_passed;
  /// Makes the child the leader of a session and process group of its own.
  bool new_session;
  /// Makes the child the leader of a process group of its own within the parent's session.
  bool new_process_group;
  /// The signal the child gets when the *thread* that started it ends; 0 for none.
  int parent_death_signal;
  /// By how much less of the processor it takes where others want it too (nice(2)); 0 for no less.
  int niceness;
  const struct segue_limit *_Nullable limits;
  size_t limit_count;
  /// An open `cgroup.procs` that the child enters before it executes anything; -1 for none.
  int cgroup_procs;
};

/// The step at which a child failed before it became the new program.
enum segue_spawn_stage {
  SEGUE_STAGE_ARGUMENTS = 0,
  SEGUE_STAGE_PIPE = 1,
  SEGUE_STAGE_FORK = 2,
  SEGUE_STAGE_CGROUP = 3,
  SEGUE_STAGE_DESCRIPTORS = 4,
  SEGUE_STAGE_SESSION = 5,
  SEGUE_STAGE_PARENT_DEATH = 6,
  SEGUE_STAGE_DIRECTORY = 7,
  SEGUE_STAGE_LIMIT = 8,
  SEGUE_STAGE_EXECUTE = 9,
};

struct segue_spawn_result {
  /// The child, or -1.
  pid_t pid;
  /// A pidfd of the child, or -1 when the kernel has none to give (before Linux 5.3).
  int pidfd;
  /// 0, or the `errno` of the step that failed.
  int error;
  /// The step that failed; meaningless when `error` is 0.
  int stage;
};

/// No descriptors, no session, no limits, no cgroup.
struct segue_spawn_request segue_spawn_defaults(
    const char *_Nonnull path, char *_Nullable const *_Nonnull argv,
    char *_Nullable const *_Nonnull envp);

/// Starts a process that inherits nothing but what `request` names: every other descriptor is
/// closed, all signals have their default disposition and none is blocked.
///
/// Returns only when the child has become the new program or has failed (it blocks for that long:
/// not for an async thread). A child that failed is already reaped; otherwise the caller must wait
/// for it (``segue_wait``). Between fork and exec only async-signal-safe calls are made.
struct segue_spawn_result segue_spawn(const struct segue_spawn_request *_Nonnull request);

// MARK: Watching and signalling processes

/// `pidfd_open(2)`. Readable when the process has ended. Fails with `ESRCH` when there is none.
int segue_pidfd_open(pid_t pid);

/// `pidfd_send_signal(2)`: can never reach a later process of the same pid. Signal 0 only asks
/// whether the process still exists.
int segue_pidfd_send_signal(int pidfd, int signal);

/// A copy of descriptor `fd` of the process behind `pidfd` (`pidfd_getfd(2)`, Linux 5.6). Needs the
/// right to trace that process; fails with `EPERM` without it.
int segue_pidfd_get_fd(int pidfd, int fd);

enum segue_wait_outcome {
  /// It still runs.
  SEGUE_WAIT_RUNNING = 0,
  /// It exited: `value` is its status. It is reaped.
  SEGUE_WAIT_EXITED = 1,
  /// A signal ended it: `value` is the signal. It is reaped.
  SEGUE_WAIT_SIGNALLED = 2,
  /// It is no child of ours, or somebody reaped it already.
  SEGUE_WAIT_NOT_OURS = 3,
};

struct segue_wait_result {
  /// `enum segue_wait_outcome`
  int outcome;
  int value;
};

/// Reaps the child that `pidfd` stands for, if it has ended. Never blocks, and can never reap a
/// later child of the same pid. Needs Linux 5.4.
struct segue_wait_result segue_wait_pidfd(int pidfd);

/// The same by pid, for a child that nobody else reaps.
struct segue_wait_result segue_wait(pid_t pid);

/// Makes this process (or no longer makes it) the parent of orphaned descendants
/// (`PR_SET_CHILD_SUBREAPER`).
int segue_set_subreaper(bool enabled);

/// Whether a process runs the very file that this one does, also after the file was replaced or
/// deleted: 1 or 0; -1 when it cannot be seen.
int segue_same_program(pid_t pid);

// MARK: Sockets

extern const int SEGUE_SOCK_NONBLOCK;
extern const int SEGUE_SOCK_CLOEXEC;

/// `accept4(2)`; `flags` of `SEGUE_SOCK_...`. `address` and `length` may both be NULL.
int segue_accept4(
    int listener, struct sockaddr *_Nullable address, unsigned int *_Nullable length, int flags);

/// `send(2)` that never raises SIGPIPE; begun again when a signal interrupts it.
ssize_t segue_send(int socket, const void *_Nonnull data, size_t count);

/// Writes the address of an IPv4 or IPv6 socket as text, without its port, and an IPv4 address that
/// came mapped into IPv6 plainly. `capacity` must be at least 46. Fails for other families.
bool segue_address_text(
    const struct sockaddr *_Nonnull address, char *_Nonnull text, unsigned int capacity);

struct segue_credentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

/// Who is at the other end of a connected unix socket (`SO_PEERCRED`).
int segue_peer_cred(int socket, struct segue_credentials *_Nonnull credentials);

/// Sends `count` bytes of `data` (at least one) with copies of `fds` (`SCM_RIGHTS`). Returns the
/// bytes sent; the descriptors travel with the first of them. At most `SEGUE_MAXIMUM_PASSED_FDS`.
ssize_t segue_send_fds(
    int socket, const void *_Nonnull data, size_t count, const int *_Nullable fds,
    size_t fd_count);

/// Receives up to `capacity` bytes and up to `fd_capacity` descriptors, all close-on-exec. Returns
/// the bytes received, 0 at the end. When more descriptors arrive than fit, all are closed and the
/// call fails with `EMSGSIZE`.
ssize_t segue_receive_fds(
    int socket, void *_Nonnull data, size_t capacity, int *_Nonnull fds, size_t fd_capacity,
    size_t *_Nonnull fd_count);

// MARK: Readiness

extern const uint32_t SEGUE_EPOLL_IN;
extern const uint32_t SEGUE_EPOLL_OUT;
extern const uint32_t SEGUE_EPOLL_ERROR;
extern const uint32_t SEGUE_EPOLL_HANGUP;
extern const uint32_t SEGUE_EPOLL_PEER_CLOSED;
extern const uint32_t SEGUE_EPOLL_EDGE;
extern const uint32_t SEGUE_EPOLL_ONESHOT;
/// Of several epolls that wait for one descriptor, not all are woken.
extern const uint32_t SEGUE_EPOLL_EXCLUSIVE;

struct segue_epoll_event {
  uint32_t events;
  uint64_t token;
};

int segue_epoll_create(void);
int segue_epoll_add(int epoll, int fd, uint32_t events, uint64_t token);
int segue_epoll_modify(int epoll, int fd, uint32_t events, uint64_t token);
int segue_epoll_remove(int epoll, int fd);

/// Waits for at most `timeout` milliseconds (-1: for ever) and fills at most `capacity` (and at
/// most 256) events. Returns how many; 0 also when a signal interrupted the wait.
int segue_epoll_wait(
    int epoll, struct segue_epoll_event *_Nonnull events, int capacity, int timeout);

/// A non-blocking `eventfd(2)` that wakes an epoll.
int segue_eventfd_create(void);
int segue_eventfd_signal(int eventfd);
/// Resets it; succeeds also when it was not set.
int segue_eventfd_drain(int eventfd);

// MARK: Memory

/// Gives back what this program's own file has in memory of its code and constants. What is needed
/// again is read again, from the page cache; what only the start needed stays away. Starting a Swift
/// program touches most of its metadata, and so counts tens of megabytes as resident that nothing
/// looks at afterwards.
void segue_release_program_pages(void);

// MARK: Files

/// Gives the blocks of a range back to the file system; the file's length stays, the range reads as
/// zeroes. Fails with `EOPNOTSUPP` where the file system cannot.
int segue_punch_hole(int fd, int64_t offset, int64_t length);

/// The first offset at or after `offset` that holds data (`SEEK_DATA`); fails with `ENXIO` when
/// there is none. Moves the descriptor's position.
int64_t segue_seek_data(int fd, int64_t offset);

/// `renameat2(2)` with `RENAME_NOREPLACE`: fails with `EEXIST` rather than replace.
int segue_rename_noreplace(const char *_Nonnull from, const char *_Nonnull to);

/// Whether a file has the extended attribute `name` with exactly the value `value` (xattr(7)).
bool segue_has_attribute(
    const char *_Nonnull path, const char *_Nonnull name, const char *_Nonnull value);

#endif
