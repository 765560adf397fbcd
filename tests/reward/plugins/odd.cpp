// A plugin that misbehaves by request.
#include "libgrpo/reward/plugin.hpp"

#include <limits>
#include <stdexcept>

struct Odd {
  explicit Odd(std::string_view) {}
  [[nodiscard]] grpo::plugin::Verdict score(const grpo::plugin::Item& item) const {
    using grpo::plugin::Verdict;
    if (item.completion == "throw") throw std::runtime_error("no such planet");
    if (item.completion == "seven") throw 7;
    if (item.completion == "long") return Verdict::failed(std::string(100000, 'x'));
    if (item.completion == "inf") return Verdict::of(std::numeric_limits<double>::infinity());
    if (item.completion == "see")
      return Verdict::of(1.0, std::string(item.prompt) + "|" + std::string(item.completion) + "|" + std::string(item.solution) + "|" +
                                  std::string(item.columns) + "|" + std::to_string(item.tokens) + "|" +
                                  std::to_string(item.truncated ? 1 : 0));
    return Verdict::of(static_cast<double>(item.completion.size()));
  }
};

GRPO_REWARD_PLUGIN(Odd)
