#include "libgrpo/reward/answer_tags.hpp"

namespace grpo {
namespace {

constexpr std::string_view kThink = "<think>";
constexpr std::string_view kThinkEnd = "</think>";
constexpr std::string_view kAnswer = "<answer>";
constexpr std::string_view kAnswerEnd = "</answer>";

bool is_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f'); }

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_in_any_case(std::string_view text, std::string_view tag) noexcept {
  if (text.size() != tag.size()) return false;
  for (std::size_t i = 0; i < tag.size(); ++i) {
    if (lower(text[i]) != tag[i]) return false;
  }
  return true;
}

// Takes `tag` off the front of `text`; false if it is not there.
bool take(std::string_view& text, std::string_view tag) noexcept {
  if (!text.starts_with(tag)) return false;
  text.remove_prefix(tag.size());
  return true;
}

}  // namespace

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::size_t find_tag(std::string_view text, std::string_view tag, TagCase tag_case, std::size_t from) noexcept {
  if (tag_case == TagCase::exact) return text.find(tag, from);
  for (std::size_t at = text.find('<', from); at != std::string_view::npos; at = text.find('<', at + 1)) {
    if (equal_in_any_case(text.substr(at, tag.size()), tag)) return at;
  }
  return std::string_view::npos;
}

std::optional<std::string_view> first_answer(std::string_view text, TagCase tag_case) noexcept {
  // If the first <answer> has no </answer> behind it, no later one has.
  const std::size_t open = find_tag(text, kAnswer, tag_case);
  if (open == std::string_view::npos) return std::nullopt;
  const std::size_t begin = open + kAnswer.size();
  const std::size_t end = find_tag(text, kAnswerEnd, tag_case, begin);
  if (end == std::string_view::npos) return std::nullopt;
  return trim(text.substr(begin, end - begin));
}

bool begins_with_think_then_answer(std::string_view text) noexcept {
  if (!equal_in_any_case(text.substr(0, kThink.size()), kThink)) return false;
  std::size_t at = kThink.size();
  for (const std::string_view tag : {kThinkEnd, kAnswer, kAnswerEnd}) {
    const std::size_t found = find_tag(text, tag, TagCase::any, at);
    if (found == std::string_view::npos) return false;
    at = found + tag.size();
  }
  return true;
}

bool is_one_answer(std::string_view text) noexcept {
  text = trim(text);
  return take(text, kAnswer) && text.find('<') == text.size() - kAnswerEnd.size() && text.ends_with(kAnswerEnd);
}

bool is_think_then_answer(std::string_view text) noexcept {
  text = trim(text);
  if (!take(text, kThink)) return false;
  const std::size_t think_end = text.find(kThinkEnd);
  if (think_end == std::string_view::npos) return false;
  const std::string_view thought = text.substr(0, think_end);
  std::string_view rest = trim(text.substr(think_end + kThinkEnd.size()));
  if (!take(rest, kAnswer) || !rest.ends_with(kAnswerEnd)) return false;
  const std::string_view answer = rest.substr(0, rest.size() - kAnswerEnd.size());
  for (const std::string_view part : {thought, answer}) {
    for (const std::string_view tag : {kThink, kThinkEnd, kAnswer, kAnswerEnd}) {
      if (part.find(tag) != std::string_view::npos) return false;
    }
  }
  return true;
}

}  // namespace grpo
