/// Finding <think> and <answer> in a completion.
///
/// Plain searches, linear in the text and without recursion: completions are hostile, and std::regex overflows the
/// stack on long ones. White space is ASCII's, with the separators 0x1C to 0x1F, as Python's \s counts them.
#pragma once

#include <optional>
#include <string_view>

namespace grpo {

enum class TagCase { exact, any };  ///< "<answer>" alone, or "<Answer>" and "<ANSWER>" too

/// `text` without white space at both ends.
std::string_view trim(std::string_view text) noexcept;

/// Where `tag` (in lower case, beginning with '<') first stands at or after `from`; npos if nowhere.
std::size_t find_tag(std::string_view text, std::string_view tag, TagCase tag_case, std::size_t from = 0) noexcept;

/// What stands between the first <answer> and the next </answer>, trimmed; empty optional if there is no such pair.
/// The view points into `text`.
std::optional<std::string_view> first_answer(std::string_view text, TagCase tag_case) noexcept;

/// True if `text` begins with <think> and has </think>, <answer> and </answer> behind it in this order, any case.
bool begins_with_think_then_answer(std::string_view text) noexcept;

/// True if `text` is one <answer>...</answer> without '<' inside, white space around it allowed.
bool is_one_answer(std::string_view text) noexcept;

/// True if `text` is <think>...</think> and <answer>...</answer>, each of the four tags once, with nothing but white
/// space before, between and behind.
bool is_think_then_answer(std::string_view text) noexcept;

}  // namespace grpo
