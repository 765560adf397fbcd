/// Where the time of a run went, phase by phase: the table that --profile prints.
///
/// Seconds are the trainer's own (StepReport::phases). What a step spent outside its named phases is the line "other"; what
/// passed between steps (evaluation, checkpoints, logs) is the line "between steps", what passed behind the last one (its checkpoint, which
/// no step hides) "after the last". It measures nothing itself.
#pragma once

#include <string>
#include <vector>

namespace grpo {

/// One phase of one step.
struct PhaseSample {
  std::string name;
  double seconds = 0.0;
  double tokens = 0.0;      ///< that the phase worked through; 0: its cost has no such measure
  double flops = 0.0;       ///< that it could not do without; 0: likewise
  double peak_bytes = 0.0;  ///< the most memory that the process had by the end of the phase; 0: not known
  bool inside = false;      ///< a part of the last phase that is not inside one, which counts its seconds
};

class Profile {
 public:
  /// unit: floating-point operations a second that shares are of; 0: not known
  void set_peak(double peak_flops) { peak_flops_ = peak_flops; }
  /// `seconds`: the whole step
  void add(const std::vector<PhaseSample>& phases, double seconds);
  /// One line per phase in the order phases first ran: seconds per step, share of all, tokens a second, operations a second and their
  /// share of the peak, and the most memory by the end of the phase when it ran first: where it grows, that phase needs it.
  /// `wall`: seconds from the first step's start to now, `behind`: those of them after the last step and what followed it;
  /// `peak_bytes`: see peak_resident_bytes(). Empty before the first step.
  [[nodiscard]] std::string table(double wall, double behind, double peak_bytes) const;

 private:
  [[nodiscard]] std::string line(const PhaseSample& phase, double all) const;

  std::vector<PhaseSample> phases_;  // sums over steps; peak_bytes of the first
  double peak_flops_ = 0.0, seconds_ = 0.0;
  int steps_ = 0;
};

}  // namespace grpo
