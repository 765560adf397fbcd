/// What a process does between fork and exec to be in a jail. Only system calls: other threads may have held any lock at the fork.
/// For jail.cpp alone.
#pragma once

#include "libgrpo/reward/jail.hpp"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace grpo::detail::jail {

constexpr int kTimeOver = 124;   // exit code of the supervisor where it ended the program
constexpr int kNoSetup = 125;    // a limit could not be set
constexpr int kSignalled = 128;  // plus the signal
constexpr uid_t kNobody = 65534;
constexpr uid_t kFirstUser = 1900000000;  // numbers that no account has: RLIMIT_NPROC counts all processes of a user

/// Everything the child needs, made before the fork.
struct Plan {
  bool namespaces = false, read_only = false, root = false;
  const char* uid_map = nullptr;
  const char* gid_map = nullptr;
  const char* work = nullptr;  ///< folder to work in
  const char* tmpfs_options = nullptr;
  int ready = -1;  ///< gets a byte when everything is set up
  std::int64_t milliseconds = 0;
  rlim_t cpu = 0, memory = 0, file = 0, processes = 0;
};

inline pid_t fork_plainly() { return static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }

inline bool put(const char* file, const char* text) {
  const int fd = ::open(file, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  std::size_t size = 0;
  while (text[size] != '\0') ++size;
  const bool good = ::write(fd, text, size) == static_cast<ssize_t>(size);
  ::close(fd);
  return good;
}

inline bool enter_namespaces(const Plan& plan) {
  const int spaces = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
  if (plan.root) return ::unshare(spaces) == 0;
  if (::unshare(CLONE_NEWUSER | spaces) != 0) return false;
  return put("/proc/self/setgroups", "deny") && put("/proc/self/gid_map", plan.gid_map) && put("/proc/self/uid_map", plan.uid_map);
}

inline bool make_read_only() {
#ifdef SYS_mount_setattr
  struct {
    std::uint64_t set, clear, propagation, user;
  } attributes = {MS_RDONLY, 0, 0, 0};  // MOUNT_ATTR_RDONLY is MS_RDONLY
  constexpr unsigned kRecursive = 0x8000;
  return ::syscall(SYS_mount_setattr, AT_FDCWD, "/", kRecursive, &attributes, sizeof attributes) == 0;
#else
  return false;
#endif
}

/// The file system of the jail. In its own mount namespace; process 1 of its own process namespace.
inline bool arrange_files(const Plan& plan) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  static_cast<void>(::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr));  // containers may forbid it
  if (plan.read_only && !make_read_only()) return false;
  return ::mount("tmpfs", plan.work, "tmpfs", MS_NOSUID | MS_NODEV, plan.tmpfs_options) == 0;
}

inline bool set_limit(int which, rlim_t soft, rlim_t hard) {
  const rlimit limit{soft, hard};
  return ::setrlimit(static_cast<__rlimit_resource_t>(which), &limit) == 0;
}

/// The program itself, last steps.
inline bool limit_and_drop(const Plan& plan) {
  if (::chdir(plan.work) != 0) return false;
  if (plan.root) {
    const uid_t own = kFirstUser + static_cast<uid_t>(::getpid() + ::getppid() * 7) % 50000;
    static_cast<void>(::setgroups(0, nullptr));
    const bool dropped = (::setresgid(own, own, own) == 0 && ::setresuid(own, own, own) == 0) ||
                         (::setresgid(kNobody, kNobody, kNobody) == 0 && ::setresuid(kNobody, kNobody, kNobody) == 0);
    if (!dropped) return false;
  }
  ::umask(022);
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && set_limit(RLIMIT_CPU, plan.cpu, plan.cpu + 1) &&
         set_limit(RLIMIT_AS, plan.memory, plan.memory) && set_limit(RLIMIT_FSIZE, plan.file, plan.file) && set_limit(RLIMIT_CORE, 0, 0) &&
         set_limit(RLIMIT_NOFILE, 64, 64) && set_limit(RLIMIT_NPROC, plan.processes, plan.processes);
}

