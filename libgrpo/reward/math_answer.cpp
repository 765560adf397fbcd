// Where the final answer stands in a completion. Plain searches, linear in the text.
#include "libgrpo/reward/answer_tags.hpp"
#include "libgrpo/reward/math_verify.hpp"

#include <algorithm>

namespace grpo {
namespace {

std::optional<std::string_view> last_answer_tag(std::string_view text) {
  const std::size_t end = text.rfind("</answer>");
  if (end == std::string_view::npos) return std::nullopt;
  const std::size_t begin = text.substr(0, end).rfind("<answer>");
  if (begin == std::string_view::npos) return std::nullopt;
  return trim(text.substr(begin + 8, end - begin - 8));
}

// The end of a sentence: a line's end, or a point that no digit follows and white space or nothing does.
std::size_t sentence_end(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') return i;
    if (text[i] == '.' && (i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == '\n' || text[i + 1] == '\r')) return i;
  }
  return text.size();
}

std::optional<std::string_view> phrase(std::string_view text) {
  constexpr std::string_view kWord = "nswer";  // Answer or answer
  for (std::size_t at = text.rfind(kWord); at != std::string_view::npos; at = at == 0 ? at : text.rfind(kWord, at - 1)) {
    if (at == 0) return std::nullopt;
    std::string_view rest = text.substr(at + kWord.size());
    while (rest.starts_with("*")) rest.remove_prefix(1);
    std::size_t skip = 0;
    for (const std::string_view link : {" is:", " is", ":", " =", " should be", " must be"}) {
      if (skip == 0 && rest.starts_with(link)) skip = link.size();
    }
    if (skip == 0) continue;
    rest = rest.substr(skip, std::min<std::size_t>(rest.size() - skip, 8192));
    while (!rest.empty() && (rest[0] == '*' || rest[0] == ':' || rest[0] == ' ' || rest[0] == '\n')) rest.remove_prefix(1);
    rest = trim(rest.substr(0, sentence_end(rest)));
    while (rest.ends_with("*")) rest.remove_suffix(1);
    return rest.empty() ? std::nullopt : std::optional(rest);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> last_boxed(std::string_view text) {
  std::optional<std::string_view> best;
  std::size_t best_at = 0;
  for (const std::string_view name : {"\\boxed", "\\fbox"}) {
    for (std::size_t at = text.rfind(name), tries = 0; at != std::string_view::npos && tries < 16; ++tries) {
      std::size_t begin = at + name.size();
      while (begin < text.size() && text[begin] == ' ') ++begin;
      if (begin < text.size() && text[begin] == '{') {
        int depth = 0;
        std::size_t end = begin;
        const std::size_t stop = std::min(text.size(), begin + 8192);
        for (; end < stop; ++end) {
          if (text[end] == '\\')
            ++end;
          else if (text[end] == '{')
            ++depth;
          else if (text[end] == '}' && --depth == 0)
            break;
        }
        if (end < stop) {
          if (!best || at > best_at) {
            best = trim(text.substr(begin + 1, end - begin - 1));
            best_at = at;
          }
          break;
        }
      }
      if (at == 0) break;
      at = text.rfind(name, at - 1);
    }
  }
  if (best) {
    if (const auto inner = last_boxed(*best)) return inner;
  }
  return best;
}

std::optional<std::string_view> find_math_answer(std::string_view completion) {
  if (const std::size_t think = completion.rfind("</think>"); think != std::string_view::npos) completion.remove_prefix(think + 8);
  if (const auto tagged = last_answer_tag(completion)) {
    const auto boxed = last_boxed(*tagged);
    return boxed ? boxed : tagged;
  }
  if (const auto boxed = last_boxed(completion)) return boxed;
  return phrase(completion);
}

}  // namespace grpo
