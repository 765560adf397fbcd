#include "libgrpo/metrics/live_block.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace grpo {
namespace {

constexpr const char* kDim = "2";
constexpr const char* kBold = "1";
constexpr const char* kRed = "31";
constexpr std::array<const char*, 6> kPhaseColors = {"34", "32", "33", "35", "36", "90"};
constexpr std::array<const char*, 4> kPhaseShades = {"█", "▓", "▒", "░"};
constexpr std::size_t kSparks = 24;

/// Characters on the screen: all that is written here is one column wide.
std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string repeat(const char* glyph, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += glyph;
  return text;
}

}  // namespace

/// Cells beside each other; one that does not fit ends the line.
struct LiveBlock::Line {
  std::size_t room;
  bool colors;
  std::string text = {};
  bool full = false;

  void raw(const std::string& part, const char* style, bool gap) {
    const std::size_t width = columns_of(part) + (gap && !text.empty() ? 2 : 0);
    if (full || width > room) {
      full = true;
      return;
    }
    room -= width;
    if (gap && !text.empty()) text += "  ";
    text += colors && style != nullptr ? fmt::format("\033[{}m{}\033[0m", style, part) : part;
  }
  void cell(const std::string& part, const char* style = nullptr) { raw(part, style, true); }
  void label(const char* name) { raw(fmt::format("{:<7}", name), kDim, false); }
  /// "name value", both or neither
  void pair(const std::string& name, const std::string& value) {
    if (columns_of(name) + columns_of(value) + 3 > room) full = true;
    cell(name, kDim);
    raw(" " + value, nullptr, false);
  }
  void metric(const ProgressStep& step, const char* key, const char* name, const char* format, double scale = 1.0) {
    const auto found = step.metrics.find(key);
    if (found != step.metrics.end()) pair(name, fmt::format(fmt::runtime(format), scale * found->second));
  }
};

void LiveBlock::bar_line(Line& line) const {
  const double share = static_cast<double>(now_.step) / static_cast<double>(std::max<std::int64_t>(total_steps_, 1));
  const double per_step = seconds_ / static_cast<double>(now_.step - first_step_);
  line.label("step");
  line.cell(fmt::format("{}/{}", now_.step, total_steps_), kBold);
  const std::string rest = fmt::format("{:3.0f} %", 100.0 * share);
  const std::string eta = show_duration(per_step * static_cast<double>(total_steps_ - now_.step));
  const std::size_t others = rest.size() + eta.size() + 10;
  const std::size_t width = std::min<std::size_t>(40, line.room > others ? line.room - others : 0);
  if (width >= 8) {
    const auto filled = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width));
    line.cell(repeat("━", filled), "34");
    line.raw(repeat("─", width - filled), kDim, filled == 0);
  }
  line.cell(rest);
  line.pair("eta", eta);
}

void LiveBlock::reward_line(Line& line) const {
  line.label("reward");
  const auto reward = now_.metrics.find("reward");
  line.cell(reward == now_.metrics.end() ? std::string("-") : fmt::format("{:.3f}", reward->second), kBold);
  line.cell(sparkline(rewards_, std::min(kSparks, line.room / 3)), "34");
  for (const auto& [name, value] : now_.metrics)
    if (name.starts_with("rewards/") && name.ends_with("/mean")) line.pair(name.substr(8, name.size() - 13), fmt::format("{:.3f}", value));
}

void LiveBlock::policy_line(Line& line) const {
  line.label("policy");
  line.metric(now_, "kl", "kl", "{:.4f}");
  line.metric(now_, "entropy", "entropy", "{:.3f}");
  line.metric(now_, "grad_norm", "grad", "{:.2f}");
  line.metric(now_, "learning_rate", "lr", "{:.2g}");
  line.metric(now_, "beta", "beta", "{:.3g}");
  line.metric(now_, "tau", "tau", "{:.3g}");
  line.metric(now_, "weight_entropy", "weight-entropy", "{:.2f}");
  const auto skipped = now_.metrics.find("skipped_steps");
  if (skipped != now_.metrics.end() && skipped->second > 0.0) line.cell("SKIPPED: the gradient was not finite", kRed);
}

void LiveBlock::length_line(Line& line) const {
  line.label("length");
  line.metric(now_, "completions/mean_length", "mean", "{:.1f}");
  line.metric(now_, "completions/max_length", "max", "{:.0f}");
  line.metric(now_, "completions/clipped_ratio", "at the cap", "{:.0f} %", 100.0);
  line.metric(now_, "frac_reward_zero_std", "no signal", "{:.0f} %", 100.0);
}

