#include "libgrpo/text/score_merges.hpp"

#include "libgrpo/base/error.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <tuple>

namespace grpo {
namespace {

constexpr std::size_t kMaxTokenBytes = 1024;

struct Candidate {
  double score;
  std::size_t left_length, right_length;  // in characters
  std::int32_t id, left, right;
};

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

}  // namespace

BpeModel::Merges merges_of_scores(const TokenTable& table, const std::vector<double>& scores, const std::vector<bool>& joins) {
  const std::vector<std::string>& tokens = table.tokens();
  const auto part = [&](std::string_view text) {
    const std::int32_t id = table.find(text);
    return id >= 0 && joins[static_cast<std::size_t>(id)] ? id : -1;
  };
  std::vector<Candidate> candidates;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const std::string_view token = tokens[id];
    if (!std::isfinite(scores[id])) throw Error(ErrorKind::data, fmt::format("the score of token {} ('{}') is {}", id, token, scores[id]));
    if (part(token) != static_cast<std::int32_t>(id)) continue;
    if (token.size() > kMaxTokenBytes) {
      throw Error(ErrorKind::data,
                  fmt::format("token {} has {} bytes: at most {} can be joined by score", id, token.size(), kMaxTokenBytes));
    }
    const auto length = static_cast<std::size_t>(std::count_if(token.begin(), token.end(), begins_character));
    std::size_t left_length = 0;
    for (std::size_t at = 1; at < token.size(); ++at) {
      if (!begins_character(token[at])) continue;
      ++left_length;
      const std::int32_t left = part(token.substr(0, at));
      const std::int32_t right = left < 0 ? -1 : part(token.substr(at));
      if (right < 0) continue;
      candidates.push_back({scores[id], left_length, length - left_length, static_cast<std::int32_t>(id), left, right});
    }
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tuple(-a.score, b.left_length, b.right_length, a.id, a.left, a.right) <
           std::tuple(-b.score, a.left_length, a.right_length, b.id, b.left, b.right);
  });
  BpeModel::Merges merges;
  merges.reserve(candidates.size());
  for (const Candidate& one : candidates)
    merges.emplace_back(tokens[static_cast<std::size_t>(one.left)], tokens[static_cast<std::size_t>(one.right)]);
  return merges;
}

}  // namespace grpo