inline int code_of(int status) { return WIFSIGNALED(status) ? kSignalled + WTERMSIG(status) : WEXITSTATUS(status); }

inline void close_all() {
#ifdef SYS_close_range
  if (::syscall(SYS_close_range, 0U, ~0U, 0U) == 0) return;
#endif
  for (int fd = 0; fd < 4096; ++fd) ::close(fd);
}

/// Process 1 of the jail: takes what falls to it; its end is the end of all others.
[[noreturn]] inline void reap_until(pid_t program) {
  close_all();
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended == program) ::_exit(code_of(status));
    if (ended < 0 && errno != EINTR) ::_exit(kNoSetup);
  }
}

/// Without a process namespace: kills the program's group, all of it at one moment, then what left the group, as it falls to this process:
/// stops, then kills whatever has this process as its parent, until nothing has.
inline void end_all_children(pid_t group) {
  const auto each_child = [](int signal) {
    const int fd = ::open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    char text[4096];
    pid_t pid = 0;
    for (ssize_t got = ::read(fd, text, sizeof text); got > 0; got = ::read(fd, text, sizeof text))
      for (ssize_t i = 0; i < got; ++i) {
        if (text[i] >= '0' && text[i] <= '9') {
          pid = pid * 10 + (text[i] - '0');
        } else if (pid > 0) {
          ::kill(pid, signal);
          pid = 0;
        }
      }
    ::close(fd);
  };
  for (;;) {
    ::kill(-group, SIGKILL);
    each_child(SIGSTOP);  // a stopped one starts no other
    each_child(SIGKILL);
    pid_t ended = 0;
    while ((ended = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    if (ended < 0 && errno == ECHILD) return;
    const timespec moment{0, 1000000};
    ::nanosleep(&moment, nullptr);
  }
}

/// Outside the jail: waits for its end, or for the time limit, or to be told to stop; ends everything; says how by its exit code.
[[noreturn]] inline void supervise(const Plan& plan, pid_t inside) {
  close_all();
  sigset_t wakes;
  sigemptyset(&wakes);
  for (const int signal : {SIGCHLD, SIGTERM}) sigaddset(&wakes, signal);
  timespec start{};
  ::clock_gettime(CLOCK_MONOTONIC, &start);
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(inside, &status, WNOHANG);
    if (ended == inside) {
      if (!plan.namespaces) end_all_children(inside);
      ::_exit(code_of(status));
    }
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const std::int64_t left = plan.milliseconds - ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000);
    const timespec wait{left / 1000, (left % 1000) * 1000000};
    const int signal = left > 0 ? ::sigtimedwait(&wakes, nullptr, &wait) : SIGTERM;
    if (signal == SIGCHLD || (signal < 0 && errno == EINTR)) continue;
    if (plan.namespaces) {
      ::kill(inside, SIGKILL);
      ::waitpid(inside, &status, 0);  // returns when all of its namespace are gone
    } else {
      end_all_children(inside);
    }
    ::_exit(kTimeOver);
  }
}

/// Called in the forked child; returns in the process that is to become the program.
inline void enter(const Plan& plan) {
  sigset_t wakes;
  sigemptyset(&wakes);
  for (const int signal : {SIGCHLD, SIGTERM}) sigaddset(&wakes, signal);
  ::sigprocmask(SIG_BLOCK, &wakes, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (plan.namespaces ? !enter_namespaces(plan) : ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) ::_exit(kNoSetup);
  const pid_t inside = fork_plainly();
  if (inside < 0) ::_exit(kNoSetup);
  if (inside > 0) supervise(plan, inside);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (plan.namespaces) {
    if (!arrange_files(plan)) ::_exit(kNoSetup);
    const pid_t program = fork_plainly();
    if (program < 0) ::_exit(kNoSetup);
    if (program > 0) reap_until(program);
  }
  if (!plan.namespaces) ::setpgid(0, 0);
  ::sigprocmask(SIG_UNBLOCK, &wakes, nullptr);
  if (!limit_and_drop(plan) || ::write(plan.ready, "r", 1) != 1) ::_exit(kNoSetup);
}

}  // namespace grpo::detail::jail