/// A bar of the step's phases as long as they took, then each with its seconds and tokens per second.
void LiveBlock::time_line(Line& line) const {
  line.label("time");
  line.cell(fmt::format("{:.1f} s", now_.seconds), kBold);
  auto phases = now_.phases;
  std::stable_sort(phases.begin(), phases.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  const auto look = [&](std::size_t i) {
    return std::pair(colors_ ? "█" : kPhaseShades[std::min(i, kPhaseShades.size() - 1)],
                     kPhaseColors[std::min(i, kPhaseColors.size() - 1)]);
  };
  const std::size_t width = line.room >= 30 ? std::min<std::size_t>(20, line.room / 4) : 0;
  std::size_t used = 0;
  for (std::size_t i = 0; i < phases.size() && width > 0; ++i) {
    const double share = phases[i].second / std::max(now_.seconds, 1e-9);
    const auto part = std::min(width - used, static_cast<std::size_t>(std::lround(share * static_cast<double>(width))));
    if (part > 0) line.raw(repeat(look(i).first, part), look(i).second, used == 0);
    used += part;
  }
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const auto& [name, seconds] = phases[i];
    if (seconds < 0.005 * now_.seconds) continue;
    const bool samples = name == "sample", passes = name == "train" || name == "score" || name == "reference";
    const double tokens = samples ? now_.sampled_tokens : passes ? now_.packed_tokens : 0.0;
    const std::string text =
        fmt::format(" {} {:.2g} s{}", name, seconds, tokens > 0.0 ? fmt::format(", {:.0f} tok/s", tokens / seconds) : "");
    if (columns_of(text) + 3 > line.room) break;
    line.cell(look(i).first, look(i).second);
    line.raw(text, nullptr, false);
  }
}

void LiveBlock::memory_line(Line& line) const {
  line.label("memory");
  line.cell(now_.memory_bytes > 0.0 ? show_bytes(now_.memory_bytes) + " at most" : std::string("-"));
  if (now_.checkpoint_step >= 0)
    line.pair("checkpoint", fmt::format("{}, {} ago", now_.checkpoint_step, show_duration(now_.checkpoint_age)));
  else
    line.pair("checkpoint", "none yet");
}

void LiveBlock::now_line(Line& line) const {
  line.label("now");
  line.cell(fmt::format("{} {}", phase_, show_duration(since_.seconds())));
}

std::vector<std::string> LiveBlock::render() const {
  // The last column stays empty: a terminal that wraps there would add a line.
  const auto room = static_cast<std::size_t>(std::max(columns_() - 1, 8));
  std::vector<std::string> lines;
  const auto add = [&](void (LiveBlock::*part)(Line&) const) {
    Line line{room, colors_};
    (this->*part)(line);
    lines.push_back(std::move(line.text));
  };
  if (first_step_ >= 0)
    for (const auto part : {&LiveBlock::bar_line, &LiveBlock::reward_line, &LiveBlock::policy_line, &LiveBlock::length_line,
                            &LiveBlock::time_line, &LiveBlock::memory_line})
      add(part);
  if (!phase_.empty()) add(&LiveBlock::now_line);
  return lines;
}

void LiveBlock::erase() {
  if (drawn_ > 0) out_ << fmt::format("\033[{}A\r\033[J", drawn_);
  drawn_ = 0;
}

void LiveBlock::draw() {
  const auto lines = render();
  std::string text;
  for (const std::string& line : lines) text += line + "\033[K\n";
  if (drawn_ > 0) text = fmt::format("\033[{}A\r", drawn_) + text;  // over the old one, so that nothing flickers
  drawn_ = lines.size();
  out_ << text << "\033[J" << std::flush;
}

void LiveBlock::step(const ProgressStep& s) {
  const std::lock_guard lock(mutex_);
  if (first_step_ < 0) first_step_ = s.step - 1;
  seconds_ += s.seconds;
  now_ = s;
  if (const auto reward = s.metrics.find("reward"); reward != s.metrics.end() && std::isfinite(reward->second))
    rewards_.push_back(reward->second);
  if (rewards_.size() > kSparks) rewards_.erase(rewards_.begin());
  draw();
}

void LiveBlock::phase(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  phase_ = name;
  since_ = Stopwatch();
  if (!ticker_.joinable()) ticker_ = std::thread([this] { tick(); });
}

/// Phases of milliseconds are not drawn: only what is seen at a full second.
void LiveBlock::tick() {
  std::unique_lock lock(mutex_);
  while (!end_.wait_for(lock, std::chrono::seconds(1), [this] { return ended_; }))
    if (!phase_.empty()) draw();
}

void LiveBlock::finish() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    phase_.clear();
    if (drawn_ > 0) draw();
    drawn_ = 0;
  }
  end_.notify_all();
  if (ticker_.joinable()) ticker_.join();
}

LiveBlock::~LiveBlock() { finish(); }

void LiveBlock::say(const std::function<void()>& print) {
  const std::lock_guard lock(mutex_);
  const bool shown = drawn_ > 0;
  erase();
  out_ << std::flush;
  print();
  if (shown) draw();
}

int terminal_columns() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

bool wants_colors() {
  const char* none = std::getenv("NO_COLOR");
  return none == nullptr || *none == '\0';
}

}  // namespace grpo
