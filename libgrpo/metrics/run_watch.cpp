#include "libgrpo/metrics/run_watch.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace grpo {
namespace {

constexpr std::size_t kWindow = 20;  // logged steps that trends look at: two halves
constexpr double kGain = 0.05, kNoGain = 0.01, kSolved = 0.9;

double value_of(const RunWatch::Metrics& metrics, const std::string& name) {
  const auto found = metrics.find(name);
  return found == metrics.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
}

std::string column_mean(const AuditColumn& column) { return "rewards/" + column.name + "/mean"; }

/// Keys of the completions that fit, up to the most that an alarm shows.
template <class Fits>
std::vector<std::string> keys_of(const std::vector<AuditGroup>& groups, Fits&& fits) {
  std::vector<std::string> keys;
  for (const AuditGroup& group : groups)
    for (std::size_t i = 0; i < group.completions.size() && keys.size() < kMostExamples; ++i)
      if (fits(group.completions[i])) keys.push_back(audit_key(group, i));
  return keys;
}

}  // namespace

/// What a rule saw; an empty message: nothing.
struct RunWatch::Seen {
  std::string message;
  std::vector<std::string> examples;
};

struct RunWatch::Rule {
  const char *id, *title, *advice, *rule;
  Seen (RunWatch::*judge)(const std::vector<AuditGroup>& groups) const;  // null: judged elsewhere
};

const std::vector<RunWatch::Rule>& RunWatch::rules() {
  static const std::vector<Rule> all = {
      {"no_signal", "No group teaches anything",
       "Take easier or harder prompts, more num_generations, a higher temperature, or dynamic_sampling.",
       "frac_reward_zero_std is 1 in 3 logged steps in a row", &RunWatch::no_signal},
      {"ratio_clipping", "Nearly every token is clipped", "Lower learning_rate or num_iterations, or raise epsilon.",
       "clip_ratio/region_mean above 0.8 in a step", &RunWatch::ratio_clipping},
      {"kl_runaway", "The policy runs away from the reference",
       "Lower learning_rate, raise beta, or set kl_target, kl_horizon and kl_ctl_step_size.",
       "kl above 1 nat per token in 3 logged steps in a row, or its mean over 5 above 0.2 and three times that of the 5 before",
       &RunWatch::kl_runaway},
      {"length_cap", "Most completions end at the cap", "Raise max_completion_length, or let brevity pay with soft_overlong_punishment.",
       "completions/clipped_ratio at 0.8 or above in a step", &RunWatch::length_cap},
      {"repeated_phrases", "Completions repeat themselves", "Add repetition_penalty to reward_funcs, or lower learning_rate.",
       "a quarter of a step's completions, two at least, consist of repeated phrases: half of their runs of four words were there "
       "before, or one character stands 64 times in a row",
       &RunWatch::repeated_phrases},
      {"reward_without_correctness", "Reward rises, correctness does not",
       "Read the completions below: what is rewarded that is not right? Weigh correctness higher, or close the gap in the reward.",
       "reward rose by 0.05 or more from one half of the last 20 logged steps to the other, and no correctness reward by 0.01",
       &RunWatch::reward_without_correctness},
      {"format_only_gain", "Only the form gains", "Give the format reward a smaller weight, or make it part of the reward for the answer.",
       "a format reward rose by 0.05 or more from one half of the last 20 logged steps to the other, and no correctness reward by 0.01",
       &RunWatch::format_only_gain},
      {"held_out_flat", "Reward rises, held-out prompts do not follow",
       "More training prompts, fewer epochs, or stop here: the policy learns its prompts by heart, or games the reward.",
       "the mean reward since the last evaluation is 0.05 or more above that before it, and no correctness reward on held-out prompts "
       "rose by 0.005",
       nullptr},
  };
  return all;
}

RunWatch::RunWatch(std::vector<AuditColumn> columns, std::int64_t max_completion_length)
    : columns_(std::move(columns)), max_completion_length_(max_completion_length) {}

