#include "libgrpo/metrics/wandb_bridge.hpp"

#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <random>
#include <report_page.hpp>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace grpo {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kMostQueued = std::size_t{32} << 20;  // bytes that wait for a process that does not read

std::string to_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

/// Eight letters and digits, as wandb's own ids.
std::string new_id() {
  constexpr std::string_view kLetters = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::random_device random;
  std::string id;
  for (int i = 0; i < 8; ++i) id += kLetters[random() % kLetters.size()];
  return id;
}

/// Of the run that `folder` holds if that goes on, else a new one, kept there.
std::string run_id(const WandbRun& run) {
  const auto file = run.folder / "wandb_run_id";
  if (run.resumed && std::filesystem::exists(file)) {
    const std::string id = read_file(file, 256);
    return id.substr(0, id.find('\n'));
  }
  const std::string id = new_id();
  write_file(file, id + "\n");
  return id;
}

Json init_of(const WandbRun& run) {
  Json init = {{"id", run_id(run)}, {"resume", "allow"}, {"dir", run.folder.string()}, {"tags", run.tags}};
  const auto put = [&init](const char* name, const std::optional<std::string>& value) {
    if (value) init[name] = *value;
  };
  put("entity", run.entity);
  put("group", run.group);
  put("name", run.name);
  if (run.project || std::getenv("WANDB_PROJECT") == nullptr) init["project"] = run.project.value_or("libgrpo");
  init["config"] = Json::parse(run.config);
  return init;
}

}  // namespace

WandbBridge::WandbBridge(const WandbRun& run, const Log& log) : log_(log), log_file_(run.folder / "wandb" / "bridge.log") {
  try {
    make_folder(run.folder / "wandb");
    const std::string init = to_line({{"init", init_of(run)}});
    start(detail::kWandbBridge, log_file_);
    enqueue(init);
    sender_ = std::thread([this] { send_lines(); });
  } catch (const std::exception& error) {
    give_up(error.what());
  }
}

/// In a process group of its own, so that Ctrl-C reaches the training alone, and with standard input from a socket, because writing
/// to a pipe that nobody reads would be a signal.
void WandbBridge::start(const std::string& script, const std::filesystem::path& log_file) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) throw Error(ErrorKind::backend, std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  std::array<std::string, 3> words = {"python3", "-c", script};
  std::array<char*, 4> arguments = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  const int failed = posix_spawnp(&process_, "python3", &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(ends[1]);
  socket_ = ends[0];
  if (failed == 0) return;
  process_ = -1;
  throw Error(ErrorKind::backend, fmt::format("python3: {}", std::strerror(failed)));
}

void WandbBridge::give_up(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    gone_ = true;
    queue_.clear();
    queued_bytes_ = 0;
  }
  changed_.notify_all();
  log_.warning(fmt::format("wandb: {}; training goes on without it ({} has more)", why, log_file_.string()));
}

void WandbBridge::enqueue(std::string line) {
  bool full = false;
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || closing_) return;
    full = queued_bytes_ + line.size() > kMostQueued;
    if (!full) {
      queued_bytes_ += line.size();
      queue_.push_back(std::move(line));
    }
  }
  if (full) return give_up("its process does not read");
  changed_.notify_all();
}

void WandbBridge::send_lines() {
  for (;;) {
    std::string line;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return gone_ || closing_ || !queue_.empty(); });
      if (gone_ || queue_.empty()) {
        ::shutdown(socket_, SHUT_WR);  // the end of its input
        return;
      }
      line = std::move(queue_.front());
      queue_.pop_front();
      queued_bytes_ -= line.size();
    }
    for (std::size_t done = 0; done < line.size();) {
      const ssize_t count = ::send(socket_, line.data() + done, line.size() - done, MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return give_up("its process has ended");
      done += static_cast<std::size_t>(count);
    }
  }
}

void WandbBridge::log(std::int64_t step, const std::map<std::string, double>& values, const std::vector<WandbTable>& tables) {
  Json message = {{"step", step}, {"log", Json::object()}};
  for (const auto& [name, value] : values)
    if (std::isfinite(value)) message["log"][name] = value;
  for (const WandbTable& table : tables) message["tables"][table.name] = {{"columns", table.columns}, {"rows", table.rows}};
  enqueue(to_line(message));
}

void WandbBridge::finish(int exit_code, double seconds) {
  enqueue(to_line({{"finish", exit_code}}));
  close(seconds);
}

/// Lets the sender end and waits for the process; it is left alone if it takes longer, for it may still be sending.
void WandbBridge::close(double seconds) {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  const Stopwatch watch;
  int status = 0;
  pid_t ended = 0;
  while (process_ > 0 && (ended = waitpid(process_, &status, WNOHANG)) == 0 && watch.seconds() < seconds)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const bool running = process_ > 0 && ended == 0;
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);  // frees a sender that waits for a process that does not read
  if (sender_.joinable()) sender_.join();
  if (socket_ >= 0) ::close(socket_);
  if (running) give_up(fmt::format("its process {} is still busy after {:.0f} s and goes on by itself", process_, seconds));
  if (ended > 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) give_up("its process has failed");
  process_ = -1;
  socket_ = -1;
}

WandbBridge::~WandbBridge() {
  if (process_ <= 0 && !sender_.joinable()) return;
  if (socket_ >= 0) {
    const std::lock_guard lock(mutex_);
    queue_.clear();
  }
  close(10.0);
}

}  // namespace grpo
