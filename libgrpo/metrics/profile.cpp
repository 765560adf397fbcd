#include "libgrpo/metrics/profile.hpp"

#include "libgrpo/metrics/progress.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace grpo {
namespace {

/// Tokens that a phase works through; 0: its cost has no such measure.
double tokens_of(const std::string& phase, const StepTokens& tokens) {
  if (phase == "sample") return tokens.sampled;
  return phase == "train" || phase == "score" || phase == "reference" ? tokens.packed : 0.0;
}

}  // namespace

void Profile::add(const std::vector<std::pair<std::string, double>>& phases, double seconds, const StepTokens& tokens) {
  for (const auto& [name, spent] : phases) {
    const auto known = std::find_if(phases_.begin(), phases_.end(), [&](const auto& phase) { return phase.first == name; });
    if (known == phases_.end()) {
      phases_.emplace_back(name, spent);
    } else {
      known->second += spent;
    }
  }
  seconds_ += seconds;
  tokens_.sampled += tokens.sampled;
  tokens_.packed += tokens.packed;
  ++steps_;
}

std::string Profile::table(double wall, double peak_bytes) const {
  if (steps_ == 0) return {};
  const double all = std::max(wall, seconds_);
  std::string text = fmt::format("phase           s/step   share   tokens/s   ({} step{})\n", steps_, steps_ == 1 ? "" : "s");
  const auto line = [&](const std::string& name, double spent) {
    const double tokens = tokens_of(name, tokens_);
    text += fmt::format("{:<14} {:>7.3f}  {:>5.1f} %", name, spent / steps_, 100.0 * spent / std::max(all, 1e-12));
    text += tokens > 0.0 && spent > 0.0 ? fmt::format("   {:>8.1f}\n", tokens / spent) : "\n";
  };
  double named = 0.0;
  for (const auto& [name, spent] : phases_) {
    line(name, spent);
    named += spent;
  }
  line("other", std::max(seconds_ - named, 0.0));
  line("between steps", all - seconds_);
  return text + fmt::format("peak memory    {}\n", show_bytes(peak_bytes));
}

}  // namespace grpo