/// Of the recent steps first .. last-1; NaN if none has it.
double RunWatch::mean(const std::string& name, std::size_t first, std::size_t last) const {
  double sum = 0.0, count = 0.0;
  for (std::size_t i = first; i < last; ++i) {
    const double value = value_of(recent_[i], name);
    if (!std::isfinite(value)) continue;
    sum += value;
    count += 1.0;
  }
  return count > 0.0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

RunWatch::Seen RunWatch::no_signal(const std::vector<AuditGroup>& groups) const {
  if (recent_.size() < 3) return {};
  for (std::size_t i = recent_.size() - 3; i < recent_.size(); ++i)
    if (!(value_of(recent_[i], "frac_reward_zero_std") >= 1.0 - 1e-9)) return {};
  Seen seen{"In every group all completions got the same reward, three logged steps in a row, so the advantages are 0.", {}};
  for (const AuditGroup& group : groups)
    if (seen.examples.size() < kMostExamples && !group.completions.empty()) seen.examples.push_back(audit_key(group, 0));
  return seen;
}

RunWatch::Seen RunWatch::ratio_clipping(const std::vector<AuditGroup>& /*groups*/) const {
  const double clipped = value_of(recent_.back(), "clip_ratio/region_mean");
  if (!(clipped > 0.8)) return {};
  return {fmt::format("{:.0f} % of the tokens had a ratio outside the clipping range: they give no gradient.", 100.0 * clipped), {}};
}

RunWatch::Seen RunWatch::kl_runaway(const std::vector<AuditGroup>& /*groups*/) const {
  const std::size_t n = recent_.size();
  const double now = value_of(recent_.back(), "kl");
  if (n >= 3 && now > 1.0 && value_of(recent_[n - 2], "kl") > 1.0 && value_of(recent_[n - 3], "kl") > 1.0)
    return {fmt::format("The KL to the reference is {:.2f} nats per token.", now), {}};
  if (n < 10) return {};
  const double last = mean("kl", n - 5, n), before = mean("kl", n - 10, n - 5);
  if (!(last > 0.2 && last > 3.0 * before)) return {};
  return {fmt::format("The KL to the reference went from {:.3f} to {:.3f} nats per token within ten logged steps.", before, last), {}};
}

RunWatch::Seen RunWatch::length_cap(const std::vector<AuditGroup>& groups) const {
  const double cut = value_of(recent_.back(), "completions/clipped_ratio");
  if (!(cut >= 0.8)) return {};
  return {fmt::format("{:.0f} % of the completions of the step were cut off at max_completion_length = {}.", 100.0 * cut,
                      max_completion_length_),
          keys_of(groups, [](const AuditCompletion& c) { return c.truncated; })};
}

RunWatch::Seen RunWatch::repeated_phrases(const std::vector<AuditGroup>& groups) const {
  std::size_t all = 0, repeated = 0;
  for (const AuditGroup& group : groups)
    for (const AuditCompletion& completion : group.completions) {
      ++all;
      repeated += repeats_itself(completion.text) ? 1 : 0;
    }
  if (repeated < 2 || 4 * repeated < all) return {};
  return {fmt::format("{} of the {} completions of the step say the same over and over.", repeated, all),
          keys_of(groups, [](const AuditCompletion& c) { return repeats_itself(c.text); })};
}

/// "reward rose from 0.20 to 0.41 ..., while accuracy went from 0.10 to 0.10" if it did, correctness did not, and has room to.
std::string RunWatch::gain_without_correctness(const std::string& name, double least) const {
  if (recent_.size() < kWindow) return {};
  const auto halves = [this](const std::string& key) { return std::pair(mean(key, 0, kWindow / 2), mean(key, kWindow / 2, kWindow)); };
  const auto [from, to] = halves(name);
  if (!(to - from >= least)) return {};
  std::string rest;
  for (const AuditColumn& column : columns_) {
    if (column.kind != RewardKind::correctness) continue;
    const auto [before, after] = halves(column_mean(column));
    if (!(after - before < kNoGain) || after >= kSolved) return {};
    rest += fmt::format("{}{} went from {:.3f} to {:.3f}", rest.empty() ? "" : " and ", column.name, before, after);
  }
  if (rest.empty()) return {};
  return fmt::format("rose from {:.3f} to {:.3f} over the last {} logged steps, while {}.", from, to, kWindow, rest);
}

/// The best rewarded completions that no correctness reward calls right, best first.
std::vector<std::string> RunWatch::wrong_but_rewarded(const std::vector<AuditGroup>& groups) const {
  std::vector<std::pair<double, std::string>> found;
  for (const AuditGroup& group : groups)
    for (std::size_t i = 0; i < group.completions.size(); ++i) {
      const AuditCompletion& completion = group.completions[i];
      bool right = false;
      for (std::size_t c = 0; c < std::min(columns_.size(), completion.rewards.size()); ++c)
        right = right || (columns_[c].kind == RewardKind::correctness && completion.rewards[c].value.value_or(0.0) > 0.0);
      if (!right) found.emplace_back(-completion.total, audit_key(group, i));
    }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < std::min(found.size(), kMostExamples); ++i) keys.push_back(found[i].second);
  return keys;
}

