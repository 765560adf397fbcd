/// The "model" section of tokenizer.json: BPE, Unigram, WordPiece, WordLevel.
///
/// Refused by name: dropout (ids must not depend on chance), ids far beyond the number of tokens, merges of tokens that
/// do not exist, scores that are not finite, every other type.
#pragma once

#include "libgrpo/text/text_tokenizer.hpp"

namespace grpo {

namespace fields {
struct Node;  ///< a JSON value: tokenizer_fields.inl
}

/// Fills spec.vocabulary and spec.model. `raw_bytes`: pieces are raw bytes (see read_text_pipeline); for BPE only.
/// throws: Error{data} naming the field and what is wrong with it
void read_model(const fields::Node& model, bool raw_bytes, TokenizerSpec& spec);

/// True if the model can take raw bytes: a BPE without byte_fallback, prefix and suffix.
bool takes_raw_bytes(const fields::Node& model);

/// The highest id, plus one, that a file of so many tokens may use: a small file must not ask for a huge table.
std::int64_t id_bound(std::size_t tokens);
/// throws: Error{data} unless 0 <= value < bound
std::int32_t read_id(const fields::Node& value, const std::string& token, std::int64_t bound);

}  // namespace grpo
