#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

const int SEGUE_LIMIT_FILES = RLIMIT_NOFILE;
const int SEGUE_LIMIT_PROCESSES = RLIMIT_NPROC;
const int SEGUE_LIMIT_ADDRESS_SPACE = RLIMIT_AS;
const int SEGUE_LIMIT_DATA = RLIMIT_DATA;
const int SEGUE_LIMIT_CORE = RLIMIT_CORE;
const uint64_t SEGUE_UNLIMITED = UINT64_MAX;

/// What a child that could not become the new program writes to its parent. Smaller than PIPE_BUF,
/// so it arrives whole or not at all.
struct report {
  int stage;
  int error;
};

/// Room for `LISTEN_PID=` and any pid.
#define LISTEN_PID_SPACE 32

struct child {
  const struct segue_spawn_request *request;
  char *const *envp;
  /// Where the child writes its own pid in decimal; NULL when it is not to.
  char *listen_pid;
  int report;
  pid_t parent;
};

// MARK: In the child: async-signal-safe calls only

static _Noreturn void fail(int report, int stage) {
  struct report message = {.stage = stage, .error = errno};
  while (write(report, &message, sizeof message) < 0 && errno == EINTR) {
  }
  _exit(127);
}

static void write_decimal(char *destination, unsigned value) {
  char digits[12];
  int count = 0;
  do {
    digits[count++] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  while (count > 0) *destination++ = digits[--count];
  *destination = 0;
}

static void close_from(int first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0) return;
#endif
  // Before Linux 5.9. A bound, because the limit may be in the thousands of millions.
  struct rlimit limit;
  int end = 1 << 20;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < (rlim_t)end) {
    end = (int)limit.rlim_cur;
  }
  for (int fd = first; fd < end; fd++) close(fd);
}

/// Puts every descriptor at its number and closes the rest. Returns the report pipe's new number.
///
/// Sources and destinations may overlap in any way, so each source is first copied to above all
/// destinations. A copy with F_DUPFD finds a free number, hence never overwrites a source.
static int arrange_descriptors(const struct child *child) {
  const struct segue_spawn_request *request = child->request;
  const int above = 3 + (int)request->passed_count + 1;
  int report = fcntl(child->report, F_DUPFD_CLOEXEC, above);
  if (report < 0) fail(child->report, SEGUE_STAGE_DESCRIPTORS);

  int sources[3 + SEGUE_MAXIMUM_PASSED_FDS];
  const int total = 3 + (int)request->passed_count;
  for (int index = 0; index < total; index++) {
    int source = index == 0   ? request->input
                 : index == 1 ? request->output
                 : index == 2 ? request->error
                              : request->passed[index - 3];
    sources[index] = -1;
    if (source < 0 && index < 3) continue;
    sources[index] = fcntl(source, F_DUPFD_CLOEXEC, above);
    if (sources[index] < 0) fail(report, SEGUE_STAGE_DESCRIPTORS);
  }
  for (int index = 0; index < total; index++) {
    int source = sources[index];
    if (source < 0) {
      source = open("/dev/null", index == 0 ? O_RDONLY : O_WRONLY);
      if (source < 0) fail(report, SEGUE_STAGE_DESCRIPTORS);
    }
    // The number /dev/null was opened at may itself be the destination; dup2 would then do nothing,
    // which is what is wanted, as open left it without close-on-exec.
    if (source != index && dup2(source, index) < 0) fail(report, SEGUE_STAGE_DESCRIPTORS);
  }
  if (dup3(report, total, O_CLOEXEC) < 0) fail(report, SEGUE_STAGE_DESCRIPTORS);
  close_from(total + 1);
  return total;
}

static void apply_limits(const struct child *child, int report) {
  const struct segue_spawn_request *request = child->request;
  for (size_t index = 0; index < request->limit_count; index++) {
    const struct segue_limit *wanted = &request->limits[index];
    struct rlimit limit;
    if (getrlimit((unsigned)wanted->resource, &limit) < 0) fail(report, SEGUE_STAGE_LIMIT);
    rlim_t hard = wanted->hard == SEGUE_UNLIMITED ? RLIM_INFINITY : (rlim_t)wanted->hard;
    rlim_t soft = wanted->soft == SEGUE_UNLIMITED ? RLIM_INFINITY : (rlim_t)wanted->soft;
    if (hard < limit.rlim_max) limit.rlim_max = hard;
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    if (setrlimit((unsigned)wanted->resource, &limit) < 0) fail(report, SEGUE_STAGE_LIMIT);
  }
}

