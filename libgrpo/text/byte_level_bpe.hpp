/// Byte-level BPE: the tokenizer family of GPT-2, Llama 3, Qwen 2 and SmolLM 2.
///
/// encode: invalid UTF-8 -> U+FFFD; cut out added tokens; normalise; cut out added tokens that want normalised text;
/// cut by the pre-tokenizer's patterns; merge each piece's bytes (bpe_model.hpp). Same ids as the `tokenizers` package
/// with add_special_tokens=false: templates that put tokens in front or behind are left to the chat template.
#pragma once

#include "libgrpo/text/added_tokens.hpp"
#include "libgrpo/text/bpe_model.hpp"
#include "libgrpo/text/normalizer.hpp"
#include "libgrpo/text/split_pattern.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <functional>

namespace grpo {

/// One step of pre-tokenization, applied to every piece that the step before left.
struct SplitStep {
  std::vector<SplitPattern> pattern;  ///< one, or none: the piece stays whole
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;
  bool add_prefix_space = false;  ///< a space in front of each piece that has none, before the pattern
};

/// What a file says about its tokenizer, before anything is built.
struct BpeSpec {
  std::vector<std::string> tokens;  ///< index is id, in byte-level spelling; empty = no such token
  BpeModel::Merges merges;          ///< need only live until the constructor returns
  std::vector<AddedToken> added;    ///< ids inside `tokens`
  Normalizer normalizer;
  std::vector<SplitStep> steps;
  BpeModel::Options options;
};

class ByteLevelBpe final : public Tokenizer {
 public:
  using Files = std::vector<std::pair<std::string, std::string>>;
  using MakeFiles = std::function<Files(const ByteLevelBpe&)>;

  /// throws: Error{data} if merges and vocabulary do not fit. `make_files` answers files(), on each call.
  ByteLevelBpe(BpeSpec spec, MakeFiles make_files);

  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const override;
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special) const override;
  [[nodiscard]] std::string token_bytes(std::int32_t id) const override;
  [[nodiscard]] std::int64_t vocab_size() const override { return static_cast<std::int64_t>(table_.tokens().size()); }
  [[nodiscard]] std::int32_t id_of(std::string_view token) const override { return table_.find(token); }
  /// throws: Error{contract} for an id outside the vocabulary
  [[nodiscard]] bool is_special(std::int32_t id) const override { return special_[index_of(id)]; }
  [[nodiscard]] Files files() const override { return make_files_(*this); }

  [[nodiscard]] const TokenTable& table() const noexcept { return table_; }
  [[nodiscard]] const BpeModel& model() const noexcept { return model_; }
  [[nodiscard]] const std::vector<AddedToken>& added() const noexcept { return added_; }

 private:
  [[nodiscard]] std::size_t index_of(std::int32_t id) const;
  [[nodiscard]] std::string_view bytes_of(std::int32_t id) const;
  void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const;

  TokenTable table_;
  BpeModel model_;
  std::vector<AddedToken> added_;
  Normalizer normalizer_;
  std::vector<SplitStep> steps_;
  AddedTokenFinder before_normalizing_;
  AddedTokenFinder after_normalizing_;
  std::vector<bool> special_;
  std::string bytes_;                // of all tokens, one behind the other
  std::vector<std::size_t> begins_;  // where each token's bytes begin; one more for the end
  MakeFiles make_files_;
};

}  // namespace grpo
