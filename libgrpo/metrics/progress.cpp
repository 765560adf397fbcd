#include "libgrpo/metrics/progress.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace grpo {
namespace {

std::string optional_metric(const std::map<std::string, double>& metrics, const char* key, const char* label, const char* format) {
  const auto found = metrics.find(key);
  return found == metrics.end() ? std::string() : fmt::format("  {} {}", label, fmt::format(fmt::runtime(format), found->second));
}

}  // namespace

std::string sparkline(const std::vector<double>& values, std::size_t width) {
  static constexpr std::array<const char*, 8> kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (values.empty()) return {};
  const std::size_t first = values.size() > width ? values.size() - width : 0;
  const auto [low, high] = std::minmax_element(values.begin() + static_cast<std::ptrdiff_t>(first), values.end());
  std::string line;
  for (std::size_t i = first; i < values.size(); ++i) {
    const double share = *high > *low ? (values[i] - *low) / (*high - *low) : 0.0;
    line += kBlocks[static_cast<std::size_t>(std::lround(share * 7.0))];
  }
  return line;
}

std::string show_duration(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  const auto whole = static_cast<long long>(std::llround(std::max(seconds, 0.0)));
  if (whole >= 3600) return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
  if (whole >= 60) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}s", whole);
}

std::string show_bytes(double bytes) {
  for (const auto& [unit, size] : {std::pair{"GB", 1e9}, std::pair{"MB", 1e6}, std::pair{"kB", 1e3}})
    if (bytes >= size) return fmt::format("{:.1f} {}", bytes / size, unit);
  return fmt::format("{:.0f} B", bytes);
}

void ProgressLine::step(const ProgressStep& s) {
  if (first_step_ < 0) first_step_ = s.step - 1;
  seconds_ += s.seconds;
  const auto& metrics = s.metrics;
  const double per_step = seconds_ / static_cast<double>(s.step - first_step_);
  std::string text = fmt::format("step {:>{}}/{}", s.step, std::to_string(total_steps_).size(), total_steps_);
  text += optional_metric(metrics, "reward", "reward", "{:6.3f}");
  text += optional_metric(metrics, "kl", "kl", "{:.4f}");
  text += optional_metric(metrics, "beta", "beta", "{:.3g}");
  text += optional_metric(metrics, "tau", "tau", "{:.3g}");
  text += optional_metric(metrics, "weight_entropy", "weight-entropy", "{:.2f}");
  text += optional_metric(metrics, "entropy", "entropy", "{:.3f}");
  text += optional_metric(metrics, "completions/mean_length", "len", "{:5.1f}");
  text += optional_metric(metrics, "frac_reward_zero_std", "no-signal", "{:.2f}");
  text += optional_metric(metrics, "grad_norm", "grad", "{:.2f}");
  text += fmt::format("  {:.0f} tok/s  {:.1f} s", s.packed_tokens / std::max(s.seconds, 1e-9), s.seconds);
  text += fmt::format("  eta {}", show_duration(per_step * static_cast<double>(total_steps_ - s.step)));
  if (const auto skipped = metrics.find("skipped_steps"); skipped != metrics.end() && skipped->second > 0.0)
    text += "  SKIPPED: the gradient was not finite";
  out_ << text << std::endl;
}

}  // namespace grpo