static void reset_signals(void) {
  // The kernel's own structure, zeroed: the default disposition, no flags, an empty mask. Asked of
  // the kernel directly, because the C library keeps signals 32 and 33 to itself, and a parent may
  // have left those ignored too. A number that cannot be changed (SIGKILL) has the default anyway.
  const uint64_t standard[8] = {0};
  for (int signal = 1; signal < NSIG; signal++) {
    syscall(SYS_rt_sigaction, signal, standard, NULL, sizeof(uint64_t));
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void become(const struct child *child) {
  const struct segue_spawn_request *request = child->request;
  if (request->cgroup_procs >= 0) {
    // "0" is the writer itself (cgroups(7)): no need to know one's pid in the other's namespace.
    ssize_t written;
    do {
      written = write(request->cgroup_procs, "0", 1);
    } while (written < 0 && errno == EINTR);
    if (written < 0) fail(child->report, SEGUE_STAGE_CGROUP);
  }
  if (request->new_session && setsid() < 0) fail(child->report, SEGUE_STAGE_SESSION);
  if (request->new_process_group && setpgid(0, 0) < 0) {
    fail(child->report, SEGUE_STAGE_SESSION);
  }
  // It runs all the same if it cannot step back.
  if (request->niceness > 0) (void)!nice(request->niceness);
  if (request->parent_death_signal != 0) {
    if (prctl(PR_SET_PDEATHSIG, request->parent_death_signal) < 0) {
      fail(child->report, SEGUE_STAGE_PARENT_DEATH);
    }
    // The parent may have ended before the signal was asked for.
    if (getppid() != child->parent) _exit(127);
  }
  if (request->directory && chdir(request->directory) < 0) {
    fail(child->report, SEGUE_STAGE_DIRECTORY);
  }
  if (child->listen_pid) write_decimal(child->listen_pid, (unsigned)getpid());
  int report = arrange_descriptors(child);
  reset_signals();
  // Last, because a low limit on address space lets nothing else succeed.
  apply_limits(child, report);
  execve(request->path, request->argv, child->envp);
  fail(report, SEGUE_STAGE_EXECUTE);
}

// MARK: In the parent

struct segue_spawn_request segue_spawn_defaults(
    const char *path, char *const *argv, char *const *envp) {
  struct segue_spawn_request request;
  memset(&request, 0, sizeof request);
  request.path = path;
  request.argv = argv;
  request.envp = envp;
  request.input = request.output = request.error = -1;
  request.cgroup_procs = -1;
  return request;
}

static struct segue_spawn_result failed(int stage, int error) {
  return (struct segue_spawn_result){.pid = -1, .pidfd = -1, .error = error, .stage = stage};
}

/// The environment with the two `LISTEN_` variables first; one block of memory, to be freed.
static char **announced_environment(const struct segue_spawn_request *request, char **listen_pid) {
  static const char pid_name[] = "LISTEN_PID=";
  static const char count_name[] = "LISTEN_FDS=";
  size_t count = 0;
  while (request->envp[count]) count++;
  char **environment = malloc((count + 3) * sizeof(char *) + 2 * LISTEN_PID_SPACE);
  if (!environment) return NULL;
  char *pid_text = (char *)(environment + count + 3);
  char *count_text = pid_text + LISTEN_PID_SPACE;
  memcpy(pid_text, pid_name, sizeof pid_name);
  memcpy(count_text, count_name, sizeof count_name);
  write_decimal(count_text + sizeof count_name - 1, (unsigned)request->passed_count);
  *listen_pid = pid_text + sizeof pid_name - 1;
  environment[0] = pid_text;
  environment[1] = count_text;
  memcpy(environment + 2, request->envp, (count + 1) * sizeof(char *));
  return environment;
}

static struct segue_spawn_result await_program(pid_t pid, int pipe_end) {
  struct segue_spawn_result result = {.pid = pid, .pidfd = segue_pidfd_open(pid)};
  struct report message;
  ssize_t count;
  do {
    count = read(pipe_end, &message, sizeof message);
  } while (count < 0 && errno == EINTR);
  if (count != (ssize_t)sizeof message) return result;
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
  if (result.pidfd >= 0) close(result.pidfd);
  return failed(message.stage, message.error);
}

struct segue_spawn_result segue_spawn(const struct segue_spawn_request *request) {
  if (request->passed_count > SEGUE_MAXIMUM_PASSED_FDS) {
    return failed(SEGUE_STAGE_ARGUMENTS, EINVAL);
  }
  struct child child = {.request = request, .envp = request->envp, .parent = getpid()};
  char **announced = NULL;
  if (request->announce_passed) {
    announced = announced_environment(request, &child.listen_pid);
    if (!announced) return failed(SEGUE_STAGE_ARGUMENTS, ENOMEM);
    child.envp = announced;
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) {
    int error = errno;
    free(announced);
    return failed(SEGUE_STAGE_PIPE, error);
  }
  child.report = ends[1];

  // With every signal blocked none of our handlers can run in the child.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = fork();
  if (pid == 0) become(&child);
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);

  close(ends[1]);
  struct segue_spawn_result result =
      pid < 0 ? failed(SEGUE_STAGE_FORK, error) : await_program(pid, ends[0]);
  close(ends[0]);
  free(announced);
  return result;
}

// MARK: Watching and signalling

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

int segue_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0U); }

int segue_pidfd_send_signal(int pidfd, int signal) {
  return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0U);
}

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

int segue_pidfd_get_fd(int pidfd, int fd) {
  return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0U);
}

/// `P_PIDFD`, which C libraries before glibc 2.36 do not name.
#define WAIT_BY_PIDFD ((idtype_t)3)

static struct segue_wait_result wait_for(idtype_t type, id_t id) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  int result;
  do {
    result = waitid(type, id, &info, WEXITED | WNOHANG);
  } while (result < 0 && errno == EINTR);
  if (result < 0) return (struct segue_wait_result){SEGUE_WAIT_NOT_OURS, 0};
  // With WNOHANG, no pid means that nothing has ended yet (waitid(2)).
  if (info.si_pid == 0) return (struct segue_wait_result){SEGUE_WAIT_RUNNING, 0};
  int outcome = info.si_code == CLD_EXITED ? SEGUE_WAIT_EXITED : SEGUE_WAIT_SIGNALLED;
  return (struct segue_wait_result){outcome, info.si_status};
}

struct segue_wait_result segue_wait_pidfd(int pidfd) {
  return wait_for(WAIT_BY_PIDFD, (id_t)pidfd);
}

struct segue_wait_result segue_wait(pid_t pid) { return wait_for(P_PID, (id_t)pid); }

int segue_set_subreaper(bool enabled) {
  return prctl(PR_SET_CHILD_SUBREAPER, enabled ? 1UL : 0UL, 0UL, 0UL, 0UL);
}
