#include "libgrpo/metrics/profile.hpp"

#include "libgrpo/metrics/progress.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace grpo {

void Profile::add(const std::vector<PhaseSample>& phases, double seconds) {
  auto behind = phases_.end();  // where a phase that is new goes
  for (const PhaseSample& phase : phases) {
    const auto known = std::find_if(phases_.begin(), phases_.end(), [&](const PhaseSample& p) { return p.name == phase.name; });
    if (known == phases_.end()) {
      behind = std::next(phases_.insert(phase.inside ? behind : phases_.end(), phase));
      continue;
    }
    known->seconds += phase.seconds;
    known->tokens += phase.tokens;
    known->flops += phase.flops;
    behind = std::next(known);
  }
  seconds_ += seconds;
  ++steps_;
}

std::string Profile::line(const PhaseSample& phase, double all) const {
  const double seconds = std::max(phase.seconds, 1e-12);
  std::string text = fmt::format("{:<14} {:>8.3f} {:>6.1f} %", (phase.inside ? "  " : "") + phase.name, phase.seconds / steps_,
                                 100.0 * phase.seconds / std::max(all, 1e-12));
  text += phase.tokens > 0.0 ? fmt::format(" {:>10.1f}", phase.tokens / seconds) : fmt::format("{:>11}", "");
  text += phase.flops > 0.0 ? fmt::format(" {:>9.1f}", phase.flops / seconds / 1e9) : fmt::format("{:>10}", "");
  text += phase.flops > 0.0 && peak_flops_ > 0.0 ? fmt::format(" {:>6.1f} %", 100.0 * phase.flops / seconds / peak_flops_)
                                                 : fmt::format("{:>9}", "");
  if (phase.peak_bytes > 0.0) text += fmt::format(" {:>10}", show_bytes(phase.peak_bytes));
  return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
}

std::string Profile::table(double wall, double behind, double peak_bytes) const {
  if (steps_ == 0) return {};
  const double all = std::max(wall, seconds_ + behind);
  std::string text = fmt::format("{:<14} {:>8} {:>8} {:>10} {:>9} {:>8} {:>10}   ({} step{})\n", "phase", "s/step", "share", "tokens/s",
                                 "GFLOP/s", "of peak", "memory", steps_, steps_ == 1 ? "" : "s");
  double named = 0.0;
  for (const PhaseSample& phase : phases_) {
    text += line(phase, all);
    if (!phase.inside) named += phase.seconds;
  }
  text += line({.name = "other", .seconds = std::max(seconds_ - named, 0.0)}, all);
  text += line({.name = "between steps", .seconds = all - seconds_ - behind}, all);
  text += line({.name = "after the last", .seconds = behind}, all);
  if (peak_flops_ > 0.0) text += fmt::format("GEMM peak      {:.1f} GFLOP/s\n", peak_flops_ / 1e9);
  return text + fmt::format("peak memory    {}\n", show_bytes(peak_bytes));
}

}  // namespace grpo
