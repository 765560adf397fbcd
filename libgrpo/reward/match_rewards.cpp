// Rewards by a pattern or a letter.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/value.hpp"
#include "libgrpo/reward/answer_tags.hpp"
#include "libgrpo/reward/builtin.hpp"
#include "libgrpo/reward/math_verify.hpp"
#include "libgrpo/reward/reward_args.hpp"

#include <fmt/format.h>

#include <array>
#include <memory>

namespace grpo::detail {
namespace {

constexpr std::uint32_t kMatchSteps = 2000000;  // some tens of milliseconds
constexpr std::uint32_t kMatchKilobytes = 32768;

struct Free {
  void operator()(pcre2_code* code) const noexcept { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const noexcept { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const noexcept { pcre2_match_context_free(context); }
};
using Code = std::unique_ptr<pcre2_code, Free>;

std::string message(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

// throws: Error{recipe} with the place and the reason
Code compile(const std::string& pattern) {
  int code = 0;
  PCRE2_SIZE at = 0;
  Code compiled(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                              PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, nullptr));
  if (!compiled)
    throw Error(ErrorKind::recipe, fmt::format("the pattern {} is wrong at character {}: {}", show_text(pattern), at + 1, message(code)));
  return compiled;
}

Reward match(const pcre2_code& code, std::string_view text, bool whole) {
  const std::unique_ptr<pcre2_match_data, Free> data(pcre2_match_data_create(1, nullptr));
  const std::unique_ptr<pcre2_match_context, Free> context(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(context.get(), kMatchSteps);
  pcre2_set_heap_limit(context.get(), kMatchKilobytes);
  const std::uint32_t options = whole ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0U;
  const int result = pcre2_match(&code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, options, data.get(), context.get());
  if (result == PCRE2_ERROR_NOMATCH) return Reward::of(0.0);
  if (result < 0) return Reward::failed("regex: " + message(result));
  return Reward::of(1.0);
}

// A row's own pattern is compiled once for its completions.
class RegexReward final : public RewardFn {
 public:
  RegexReward(std::shared_ptr<pcre2_code> code, bool whole) : code_(std::move(code)), whole_(whole) {}
  [[nodiscard]] std::string_view name() const override { return "regex"; }
  [[nodiscard]] RetryRules retry_rules() const override { return {.by_completion = true}; }

  [[nodiscard]] std::vector<Reward> score(const Group& group) const override {
    const std::string& pattern = group.prompt.solution;
    if (!code_ && pattern.empty()) return std::vector<Reward>(group.completions.size(), Reward::not_applicable());
    try {
      const Code own = code_ ? nullptr : compile(pattern);
      std::vector<Reward> rewards;
      for (const Completion& completion : group.completions) rewards.push_back(match(code_ ? *code_ : *own, completion.text, whole_));
      return rewards;
    } catch (const Error& error) {
      return std::vector<Reward>(group.completions.size(), Reward::failed(error.what()));
    }
  }

 private:
  std::shared_ptr<pcre2_code> code_;
  bool whole_;
};

// The letter of "B", "(B)", "B.", "B) Paris" or "\text{B}"; 0 if there is none.
char letter_of(std::string_view text, std::string_view letters) {
  for (const std::string_view wrap : {"$", "\\textbf{", "\\text{", "\\mathrm{", "**", "("}) {
    if (text.starts_with(wrap)) text.remove_prefix(wrap.size());
  }
  if (text.empty()) return 0;
  const char letter = text[0] >= 'a' && text[0] <= 'z' ? static_cast<char>(text[0] - 'a' + 'A') : text[0];
  if (letters.find(letter) == std::string_view::npos) return 0;
  const char next = text.size() > 1 ? text[1] : ')';
  const bool ends = next == ')' || next == '.' || next == ':' || next == '}' || next == '$' || next == '*' || next == ',';
  return ends ? letter : 0;
}

}  // namespace

std::unique_ptr<RewardFn> make_regex(const RewardSettings& settings) {
  RewardArgs args("regex", settings.args);
  const std::string pattern = args.text("pattern", "");
  const bool whole = args.flag("full_match", false);
  args.done();
  const std::shared_ptr<pcre2_code> code = pattern.empty() ? nullptr : std::shared_ptr<pcre2_code>(compile(pattern).release(), Free{});
  return std::make_unique<RegexReward>(code, whole);
}

std::unique_ptr<RewardFn> make_choice(const RewardSettings& settings) {
  RewardArgs args("choice", settings.args);
  const std::string letters = args.text("letters", "ABCDEFGHIJ");
  args.done();
  for (const char c : letters) {
    if (c < 'A' || c > 'Z')
      throw Error(ErrorKind::recipe, fmt::format("reward_args: choice.letters = {}: expected capital letters", show_text(letters)));
  }
  return make_reward_with_mode(
      "choice",
      [letters](const Prompt& prompt, const Completion& completion) {
        const char gold = letter_of(trim(prompt.solution), letters);
        if (gold == 0) return Reward::not_applicable();
        const auto answer = find_math_answer(completion.text);
        return Reward::of(letter_of(answer ? *answer : trim(completion.text), letters) == gold ? 1.0 : 0.0);
      },
      [letters](const Completion& completion) {
        const auto answer = find_math_answer(completion.text);
        const char letter = letter_of(answer ? *answer : trim(completion.text), letters);
        return letter == 0 ? std::string() : std::string(1, letter);
      });
}

}  // namespace grpo::detail
