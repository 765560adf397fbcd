#include "libgrpo/eval/statistics.hpp"

#include "libgrpo/eval/estimators.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <optional>

namespace grpo {
namespace {

bool counts(const Answer& answer) { return !answer.verdicts.empty() && answer.verdicts.front().has_value(); }
bool is_right(const Answer& answer) { return counts(answer) && answer.verdicts.front().value() >= 1.0; }

/// What the estimators need of one question.
struct Tally {
  std::int64_t counted = 0, right = 0, silent = 0;
  std::vector<Votes> votes;
  std::vector<std::int64_t> right_modes;  // completions of each right answer
};

Tally tally(const AnsweredQuestion& one) {
  Tally t;
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> by_mode;  // given, right
  for (const Answer& answer : one.answers) {
    if (!counts(answer)) continue;
    const bool right = is_right(answer);
    ++t.counted;
    t.right += right ? 1 : 0;
    if (answer.mode.empty()) {
      ++t.silent;
      if (right) t.right_modes.push_back(1);
      continue;
    }
    auto& [given, found_right] = by_mode[answer.mode];
    ++given;
    found_right += right ? 1 : 0;
  }
  for (const auto& [mode, seen] : by_mode) {
    t.votes.push_back({seen.first, static_cast<double>(seen.second) / static_cast<double>(seen.first)});
    if (seen.second > 0) t.right_modes.push_back(seen.second);
  }
  return t;
}

double share_right(const Tally& t) { return static_cast<double>(t.right) / static_cast<double>(t.counted); }

/// Means over the questions that have a value.
class Collector {
 public:
  explicit Collector(const Bootstrap& rule) : rule_(rule) {}

  template <class Items, class Value>
  void add(const std::string& name, const Items& items, Value value) {
    std::vector<double> values;
    for (const auto& item : items)
      if (const std::optional<double> found = value(item)) values.push_back(*found);
    if (!values.empty()) found_.emplace_back(name, bootstrap_mean(values, rule_));
  }
  NamedEstimates take() { return std::move(found_); }

 private:
  const Bootstrap& rule_;
  NamedEstimates found_;
};

using MaybeValue = std::optional<double>;

void add_at_k(Collector& figures, const std::vector<Tally>& tallies, const std::vector<AnsweredQuestion>& questions, std::int64_t k) {
  const auto at_k = [k](auto value) { return [k, value](const Tally& t) { return t.counted < k ? MaybeValue() : MaybeValue(value(t)); }; };
  figures.add(fmt::format("pass@{}", k), tallies, at_k([k](const Tally& t) { return pass_at_k(t.counted, t.right, k); }));
  figures.add(fmt::format("maj@{}", k), tallies, at_k([k](const Tally& t) { return majority_at_k(t.votes, t.silent, k); }));
  figures.add(fmt::format("distinct@{}", k), tallies, at_k([k](const Tally& t) { return distinct_at_k(t.counted, t.right_modes, k); }));
  std::vector<std::size_t> indices(questions.size());
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = i;
  figures.add(fmt::format("coverage@{}", k), indices, [&](std::size_t i) {
    const Tally& t = tallies[i];
    const auto& known = questions[i].known_modes;
    return !known || t.counted < k ? MaybeValue() : MaybeValue(distinct_at_k(t.counted, t.right_modes, k) / static_cast<double>(*known));
  });
}

/// The mean of `value` over those completions of a question that have one.
MaybeValue mean_over(const AnsweredQuestion& one, const std::function<MaybeValue(const Answer&)>& value) {
  double sum = 0.0, count = 0.0;
  for (const Answer& answer : one.answers) {
    const MaybeValue found = value(answer);
    if (!found) continue;
    sum += *found;
    count += 1.0;
  }
  return count == 0.0 ? MaybeValue() : MaybeValue(sum / count);
}

void add_completions(Collector& figures, const std::vector<AnsweredQuestion>& questions, const std::vector<std::string>& reward_names) {
  const auto add = [&](const std::string& name, const std::function<MaybeValue(const Answer&)>& value) {
    figures.add(name, questions, [&](const AnsweredQuestion& one) { return mean_over(one, value); });
  };
  for (std::size_t r = 0; r < reward_names.size(); ++r)
    add("rewards/" + reward_names[r],
        [r](const Answer& a) { return a.verdicts[r].has_value() ? MaybeValue(a.verdicts[r].value()) : MaybeValue(); });
  add("tokens", [](const Answer& a) { return MaybeValue(static_cast<double>(a.tokens)); });
  add("cut", [](const Answer& a) { return MaybeValue(a.finish == FinishReason::length ? 1.0 : 0.0); });
  const auto has_failed = [](const Answer& a) { return !a.verdicts.empty() && a.verdicts.front().kind() == Reward::Kind::failed; };
  if (std::any_of(questions.begin(), questions.end(),
                  [&](const AnsweredQuestion& one) { return std::any_of(one.answers.begin(), one.answers.end(), has_failed); }))
    add("failed", [&](const Answer& a) { return MaybeValue(has_failed(a) ? 1.0 : 0.0); });
}

}  // namespace

NamedEstimates eval_statistics(const std::vector<AnsweredQuestion>& questions, const std::vector<std::string>& reward_names,
                               const EvalShape& shape, const Bootstrap& rule) {
  std::vector<Tally> tallies;
  for (const AnsweredQuestion& one : questions) tallies.push_back(tally(one));
  Collector figures(rule);
  figures.add(shape.n == 1 ? "accuracy" : fmt::format("mean@{}", shape.n), tallies,
              [](const Tally& t) { return t.counted == 0 ? MaybeValue() : MaybeValue(share_right(t)); });
  if (shape.n > 1)
    for (const std::int64_t k : shape.ks) add_at_k(figures, tallies, questions, k);
  add_completions(figures, questions, reward_names);
  return figures.take();
}

Estimate eval_difference(const std::vector<AnsweredQuestion>& ours, const std::vector<AnsweredQuestion>& theirs, const Bootstrap& rule) {
  std::map<std::size_t, double> their_share;
  for (const AnsweredQuestion& one : theirs)
    if (const Tally t = tally(one); t.counted > 0) their_share[one.question] = share_right(t);
  std::vector<double> differences;
  for (const AnsweredQuestion& one : ours) {
    const Tally t = tally(one);
    const auto other = their_share.find(one.question);
    if (t.counted > 0 && other != their_share.end()) differences.push_back(share_right(t) - other->second);
  }
  return differences.empty() ? Estimate() : bootstrap_mean(differences, rule);
}

}  // namespace grpo
