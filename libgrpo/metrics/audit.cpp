#include "libgrpo/metrics/audit.hpp"

#include <algorithm>
#include <unordered_set>

namespace grpo {
namespace {

bool names_any(std::string_view name, const std::vector<std::string_view>& words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return name.find(word) != std::string_view::npos; });
}

std::vector<std::string_view> words_of(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n\f\v";
  std::vector<std::string_view> words;
  for (std::size_t at = text.find_first_not_of(kSpaces); at != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kSpaces, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kSpaces, end);
  }
  return words;
}

}  // namespace

RewardKind reward_kind(std::string_view name) {
  if (names_any(name, {"format", "tag", "length", "overlong", "repetition", "reasoning_steps"})) return RewardKind::format;
  if (names_any(name, {"accuracy", "correct", "verify", "countdown", "graph_colouring", "choice", "exact", "unit_test", "mbpp", "solved"}))
    return RewardKind::correctness;
  return RewardKind::other;
}

std::string_view to_string(RewardKind kind) {
  return kind == RewardKind::correctness ? "correctness" : kind == RewardKind::format ? "format" : "other";
}

double AuditGroup::mean_reward() const {
  double sum = 0.0;
  for (const AuditCompletion& completion : completions) sum += completion.total;
  return completions.empty() ? 0.0 : sum / static_cast<double>(completions.size());
}

double AuditGroup::reward_spread() const {
  if (completions.empty()) return 0.0;
  const auto [low, high] = std::minmax_element(completions.begin(), completions.end(),
                                               [](const AuditCompletion& a, const AuditCompletion& b) { return a.total < b.total; });
  return high->total - low->total;
}

bool repeats_itself(std::string_view text) {
  std::size_t run = 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    run = text[i] == text[i - 1] ? run + 1 : 0;
    if (run >= 63) return true;
  }
  const auto words = words_of(text);
  constexpr std::size_t kWords = 24, kRun = 4;
  if (words.size() < kWords) return false;
  std::unordered_set<std::string_view> seen;  // parts of the text, from the first word to the last
  for (std::size_t i = 0; i + kRun <= words.size(); ++i) {
    const std::string_view last = words[i + kRun - 1];
    seen.insert({words[i].data(), static_cast<std::size_t>(last.data() + last.size() - words[i].data())});
  }
  return 2 * seen.size() <= words.size() - kRun + 1;
}

std::string audit_key(const AuditGroup& group, std::size_t completion) {
  return std::to_string(group.step) + "/" + std::to_string(group.index) + "/" + std::to_string(completion);
}

}  // namespace grpo
