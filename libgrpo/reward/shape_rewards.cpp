// Rewards that look at the shape of a text: tags and steps. Plain searches, linear in the text.
#include "libgrpo/reward/answer_tags.hpp"
#include "libgrpo/reward/builtin.hpp"

#include <algorithm>

namespace grpo::detail {
namespace {

std::size_t occurrences(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

bool digit(char c) { return c >= '0' && c <= '9'; }

// Length of digits and then `end` at the front of the text; 0 if it does not begin so.
std::size_t numbered(std::string_view text, char end) {
  std::size_t at = 0;
  while (at < text.size() && digit(text[at])) ++at;
  return at > 0 && at < text.size() && text[at] == end ? at + 1 : 0;
}

// "Step 1:", "1." where the text begins, a line that begins with - or *, "First,", "Second,", "Next,", "Finally,".
std::size_t steps(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    std::size_t length = at == 0 ? numbered(rest, '.') : 0;
    if (length == 0 && rest.starts_with("Step ")) {
      const std::size_t number = numbered(rest.substr(5), ':');
      if (number > 0) length = 5 + number;
    }
    for (const std::string_view word : {"\n-", "\n*", "First,", "Second,", "Next,", "Finally,"}) {
      if (length == 0 && rest.starts_with(word)) length = word.size();
    }
    count += length > 0 ? 1 : 0;
    at += std::max<std::size_t>(length, 1);
  }
  return count;
}

}  // namespace

std::unique_ptr<RewardFn> make_tag_count() {
  return make_reward("tag_count", [](const Prompt&, const Completion& completion) {
    double value = 0.0;
    for (const std::string_view tag : {"<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>"})
      value += occurrences(completion.text, tag) == 1 ? 0.25 : 0.0;
    return Reward::of(value);
  });
}

std::unique_ptr<RewardFn> make_think_format() {
  return make_reward("think_format", [](const Prompt&, const Completion& completion) {
    const std::string_view text = completion.text;
    const bool once = text.starts_with("<think>") && text.find("<think>", 7) == std::string_view::npos;
    return Reward::of(once && text.find("</think>", 7) != std::string_view::npos ? 1.0 : 0.0);
  });
}

std::unique_ptr<RewardFn> make_reasoning_steps() {
  return make_reward("reasoning_steps", [](const Prompt&, const Completion& completion) {
    return Reward::of(std::min(1.0, static_cast<double>(steps(completion.text)) / 3.0));
  });
}

}  // namespace grpo::detail
