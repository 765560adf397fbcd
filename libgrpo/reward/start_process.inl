/// Starting a process with three pipes and a group of its own, over Boost.Process. Internal to reward/ and hub/.
#pragma once

#if __has_include(<boost/process/v1/child.hpp>)
#define GRPO_BOOST_PROCESS boost::process::v1
#include <boost/process/v1/args.hpp>
#include <boost/process/v1/child.hpp>
#include <boost/process/v1/error.hpp>
#include <boost/process/v1/exe.hpp>
#include <boost/process/v1/extend.hpp>
#include <boost/process/v1/posix.hpp>
#include <boost/process/v1/search_path.hpp>
#else
#define GRPO_BOOST_PROCESS boost::process
#include <boost/process/args.hpp>
#include <boost/process/child.hpp>
#include <boost/process/error.hpp>
#include <boost/process/exe.hpp>
#include <boost/process/extend.hpp>
#include <boost/process/posix.hpp>
#include <boost/process/search_path.hpp>
#endif

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/value.hpp"

#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <string>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace grpo::detail {

namespace bp = GRPO_BOOST_PROCESS;

/// Owns a file descriptor.
class File {
 public:
  explicit File(int fd = -1) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File() { close(); }
  [[nodiscard]] int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

/// SIGPIPE is held back from this thread, and one that came is taken away: a library must not change what the process does with it.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    const timespec now{0, 0};
    if (sigismember(&before_, SIGPIPE) == 0)
      while (sigtimedwait(&pipe_, nullptr, &now) > 0) {
      }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_{}, before_{};
};

/// What a child does before it becomes the program. Only calls that are safe between fork and exec.
inline void become_own_group() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  ::setpgid(0, 0);
#ifdef SYS_close_range
  constexpr unsigned kCloseOnExec = 1U << 2U;
  if (::syscall(SYS_close_range, 3U, ~0U, kCloseOnExec) == 0) return;
#endif
  for (int fd = 3; fd < 4096; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

struct StartedProcess {
  bp::child child;
  File input, output, error;  ///< our ends: what it reads, what it writes; they do not block
  int status = -1;            ///< of waitpid, once it ended
  bool ended = false;

  /// Takes the status of a process that has ended.
  bool running() {
    if (!ended && ::waitpid(child.id(), &status, WNOHANG) != 0) ended = true;
    return !ended;
  }
  /// Everything of its group, and waits for the process itself.
  void kill_group() {
    ::kill(-child.id(), SIGKILL);
    if (!ended) ::waitpid(child.id(), &status, 0);
    ended = true;
  }
  [[nodiscard]] std::string how_it_ended() const {
    if (WIFSIGNALED(status)) return fmt::format("was killed by signal {}", WTERMSIG(status));
    return fmt::format("exited with {}", WEXITSTATUS(status));
  }
};

/// `setup` runs between fork and exec, and gets the executor, whose `env` it may set. throws: Error{backend}
template <class Setup>
StartedProcess start_process(const std::vector<std::string>& words, Setup setup) {
  const auto fail = [&](const std::string& why) -> Error {
    return Error(ErrorKind::backend, fmt::format("cannot start {}: {}", show_text(words.front()), why));
  };
  const std::string program = words.front().find('/') == std::string::npos ? bp::search_path(words.front()).string() : words.front();
  if (program.empty()) throw fail("there is no such program in PATH");
  int in[2], out[2], err[2];
  if (::pipe2(in, O_CLOEXEC) != 0) throw fail("no pipe");
  File in_read(in[0]), in_write(in[1]);
  if (::pipe2(out, O_CLOEXEC) != 0) throw fail("no pipe");
  File out_read(out[0]), out_write(out[1]);
  if (::pipe2(err, O_CLOEXEC) != 0) throw fail("no pipe");
  File err_read(err[0]), err_write(err[1]);
  for (const File* file : {&in_write, &out_read, &err_read}) ::fcntl(file->get(), F_SETFL, O_NONBLOCK);
  std::error_code problem;
  bp::child child(
      bp::exe = program, bp::args = std::vector<std::string>(words.begin() + 1, words.end()), bp::posix::fd.bind(0, in_read.get()),
      bp::posix::fd.bind(1, out_write.get()), bp::posix::fd.bind(2, err_write.get()), problem,
      bp::extend::on_exec_setup = [&setup](auto& executor) {
        become_own_group();
        setup(executor);
      });
  if (problem) throw fail(problem.message());
  StartedProcess started{std::move(child), std::move(in_write), std::move(out_read), std::move(err_read)};
  started.child.detach();  // its end is waited for by pid; Boost's own child would terminate and wait by itself
  return started;
}

}  // namespace grpo::detail
