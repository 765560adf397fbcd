/// One question with its completions and verdicts, as a line of JSON: what statistics are made of, and what a run that goes on reads back.
///
///     {"question": 3, "id": "9f0c...", "source": "test.jsonl:4", "prompt": "...", "solution": "72", "known_modes": null,
///      "completions": [{"text": "...", "tokens": 41, "finish_reason": "stop", "mode": "72", "rewards": {"math_verify": 1.0}}]}
///
/// A reward is a number, null (not applicable) or {"failed": "why"}.
#pragma once

#include "libgrpo/types/group.hpp"
#include "libgrpo/types/reward.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// One completion of an answered question.
struct Answer {
  std::string text;
  std::int64_t tokens = 0;
  FinishReason finish = FinishReason::length;
  std::string mode;              ///< what it answers, as the first reward reads it; empty: nothing it could find
  std::vector<Reward> verdicts;  ///< of each reward
};

struct AnsweredQuestion {
  std::size_t question = 0;  ///< which one of the set, from 0
  std::uint64_t id = 0;      ///< Prompt::id
  std::string source, prompt, solution;
  /// How many right answers there are that differ, from a whole number in the row's column "solutions".
  std::optional<std::int64_t> known_modes;
  std::vector<Answer> answers;
};

/// `rewards` are those of this group alone.
AnsweredQuestion answered(std::size_t question, const Group& group, const RewardTable& rewards);

/// Group number `group` of several, whose completions begin at `first` of the table's rows.
AnsweredQuestion answered(std::size_t question, const Group& group, const RewardTable& rewards, std::size_t first);

/// Without the line's end. Text that is no UTF-8 is replaced where it is not.
std::string to_json_line(const AnsweredQuestion& one, const std::vector<std::string>& reward_names);

/// throws: Error{data} saying what is wrong, without file and line
AnsweredQuestion read_answered(std::string_view line, const std::vector<std::string>& reward_names);

}  // namespace grpo
