/// Attention of one token over its text, whose keys and values lie in pages of 64 tokens.
///
/// Within a page keys lie as [layer][head][entry][token], so that a query meets 64 tokens at once, and values as
/// [layer][head][token][entry].
#pragma once

#include <cstdint>
#include <vector>

namespace grpo {

inline constexpr std::int64_t kPageTokens = 64;

struct PageShape {
  std::int64_t layers, heads, width;

  /// Entries of a value, filled up to whole vectors with zeros.
  [[nodiscard]] std::int64_t padded_width() const { return (width + 15) / 16 * 16; }
  [[nodiscard]] std::int64_t layer_floats() const { return heads * (width + padded_width()) * kPageTokens; }
  [[nodiscard]] std::int64_t keys(std::int64_t layer, std::int64_t head) const {
    return layer * layer_floats() + head * width * kPageTokens;
  }
  [[nodiscard]] std::int64_t values(std::int64_t layer, std::int64_t head) const {
    return layer * layer_floats() + heads * width * kPageTokens + head * padded_width() * kPageTokens;
  }
};

/// `count` tokens at the beginning of a page, the first of them at `position` of the text.
struct PageSpan {
  const float* page;
  std::int64_t position, count;
};

struct PageQuery {
  std::int64_t layer, head;  ///< key head
  std::int64_t group;        ///< query heads that share it
  std::int64_t first;        ///< position of the first token that is seen; a window leaves out the earlier ones
  float scale, softcap;      ///< softcap > 0 bounds scores: softcap tanh(score / softcap)
};

/// softmax(scale q k^T) v for the query heads of one key head.
/// shape: q [group, width] -> out [group, padded width]; `scores` holds group x (all tokens) floats
/// thread: pure   cost: one pass over the tokens' keys and values
void page_attention(float* out, const float* q, const std::vector<PageSpan>& spans, const PageShape& shape, const PageQuery& query,
                    float* scores);

}  // namespace grpo
