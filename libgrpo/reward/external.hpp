/// Rewards that live outside the library: programs, servers, shared libraries. Internal to reward/.
///
/// What goes out for a completion, and what comes back, is the same for programs and servers:
///
///     {"id": 7, "prompt": "text", "messages": [{"role": "user", "content": "..."}], "completion": "text", "solution": "72",
///      "columns": {"level": "3"}, "source": "train.jsonl:17", "tokens": 93, "finish": "stop"}
///     {"id": 7, "reward": 0.5, "reason": "why this value"}  or  {"id": 7, "not_applicable": true}  or  {"id": 7, "error": "why it failed"}
///
/// Bytes that are no UTF-8 go out as U+FFFD. "reward": null is not applicable.
#pragma once

#include "libgrpo/reward/reward_fn.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::detail {

/// The reward that commands, urls or libraries of the settings call `name`; null if none does. throws: Error{recipe}, naming the option
std::unique_ptr<RewardFn> make_external(std::string_view name, const RewardSettings& settings);

/// throws: Error{recipe} if an option is no table, names a reward that is not among `rewards`, one of the library's, or one that
/// another option names
void check_external(const RewardSettings& settings, const std::vector<std::string>& rewards);

/// A process that reads lines and writes lines, started when the first completion comes. `words`: program and arguments.
std::unique_ptr<RewardFn> make_program_reward(std::string name, std::vector<std::string> words, const RewardSettings& settings);

/// A server that takes {"items": [...]} in a POST and answers {"verdicts": [...]}. throws: Error{recipe} if the url is wrong
std::unique_ptr<RewardFn> make_http_reward(std::string name, const std::string& url, const RewardSettings& settings);

/// The reward in a shared library (plugin.hpp). throws: Error{recipe} if it cannot be loaded or is of another version
std::unique_ptr<RewardFn> make_library_reward(std::string name, const std::string& path, const RewardSettings& settings);

/// The object that goes out, without line breaks.
std::string item_json(std::uint64_t id, const Prompt& prompt, const Completion& completion);

/// What came back: an id, where there is one, and a verdict. broken: this is no answer of the protocol, so whoever gave it cannot be
/// trusted to be in step any more; the verdict then is failed, too.
struct Answer {
  std::optional<std::uint64_t> id;
  Reward verdict;
  bool broken = false;
};
Answer read_answer(std::string_view json);
/// The verdicts of {"verdicts": [...]}, in the order of the ids, which count up from `first`. What is missing is failed.
std::vector<Reward> read_answers(std::string_view json, std::uint64_t first, std::size_t count);

}  // namespace grpo::detail
