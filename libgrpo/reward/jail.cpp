#include "libgrpo/reward/jail.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/reward/jail_setup.inl"
#include "libgrpo/reward/start_process.inl"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <poll.h>
#include <thread>

namespace grpo::detail {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kLastWords = 2000;           // bytes of standard error that are kept
constexpr auto kGrace = std::chrono::seconds(10);  // for the supervisor to end everything

constexpr std::array<const char*, 3> kPath = {"/usr/local/bin", "/usr/bin", "/bin"};  // where anybody may run programs

/// throws: Error{backend} if there is none
std::string find_program(const std::string& word) {
  if (word.find('/') != std::string::npos) return word;
  for (const char* folder : kPath)
    if (const fs::path path = fs::path(folder) / word; ::access(path.c_str(), X_OK) == 0) return path.string();
  throw Error(ErrorKind::backend, fmt::format("there is no {} in {} for a jail; give its path", word, fmt::join(kPath, ", ")));
}

/// A folder that goes away with everything in it.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (fs::temp_directory_path() / fmt::format("grpo-jail-{}-XXXXXX", ::getpid())).string();
    if (::mkdtemp(pattern.data()) == nullptr) throw Error(ErrorKind::backend, pattern + ": cannot be made");
    path_ = pattern;
    fs::permissions(path_, fs::perms(0755));
    fs::create_directory(path_ / "work");
    fs::permissions(path_ / "work", fs::perms(0777));  // another user works there
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  void write(const std::string& name, const std::string& content) const {
    std::ofstream file(path_ / name, std::ios::binary);
    file << content;
    file.close();
    if (!file) throw Error(ErrorKind::backend, (path_ / name).string() + ": cannot be written");
    fs::permissions(path_ / name, fs::perms(0644));
  }
  [[nodiscard]] std::string path() const { return path_.string(); }
  [[nodiscard]] std::string work() const { return (path_ / "work").string(); }

 private:
  fs::path path_;
};

/// The end of a forked child that tries something and says by its exit code whether it could.
bool works(const jail::Plan& plan, bool read_only) {
  const pid_t child = jail::fork_plainly();
  if (child == 0) {
    if (!jail::enter_namespaces(plan)) ::_exit(1);
    const pid_t inside = jail::fork_plainly();
    if (inside == 0) {
      const bool mounts = ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 && (!read_only || jail::make_read_only()) &&
                          ::mount("tmpfs", "/tmp", "tmpfs", 0, "size=4k") == 0;
      ::_exit(mounts ? 0 : 1);
    }
    int status = 1;
    if (inside < 0 || ::waitpid(inside, &status, 0) != inside) ::_exit(1);
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  int status = 1;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// The user's and group's only number inside: not 0, so that the program has no rights over its namespaces.
std::pair<std::string, std::string> id_maps() { return {fmt::format("1000 {} 1", ::geteuid()), fmt::format("1000 {} 1", ::getegid())}; }

struct Streams {
  StartedProcess& process;
  std::string_view input;
  const JailLimits& limits;
  JailedRun& run;

  /// Until both outputs end or there is too much.
  void pump(Clock::time_point deadline) {
    if (input.empty()) process.input.close();
    while ((process.output.get() >= 0 || process.error.get() >= 0) && Clock::now() < deadline) {
      std::array<pollfd, 3> files{pollfd{process.output.get(), POLLIN, 0}, pollfd{process.error.get(), POLLIN, 0},
                                  pollfd{process.input.get(), POLLOUT, 0}};
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      static_cast<void>(::poll(files.data(), files.size(), static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30))));
      if (files[0].revents != 0) read(process.output, run.output);
      if (files[1].revents != 0) read(process.error, run.error);
      if (files[2].revents != 0) write();
      if (run.error.size() > 2 * kLastWords) run.error.erase(0, run.error.size() - kLastWords);
      if (run.output.size() <= limits.output_bytes) continue;
      run.output.resize(limits.output_bytes);
      run.end = JailedRun::End::too_much_output;
      return;
    }
  }
  static void read(File& file, std::string& into) {
    std::array<char, 65536> bytes;
    const ssize_t got = ::read(file.get(), bytes.data(), bytes.size());
    if (got > 0) into.append(bytes.data(), static_cast<std::size_t>(got));
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) file.close();
  }
  void write() {
    const NoSigpipe guard;
    const ssize_t put = ::write(process.input.get(), input.data(), input.size());
    if (put > 0) input.remove_prefix(static_cast<std::size_t>(put));
    if (input.empty() || (put < 0 && errno != EAGAIN && errno != EINTR)) process.input.close();
  }
};

