#include "libgrpo/eval/random_guess.hpp"

#include "libgrpo/base/random.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using Json = nlohmann::json;

constexpr std::array<const char*, 5> kForms = {"\\boxed{{{}}}", "<answer>{}</answer>", "<think></think><answer>{}</answer>",
                                               "<think>\n</think>\n<answer>\n{}\n</answer>", "{}"};

std::string written(const char* form, const std::string& answer) { return fmt::format(fmt::runtime(form), answer); }

/// The numbers in a random order, any two neighbours joined until one expression is left.
std::string random_expression(const Json& numbers, RandomStream& stream) {
  std::vector<std::string> parts;
  for (const Json& number : numbers) parts.push_back(number.dump());
  for (std::size_t i = parts.size(); i > 1; --i) std::swap(parts[i - 1], parts[stream.next_below(static_cast<std::uint32_t>(i))]);
  while (parts.size() > 1) {
    const std::size_t at = stream.next_below(static_cast<std::uint32_t>(parts.size() - 1));
    parts[at] = fmt::format("({} {} {})", parts[at], "+-*/"[stream.next_below(4)], parts[at + 1]);
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
  return parts.empty() ? std::string() : parts.front();
}

std::string random_colours(const Json& puzzle, RandomStream& stream) {
  std::string colours;
  const auto partial = puzzle.at("partial").get<std::string>();
  const auto count = puzzle.at("colours").get<std::uint32_t>();
  for (const char c : partial)
    if (c == '?') colours += std::to_string(1 + stream.next_below(count));
  return colours;
}

/// Answers that other questions have.
class Guesser {
 public:
  explicit Guesser(const std::vector<Prompt>& prompts) : prompts_(prompts) {}

  std::string guess(std::size_t question, RandomStream& stream) const {
    const Prompt& prompt = prompts_[question];
    const Json puzzle = Json::parse(prompt.solution, nullptr, false);
    if (puzzle.is_object() && puzzle.contains("numbers") && puzzle["numbers"].is_array())
      return random_expression(puzzle["numbers"], stream);
    if (puzzle.is_object() && puzzle.contains("partial") && puzzle.contains("colours")) return random_colours(puzzle, stream);
    auto other = stream.next_below(static_cast<std::uint32_t>(prompts_.size() - 1));
    if (other >= question) ++other;
    const std::vector<std::string> answers = answers_of(prompts_[other]);
    return answers[stream.next_below(static_cast<std::uint32_t>(answers.size()))];
  }

  /// Right answers of a question, at least one.
  static std::vector<std::string> answers_of(const Prompt& prompt) {
    const auto column = prompt.columns.find("answers");
    const Json list = column == prompt.columns.end() ? Json() : Json::parse(column->second, nullptr, false);
    std::vector<std::string> answers;
    if (list.is_array())
      for (const Json& one : list) answers.push_back(one.is_string() ? one.get<std::string>() : one.dump());
    if (answers.empty()) answers.push_back(prompt.solution);
    return answers;
  }

 private:
  const std::vector<Prompt>& prompts_;
};

Group group_of(const Prompt& prompt, std::vector<std::string> texts) {
  Group group{prompt, {}};
  for (std::string& text : texts) {
    group.completions.emplace_back();
    group.completions.back().text = std::move(text);
    group.completions.back().finish = FinishReason::stop;
  }
  return group;
}

/// How many of these the first reward finds right.
std::size_t found_right(const std::vector<Group>& groups, const RewardSet& rewards) {
  const RewardTable table = rewards.score(groups);
  const auto& verdicts = table.columns.front().rewards;
  return static_cast<std::size_t>(
      std::count_if(verdicts.begin(), verdicts.end(), [](const Reward& r) { return r.has_value() && r.value() >= 1.0; }));
}

/// Guesses of the puzzles are drawn until one form is ever right; of the others the gold answers tell.
const char* choose_form(const std::vector<Prompt>& prompts, const Guesser& guesser, const RewardSet& rewards, std::uint64_t seed) {
  constexpr std::size_t kTried = 32, kGuesses = 200;
  for (const char* form : kForms) {
    std::vector<Group> golds, guesses;
    for (std::size_t i = 0; i < std::min(kTried, prompts.size()); ++i) {
      golds.push_back(group_of(prompts[i], {written(form, Guesser::answers_of(prompts[i]).front())}));
      RandomStream stream(seed, "guess.form", i);
      std::vector<std::string> texts;
      for (std::size_t g = 0; g < kGuesses; ++g) texts.push_back(written(form, guesser.guess(i, stream)));
      guesses.push_back(group_of(prompts[i], std::move(texts)));
    }
    const std::size_t right = found_right(guesses, rewards);
    if (right == kGuesses * guesses.size()) return nullptr;  // it does not look at the answer
    if (2 * found_right(golds, rewards) >= golds.size() || right > 0) return form;
  }
  return nullptr;
}

}  // namespace

std::optional<std::vector<AnsweredQuestion>> random_guess(const std::vector<Prompt>& prompts, const RewardSet& rewards, std::int64_t n,
                                                          std::uint64_t seed) {
  if (prompts.size() < 2) return std::nullopt;
  const Guesser guesser(prompts);
  const char* form = choose_form(prompts, guesser, rewards, seed);
  if (form == nullptr) return std::nullopt;
  std::vector<AnsweredQuestion> all;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    RandomStream stream(seed, "guess", i);
    std::vector<std::string> texts;
    for (std::int64_t g = 0; g < n; ++g) texts.push_back(written(form, guesser.guess(i, stream)));
    const Group group = group_of(prompts[i], std::move(texts));
    all.push_back(answered(i, group, rewards.score({group})));
  }
  return all;
}

}  // namespace grpo
