/// What the listwise objectives of MaxEnt-GRPO share: target weights per group (target_weights.hpp), the controllers of tau and
/// beta, and the way a gradient that is known per completion reaches the tokens.
///
/// Which groups take part: a completion without a reward (failed, not applicable) or masked as truncated is left out of its
/// group; a group with fewer than two completions left, or whose rewards are all equal
/// (maxent_listwise_skip_zero_variance_groups, on by default), contributes nothing: no loss, no gradient, no forward pass, and
/// it is not counted in the mean over groups. With the option off, equal rewards ask for equal probabilities (tilted by the
/// reference where beta > 0).
#pragma once

#include "libgrpo/config/objective_options.hpp"
#include "libgrpo/objective/kl_controller.hpp"
#include "libgrpo/objective/objective.hpp"
#include "libgrpo/objective/tau_controller.hpp"
#include "libgrpo/objective/token_loss.hpp"

#include <cstdint>
#include <vector>

namespace grpo {

/// Target weights of one step's groups.
struct Targets {
  /// One group that takes part; members are its completions that do.
  struct Group {
    std::vector<std::size_t> members;  ///< indices into the batch
    std::vector<double> weights;       ///< w, sums to 1
  };
  std::vector<Group> groups;
  std::vector<double> weights;     ///< [N], 0 for completions that take no part
  std::size_t groups_in_step = 0;  ///< those that take no part included
  std::map<std::string, double> metrics;
};

class Maxent : public Objective {
 public:
  Maxent(const ObjectiveOptions& options, const MaxentOptions& maxent, const ObjectiveContext& context);

  [[nodiscard]] bool needs_reference() const override { return options_.beta > 0.0; }
  [[nodiscard]] Loss loss(const LossInput& input) const override { return token_loss_(input, 0.0); }
  void observe(const std::map<std::string, double>& metrics) override;
  [[nodiscard]] std::string state() const override;
  void restore(const std::string& state) override;

  [[nodiscard]] double tau() const { return tau_.tau(); }
  [[nodiscard]] double beta() const { return kl_.beta(); }

 protected:
  [[nodiscard]] Targets targets(const CreditInput& input) const;
  /// Log-probs of whole completions under the current policy: sums, or means per token with
  /// maxent_length_normalize_policy. shape: -> [N]
  [[nodiscard]] std::vector<double> sequence_log_probs(const CreditInput& input) const;
  /// Adds a term with d term / d sequence log-prob = `gradient` [N] and the given value.
  void add_linear(Credit& credit, const CreditInput& input, const std::vector<double>& gradient, double value) const;
  /// A credit with weights, activity and metrics, and no term yet.
  [[nodiscard]] Credit start(const CreditInput& input, const Targets& targets) const;

  ObjectiveOptions options_;
  MaxentOptions maxent_;
  ObjectiveContext context_;

 private:
  TokenLoss token_loss_;
  TauController tau_;
  KlController kl_;
};

}  // namespace grpo
