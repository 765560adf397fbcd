#include "libgrpo/text/unigram_model.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/utf8.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace grpo {
namespace {

constexpr double kUnknownPenalty = 10.0;
constexpr std::size_t kMaxTokenBytes = 1024;  // every place of a text is compared with tokens of this length at most

struct Best {  // the best way to write the text up to here
  double score = 0;
  std::uint32_t begin = kNowhere;
  std::int32_t id = 0;
  static constexpr std::uint32_t kNowhere = std::numeric_limits<std::uint32_t>::max();
};

std::size_t character_length(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

}  // namespace

UnigramModel::UnigramModel(std::shared_ptr<const TokenTable> table, std::vector<double> scores, std::int32_t unknown_id, bool byte_fallback)
    : table_(std::move(table)), scores_(std::move(scores)), unknown_id_(unknown_id), byte_fallback_(byte_fallback) {
  if (scores_.size() != table_->tokens().size()) {
    throw Error(ErrorKind::data, fmt::format("unigram model: {} scores for {} tokens", scores_.size(), table_->tokens().size()));
  }
  if (unknown_id_ >= static_cast<std::int64_t>(scores_.size())) {
    throw Error(ErrorKind::data, fmt::format("unigram model: unk_id is {}, but there are {} tokens", unknown_id_, scores_.size()));
  }
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t id = 0; id < scores_.size(); ++id) {
    if (!std::isfinite(scores_[id])) {
      throw Error(ErrorKind::data, fmt::format("unigram model: the score of token {} ('{}') is {}: expected a finite "
                                               "log-probability",
                                               id, table_->tokens()[id], scores_[id]));
    }
    if (table_->tokens()[id].size() > kMaxTokenBytes) {
      throw Error(ErrorKind::data, fmt::format("unigram model: token {} has {} bytes: at most {} are supported", id,
                                               table_->tokens()[id].size(), kMaxTokenBytes));
    }
    lowest = std::min(lowest, scores_[id]);
  }
  unknown_score_ = lowest - kUnknownPenalty;
  build_trie();
}

/// Level by level over the sorted tokens: a node is a range of them that share a start.
void UnigramModel::build_trie() {
  const std::vector<std::string>& tokens = table_->tokens();
  std::vector<std::int32_t> order(tokens.size());
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](std::int32_t id) {
    const std::string& token = tokens[static_cast<std::size_t>(id)];
    return token.empty() || table_->find(token) != id;  // of equal tokens the later counts
  });
  const auto text = [&](std::size_t i) -> const std::string& { return tokens[static_cast<std::size_t>(order[i])]; };
  std::sort(order.begin(), order.end(),
            [&](std::int32_t a, std::int32_t b) { return tokens[static_cast<std::size_t>(a)] < tokens[static_cast<std::size_t>(b)]; });
  struct Range {
    std::size_t begin, end, depth;
  };
  std::vector<Range> ranges{{0, order.size(), 0}};  // of nodes_, by the same index
  nodes_.assign(1, Node{});
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    auto [at, end, depth] = ranges[n];
    if (n > 0 && at < end && text(at).size() == depth) nodes_[n].token = order[at++];
    nodes_[n].first = static_cast<std::uint32_t>(nodes_.size());
    while (at < end) {
      const auto byte = static_cast<unsigned char>(text(at)[depth]);
      const std::size_t begin = at;
      while (at < end && static_cast<unsigned char>(text(at)[depth]) == byte) ++at;
      nodes_.push_back({0, 0, byte, -1});
      ranges.push_back({begin, at, depth + 1});
      ++nodes_[n].count;
    }
  }
  roots_.fill(-1);
  for (std::uint32_t i = 0; i < nodes_[0].count; ++i) {
    roots_[nodes_[nodes_[0].first + i].byte] = static_cast<std::int32_t>(nodes_[0].first + i);
  }
}

const UnigramModel::Node* UnigramModel::child_of(const Node& node, unsigned char byte) const noexcept {
  const Node* begin = nodes_.data() + node.first;
  const Node* end = begin + node.count;
  const Node* found = node.count <= 8 ? std::find_if(begin, end, [byte](const Node& child) { return child.byte >= byte; })
                                      : std::lower_bound(begin, end, byte, [](const Node& a, unsigned char b) { return a.byte < b; });
  return found != end && found->byte == byte ? found : nullptr;
}

void UnigramModel::encode(std::string_view piece, std::vector<std::int32_t>& out) const {
  thread_local std::vector<Best> best;
  best.assign(piece.size() + 1, Best{});
  const auto offer = [&](std::size_t begin, std::size_t end, double score, std::int32_t id) {
    Best& target = best[end];
    if (target.begin != Best::kNowhere && score <= target.score) return;
    target = {score, static_cast<std::uint32_t>(begin), id};
  };
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t length = character_length(piece, at);
    const double here = best[at].score;
    bool covered = false;
    const std::int32_t root = roots_[static_cast<unsigned char>(piece[at])];
    const Node* node = root < 0 ? nullptr : &nodes_[static_cast<std::size_t>(root)];
    for (std::size_t end = at + 1; node != nullptr; ++end) {
      if (node->token >= 0) {
        offer(at, end, scores_[static_cast<std::size_t>(node->token)] + here, node->token);
        covered = covered || end - at == length;
      }
      if (end == piece.size()) break;
      node = child_of(*node, static_cast<unsigned char>(piece[end]));
    }
    if (!covered) {
      if (unknown_id_ < 0) refuse_unknown(piece.substr(at, length));
      offer(at, at + length, unknown_score_ + here, unknown_id_);
    }
    at += length;
  }
  thread_local std::vector<std::pair<std::uint32_t, std::uint32_t>> spans;  // from the end, unknown ones joined
  spans.clear();
  bool after_unknown = false;
  for (std::size_t end = piece.size(); end > 0;) {
    const Best& step = best[end];
    const bool unknown = unknown_id_ >= 0 && step.id == unknown_id_;
    if (unknown && after_unknown) {
      spans.back().first = step.begin;
    } else {
      spans.emplace_back(step.begin, static_cast<std::uint32_t>(end));
    }
    after_unknown = unknown;
    end = step.begin;
  }
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    const Best& step = best[span->second];
    if (step.begin == span->first && step.id != unknown_id_) {
      out.push_back(step.id);
    } else {
      push_text(piece.substr(span->first, span->second - span->first), out);
    }
  }
}

/// Text that may have no token of its own.
void UnigramModel::push_text(std::string_view text, std::vector<std::int32_t>& out) const {
  const std::int32_t id = table_->find(text);
  if (id >= 0) {
    out.push_back(id);
    return;
  }
  const std::size_t before = out.size();
  if (byte_fallback_) {
    for (const char byte : text) {
      const std::int32_t token = find_byte_token(*table_, static_cast<unsigned char>(byte));
      if (token < 0) break;
      out.push_back(token);
    }
    if (out.size() - before == text.size()) return;
    out.resize(before);
  }
  if (unknown_id_ < 0) refuse_unknown(text);
  out.push_back(unknown_id_);
}

void UnigramModel::refuse_unknown(std::string_view text) const {
  throw Error(ErrorKind::data, fmt::format("unigram model: no token covers '{}', and the model has no unk_id", text));
}

}  // namespace grpo
