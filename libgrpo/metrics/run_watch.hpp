/// Looks at every logged step for signs that a run goes wrong or that a reward is being gamed. Each rule says what it saw, what to
/// do, and which completions show it. It judges; the terminal and the report show.
///
/// Rules (exact texts in run_watch.cpp): no_signal, ratio_clipping, kl_runaway, length_cap, repeated_phrases,
/// reward_without_correctness, format_only_gain, held_out_flat. Which reward is one of correctness is told by its name (audit.hpp).
#pragma once

#include "libgrpo/metrics/audit.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace grpo {

struct Alarm {
  std::string id, title, message, advice, rule;
  std::int64_t first = 0, last = 0, count = 0;  ///< steps, and how often it fired
  std::vector<std::string> examples;            ///< audit_key()s, at most kMostExamples, of the first firings
};

inline constexpr std::size_t kMostExamples = 6;

class RunWatch {
 public:
  using Metrics = std::map<std::string, double>;

  RunWatch(std::vector<AuditColumn> columns, std::int64_t max_completion_length);

  /// A logged step. Returns the alarms that fired for the first time.
  std::vector<Alarm> step(std::int64_t step, const Metrics& metrics, const std::vector<AuditGroup>& groups);
  /// An evaluation on held-out prompts ("eval_rewards/<name>/mean"). Likewise.
  std::vector<Alarm> evaluation(std::int64_t step, const Metrics& metrics);

  /// All that ever fired, in the order of their first time.
  [[nodiscard]] const std::vector<Alarm>& alarms() const { return alarms_; }
  /// Alarms of the part of a run before a resume: they are known already.
  void restore(std::vector<Alarm> alarms) { alarms_ = std::move(alarms); }

 private:
  struct Seen;
  struct Rule;
  static const std::vector<Rule>& rules();
  void fire(const Rule& rule, std::int64_t step, const std::string& message, const std::vector<std::string>& examples,
            std::vector<Alarm>& fresh);
  [[nodiscard]] double mean(const std::string& name, std::size_t first, std::size_t last) const;
  [[nodiscard]] std::string gain_without_correctness(const std::string& name, double least) const;
  [[nodiscard]] std::vector<std::string> wrong_but_rewarded(const std::vector<AuditGroup>& groups) const;
  [[nodiscard]] Seen no_signal(const std::vector<AuditGroup>& groups) const;
  [[nodiscard]] Seen ratio_clipping(const std::vector<AuditGroup>& groups) const;
  [[nodiscard]] Seen kl_runaway(const std::vector<AuditGroup>& groups) const;
  [[nodiscard]] Seen length_cap(const std::vector<AuditGroup>& groups) const;
  [[nodiscard]] Seen repeated_phrases(const std::vector<AuditGroup>& groups) const;
  [[nodiscard]] Seen reward_without_correctness(const std::vector<AuditGroup>& groups) const;
  [[nodiscard]] Seen format_only_gain(const std::vector<AuditGroup>& groups) const;

  std::vector<AuditColumn> columns_;
  std::int64_t max_completion_length_;
  std::deque<Metrics> recent_;  // the last logged steps, oldest first
  std::vector<Alarm> alarms_;
  double reward_sum_ = 0.0, reward_before_ = 0.0;  // since the last evaluation, and the mean before it
  std::int64_t reward_steps_ = 0, reward_steps_before_ = 0;
  Metrics last_evaluation_;
};

}  // namespace grpo