/// Waits for the supervisor, which ends when nothing of the jail is left.
void finish(StartedProcess& process) {
  const auto deadline = Clock::now() + kGrace;
  for (auto pause = std::chrono::microseconds(100); process.running() && Clock::now() < deadline;
       pause = std::min(pause * 2, std::chrono::microseconds(5000)))
    std::this_thread::sleep_for(pause);
  process.kill_group();
}

}  // namespace

std::string JailedRun::describe() const {
  switch (end) {
    case End::exited: return fmt::format("exit code {}", code);
    case End::signalled: return fmt::format("killed by signal {}", code);
    case End::timed_out: return "time limit";
    case End::too_much_output: break;
  }
  return "too much output";
}

Jail::Jail() {
  const auto [uids, gids] = id_maps();
  jail::Plan plan;
  plan.root = ::geteuid() == 0;
  plan.uid_map = uids.c_str();
  plan.gid_map = gids.c_str();
  read_only_ = works(plan, /*read_only=*/true);
  namespaces_ = read_only_ || works(plan, /*read_only=*/false);
}

std::string Jail::note() const {
  if (!namespaces_)
    return "the kernel lets this user make no namespaces (user, process, mount, network): jailed programs keep the network, and the sum of "
           "their files is not bounded";
  return read_only_ ? ""
                    : "the kernel cannot make a file system read-only for a jail (Linux 5.12 can): jailed programs may write wherever this "
                      "user may";
}

JailedRun Jail::run(std::vector<std::string> words, const std::vector<std::pair<std::string, std::string>>& files, std::string_view input,
                    const JailLimits& limits) const {
  words.front() = find_program(words.front());
  const ScratchFolder folder;
  for (const auto& [name, content] : files) folder.write(name, content);
  for (std::string& word : words)
    for (std::size_t at = word.find("{dir}"); at != std::string::npos; at = word.find("{dir}", at)) word.replace(at, 5, folder.path());
  const auto [uids, gids] = id_maps();
  const std::string work = folder.work(), tmpfs = fmt::format("size={}m,mode=0777", limits.disk_mb);
  std::array<int, 2> ready{};
  if (::pipe2(ready.data(), O_CLOEXEC | O_NONBLOCK) != 0) throw Error(ErrorKind::backend, "no pipe for a jail");
  const File ready_read(ready[0]);
  File ready_write(ready[1]);
  jail::Plan plan{namespaces_, read_only_, ::geteuid() == 0, uids.c_str(), gids.c_str(), work.c_str(), tmpfs.c_str(), ready[1]};
  plan.milliseconds = static_cast<std::int64_t>(std::ceil(limits.seconds * 1000.0));
  plan.cpu = static_cast<rlim_t>(limits.cpu_seconds);
  plan.memory = static_cast<rlim_t>(limits.memory_mb) << 20U;
  plan.file = static_cast<rlim_t>(limits.disk_mb) << 20U;
  plan.processes = static_cast<rlim_t>(limits.processes);
  const std::string home = "HOME=" + work, temporary = "TMPDIR=" + work;
  std::array<std::string, 6> environment{
      fmt::format("PATH={}", fmt::join(kPath, ":")), home, temporary, "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1", "OMP_NUM_THREADS=1"};
  std::array<char*, 7> pointers{};
  std::transform(environment.begin(), environment.end(), pointers.begin(), [](std::string& text) { return text.data(); });

  StartedProcess process = start_process(words, [&](auto& executor) {
    executor.env = pointers.data();
    jail::enter(plan);
  });
  ready_write.close();
  JailedRun run;
  Streams{process, input, limits, run}.pump(Clock::now() + std::chrono::milliseconds(plan.milliseconds) + kGrace);
  if (run.end == JailedRun::End::too_much_output) ::kill(process.child.id(), SIGTERM);
  finish(process);
  char byte = 0;
  if (::read(ready_read.get(), &byte, 1) != 1) throw Error(ErrorKind::backend, "the jail could not be set up");
  if (run.end == JailedRun::End::too_much_output) return run;
  run.code = WIFEXITED(process.status) ? WEXITSTATUS(process.status) : jail::kTimeOver;
  if (run.code == jail::kTimeOver) run.end = JailedRun::End::timed_out;
  if (run.code > jail::kSignalled) run.end = JailedRun::End::signalled, run.code -= jail::kSignalled;
  return run;
}

}  // namespace grpo::detail
