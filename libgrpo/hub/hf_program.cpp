#include "libgrpo/hub/hf_program.hpp"

#include "libgrpo/base/clock.hpp"
#include "libgrpo/reward/start_process.inl"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <poll.h>
#include <utility>

namespace grpo {
namespace {

constexpr std::size_t kMostOutput = 16384;
constexpr std::size_t kShortestToken = 12;  // letters behind hf_

void keep_end(std::string& text, std::size_t most) {
  if (text.size() > 2 * most) text.erase(0, text.size() - most);
}

/// False at the end of the stream.
bool read_some(detail::File& file, std::string& into) {
  std::array<char, 65536> bytes;
  const ssize_t got = ::read(file.get(), bytes.data(), bytes.size());
  if (got > 0) into.append(bytes.data(), static_cast<std::size_t>(got));
  keep_end(into, kMostOutput);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/// Progress bars redraw their line with carriage returns: what they show last counts, and hints in colour are no reasons.
std::string last_words(const std::string& text) {
  std::string last;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    if (line.find_first_not_of(" \t") != std::string::npos && line.find("\x1b[") == std::string::npos) last = line;
    begin = end + 1;
  }
  return show_text(last, 300);
}

/// Reads along until both streams end and the process does.
void follow(detail::StartedProcess& process, const std::atomic<bool>& stop, double seconds, HfAnswer& answer) {
  const Stopwatch watch;
  while (process.running() || process.output.get() >= 0 || process.error.get() >= 0) {
    if (stop.load() || watch.seconds() >= seconds) {
      answer.stopped = true;
      return;
    }
    if (!process.running() && process.output.get() < 0 && process.error.get() < 0) return;
    std::array<pollfd, 2> files{pollfd{process.output.get(), POLLIN, 0}, pollfd{process.error.get(), POLLIN, 0}};
    ::poll(files.data(), files.size(), 50);
    if (files[0].revents != 0 && !read_some(process.output, answer.output)) process.output.close();
    if (files[1].revents != 0 && !read_some(process.error, answer.output)) process.error.close();
    // A helper that outlives the program may hold the streams open for ever.
    if (!process.running() && files[0].revents == 0 && files[1].revents == 0) return;
  }
}

}  // namespace

bool has_hf() { return !detail::bp::search_path("hf").empty(); }

HfAnswer run_hf(const std::vector<std::string>& words, const std::atomic<bool>& stop, double seconds) {
  HfAnswer answer;
  std::vector<std::string> command{"hf"};
  command.insert(command.end(), words.begin(), words.end());
  try {
    auto process = detail::start_process(command, [](auto& /*executor*/) {});
    process.input.close();
    follow(process, stop, seconds, answer);
    process.kill_group();
    answer.done = !answer.stopped && WIFEXITED(process.status) && WEXITSTATUS(process.status) == 0;
    answer.output = without_tokens(answer.output);
    answer.words = last_words(answer.output);
    if (answer.words.empty()) answer.words = answer.stopped ? "it took too long" : "hf " + process.how_it_ended();
  } catch (const std::exception& error) {
    answer.words = error.what();
  }
  return answer;
}

std::string without_tokens(std::string text) {
  constexpr const char* kHidden = "(token)";
  if (const char* token = std::getenv("HF_TOKEN"); token != nullptr && *token != '\0') {
    const std::string_view secret = token;
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) text.replace(at, secret.size(), kHidden);
  }
  for (std::size_t at = text.find("hf_"); at != std::string::npos; at = text.find("hf_", at + 1)) {
    std::size_t end = at + 3;
    while (end < text.size() && std::isalnum(static_cast<unsigned char>(text[end])) != 0) ++end;
    if (end - at - 3 >= kShortestToken) text.replace(at, end - at, kHidden);
  }
  return text;
}

std::string show_command(const std::vector<std::string>& words) {
  std::string text = "hf";
  for (const std::string& word : words) {
    const bool plain = !word.empty() && word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./@:+,=") ==
                                            std::string::npos;
    std::string quoted = "'";
    for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    text += " " + (plain ? word : quoted + "'");
  }
  return text;
}

}  // namespace grpo