RunWatch::Seen RunWatch::reward_without_correctness(const std::vector<AuditGroup>& groups) const {
  const std::string gain = gain_without_correctness("reward", kGain);
  return gain.empty() ? Seen{} : Seen{"The reward " + gain, wrong_but_rewarded(groups)};
}

RunWatch::Seen RunWatch::format_only_gain(const std::vector<AuditGroup>& groups) const {
  for (const AuditColumn& column : columns_) {
    if (column.kind != RewardKind::format) continue;
    const std::string gain = gain_without_correctness(column_mean(column), kGain);
    if (!gain.empty()) return {column.name + " " + gain, wrong_but_rewarded(groups)};
  }
  return {};
}

void RunWatch::fire(const Rule& rule, std::int64_t step, const std::string& message, const std::vector<std::string>& examples,
                    std::vector<Alarm>& fresh) {
  auto known = std::find_if(alarms_.begin(), alarms_.end(), [&](const Alarm& alarm) { return alarm.id == rule.id; });
  if (known == alarms_.end()) {
    alarms_.push_back({rule.id, rule.title, message, rule.advice, rule.rule, step, step, 1, examples});
    fresh.push_back(alarms_.back());
    return;
  }
  known->last = step;
  ++known->count;
  known->message = message;
}

std::vector<Alarm> RunWatch::step(std::int64_t step, const Metrics& metrics, const std::vector<AuditGroup>& groups) {
  recent_.push_back(metrics);
  if (recent_.size() > kWindow) recent_.pop_front();
  if (const double reward = value_of(metrics, "reward"); std::isfinite(reward)) {
    reward_sum_ += reward;
    ++reward_steps_;
  }
  std::vector<Alarm> fresh;
  for (const Rule& rule : rules()) {
    if (rule.judge == nullptr) continue;
    const Seen seen = (this->*rule.judge)(groups);
    if (!seen.message.empty()) fire(rule, step, seen.message, seen.examples, fresh);
  }
  return fresh;
}

std::vector<Alarm> RunWatch::evaluation(std::int64_t step, const Metrics& metrics) {
  std::vector<Alarm> fresh;
  const double now = reward_steps_ > 0 ? reward_sum_ / static_cast<double>(reward_steps_) : 0.0;
  bool flat = reward_steps_ > 0 && reward_steps_before_ > 0 && now - reward_before_ >= kGain;
  std::string told;
  for (const AuditColumn& column : columns_) {
    if (column.kind != RewardKind::correctness) continue;
    const std::string name = "eval_rewards/" + column.name + "/mean";
    const double before = value_of(last_evaluation_, name), after = value_of(metrics, name);
    flat = flat && after - before < 0.005 && after < kSolved;
    told += fmt::format("{}{} on held-out prompts went from {:.3f} to {:.3f}", told.empty() ? "" : " and ", column.name, before, after);
  }
  if (flat && !told.empty())
    fire(rules().back(), step,
         fmt::format("The mean reward rose from {:.3f} to {:.3f} between two evaluations, while {}.", reward_before_, now, told), {},
         fresh);
  if (reward_steps_ > 0) {
    reward_before_ = now;
    reward_steps_before_ = reward_steps_;
  }
  reward_sum_ = 0.0;
  reward_steps_ = 0;
  last_evaluation_ = metrics;
  return fresh;
}

}  // namespace grpo
