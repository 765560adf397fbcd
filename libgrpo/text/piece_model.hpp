/// What a tokenizer's model does: one piece of text -> ids. Implementations: bpe_model.hpp, unigram_model.hpp,
/// word_model.hpp.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace grpo {

/// Immutable after construction. thread: encode() may be called from many threads at once.
class PieceModel {
 public:
  virtual ~PieceModel() = default;
  /// Appends the ids of one piece: valid UTF-8, not empty.
  virtual void encode(std::string_view piece, std::vector<std::int32_t>& out) const = 0;
};

}  // namespace grpo
