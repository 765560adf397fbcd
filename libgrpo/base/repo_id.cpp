#include "libgrpo/base/repo_id.hpp"

#include <algorithm>

namespace grpo {
namespace {

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_repo_name(std::string_view name) {
  const auto allowed = [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; };
  const auto edge = [](char c) { return c == '.' || c == '-'; };
  return !name.empty() && name.size() <= 96 && std::all_of(name.begin(), name.end(), allowed) && !edge(name.front()) &&
         !edge(name.back()) && name.find("..") == std::string_view::npos && name.find("--") == std::string_view::npos;
}

}  // namespace

bool is_repo_id(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return is_repo_name(text);
  return is_repo_name(text.substr(0, slash)) && is_repo_name(text.substr(slash + 1));
}

}  // namespace grpo
