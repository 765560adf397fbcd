/// Attention of one token over the pages of its text.
#pragma once

#include "libgrpo/sampler/kv_pages.hpp"

#include <cstdint>
#include <vector>

namespace grpo {

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
