#include "libgrpo/reward/child_process.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/value.hpp"
#include "libgrpo/reward/start_process.inl"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <thread>
#include <unistd.h>

namespace grpo::detail {
namespace {

constexpr std::size_t kLastWords = 400;  // bytes of standard error that are kept
constexpr auto kGoodbye = std::chrono::milliseconds(300);

/// Milliseconds until then, rounded up, for poll().
int remaining(LineProcess::Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - LineProcess::Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30));
}

std::string last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  const std::size_t line = text.rfind('\n');
  return show_text(line == std::string_view::npos ? text : text.substr(line + 1), 200);
}

}  // namespace

struct LineProcess::Impl {
  explicit Impl(const std::vector<std::string>& command) : process(start_process(command, [](auto& /*executor*/) {})) {}

  StartedProcess process;
  std::string unread;      // came behind the last answer
  std::string last_words;  // the end of its standard error

  /// False at the end of the stream.
  static bool read_some(File& file, std::string& into) {
    std::array<char, 65536> bytes;
    const ssize_t got = ::read(file.get(), bytes.data(), bytes.size());
    if (got > 0) into.append(bytes.data(), static_cast<std::size_t>(got));
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
  }
  void read_words() {
    if (!read_some(process.error, last_words)) process.error.close();
    if (last_words.size() > 2 * kLastWords) last_words.erase(0, last_words.size() - kLastWords);
  }
  /// False if nobody reads there any more.
  bool write_some(std::string_view& text) {
    const NoSigpipe guard;
    const ssize_t put = ::write(process.input.get(), text.data(), text.size());
    if (put > 0) text.remove_prefix(static_cast<std::size_t>(put));
    return put >= 0 || errno == EAGAIN || errno == EINTR;
  }
};

LineProcess::LineProcess(const std::vector<std::string>& words) : impl_(std::make_unique<Impl>(words)) {}

LineProcess::~LineProcess() {
  impl_->process.input.close();
  const auto deadline = Clock::now() + kGoodbye;
  while (impl_->process.running() && Clock::now() < deadline) {
    pollfd error{impl_->process.error.get(), POLLIN, 0};
    if (error.fd < 0 || ::poll(&error, 1, 5) <= 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    else
      impl_->read_words();
  }
  impl_->process.kill_group();
}

LineProcess::Outcome LineProcess::exchange(std::string_view line, std::string& answer, Clock::time_point deadline, std::size_t longest) {
  std::string out(line);
  out += '\n';
  std::string_view unsent = out;
  StartedProcess& p = impl_->process;
  std::size_t searched = 0;
  for (;;) {
    const std::size_t end = impl_->unread.find('\n', searched);
    const bool answered = end <= longest && unsent.empty();
    if (!answered && impl_->unread.size() > longest) return Outcome::too_long;
    if (answered) {
      answer = impl_->unread.substr(0, end);
      impl_->unread.erase(0, end + 1);
      return Outcome::line;
    }
    searched = end == std::string::npos ? impl_->unread.size() : end;
    std::array<pollfd, 3> files{pollfd{p.output.get(), POLLIN, 0}, pollfd{p.error.get(), POLLIN, 0},
                                pollfd{unsent.empty() ? -1 : p.input.get(), POLLOUT, 0}};
    const int ready = ::poll(files.data(), files.size(), remaining(deadline));
    if (ready < 0 && errno != EINTR) return Outcome::closed;
    if (files[1].revents != 0) impl_->read_words();
    if (files[2].revents != 0 && !impl_->write_some(unsent)) return Outcome::closed;
    if (files[0].revents != 0 && !Impl::read_some(p.output, impl_->unread)) return Outcome::closed;
    if (Clock::now() >= deadline) return Outcome::timed_out;
  }
}

std::string LineProcess::end() {
  StartedProcess& p = impl_->process;
  const auto deadline = Clock::now() + std::chrono::milliseconds(100);  // one that ends by itself tells more
  while (p.running() && Clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  p.kill_group();
  while (p.error.get() >= 0) {
    pollfd error{p.error.get(), POLLIN, 0};
    if (::poll(&error, 1, 0) <= 0) break;
    impl_->read_words();
  }
  const std::string words = impl_->last_words.empty() ? "" : ": " + last_line(impl_->last_words);
  return p.how_it_ended() + words;
}

}  // namespace grpo::detail
