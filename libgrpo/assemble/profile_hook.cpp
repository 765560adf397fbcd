#include "libgrpo/assemble/profile_hook.hpp"

#include "libgrpo/base/peak_memory.hpp"
#include "libgrpo/policy/work.hpp"
#include "libgrpo/tensor/gemm_peak.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <limits>

namespace grpo {
namespace {

/// What some completions cost to pass forward, all in one part.
struct PassWork {
  double rows = 0.0, scored = 0.0, flops = 0.0;
  PassWork(const ModelConfig& config, const Batch& batch, const std::vector<bool>& active) {
    for (const Part& part : batch.parts(std::numeric_limits<std::int64_t>::max(), active)) {
      rows += static_cast<double>(part.tree.rows);
      scored += static_cast<double>(part.targets.numel());
      flops += forward_flops(config, part);
    }
  }
};

/// A step's phases with their tokens and operations. Several ranks share the work.
std::vector<PhaseSample> phase_samples(const StepReport& report, const ModelConfig& config, int ranks) {
  const Batch batch(report.groups);
  const PassWork all(config, batch, {}), trained(config, batch, report.trained);
  const auto share = 1.0 / ranks;
  std::vector<PhaseSample> samples;
  const auto add = [&](const std::string& name, double seconds, double tokens, double flops, double peak, bool inside = false) {
    samples.push_back({name, seconds, tokens, share * flops, peak, inside});
  };
  for (std::size_t i = 0; i < report.phases.size(); ++i) {
    const auto& [name, seconds] = report.phases[i];
    const double peak = report.phase_peaks[i];
    if (name == "sample")
      add(name, seconds, all.scored, all.flops, peak);
    else if (name == "reference" || name == "score")
      add(name, seconds, all.rows, all.flops, peak);
    else if (name == "train")
      add(name, seconds, trained.rows, 3.0 * trained.flops, peak);
    else
      add(name, seconds, 0.0, 0.0, peak);
    if (name != "train") continue;
    for (const auto& [pass, spent] : report.passes)
      add(pass, spent, trained.rows, (pass == "forward" ? 1.0 : 2.0) * trained.flops, 0.0, true);
  }
  return samples;
}

}  // namespace

void ProfileHook::before_run(std::int64_t /*step*/) { watch_ = Stopwatch(); }

void ProfileHook::after_step(StepReport& report) {
  if (wanted()) profile_.add(phase_samples(report, assembly_.model.policy->config(), assembly_.world.size()), report.seconds);
  since_last_ = Stopwatch();
}

void ProfileHook::after_run(std::int64_t /*step*/, bool /*stopped*/) {
  if (!wanted()) return;
  const double wall = watch_.seconds(), behind = since_last_.seconds(), peak_bytes = peak_resident_bytes();
  profile_.set_peak(measure_gemm_peak());  // at the end, so that a profiled run starts as fast as another
  out_ << '\n' << profile_.table(wall, behind, peak_bytes) << '\n';
}

}  // namespace grpo
