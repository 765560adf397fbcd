/// The tokenizer that tokenizer.json describes: normalizer, pre-tokenizer, model, decoder, added tokens.
///
/// encode: invalid UTF-8 -> U+FFFD; cut out added tokens; normalise; cut out added tokens that want normalised text;
/// cut into pieces (pre_tokenizer.hpp); the model turns each piece into ids (piece_model.hpp). Same ids as the
/// `tokenizers` package with add_special_tokens=false: post-processors, which put tokens in front or behind, are left
/// to the chat template. decode: the decoder's steps (token_decoder.hpp).
#pragma once

#include "libgrpo/text/added_tokens.hpp"
#include "libgrpo/text/normalizer.hpp"
#include "libgrpo/text/piece_model.hpp"
#include "libgrpo/text/pre_tokenizer.hpp"
#include "libgrpo/text/token_decoder.hpp"
#include "libgrpo/text/token_table.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <functional>
#include <map>
#include <memory>

namespace grpo {

/// What a file says about its tokenizer.
struct TokenizerSpec {
  std::shared_ptr<const TokenTable> vocabulary;  ///< the model's, without added tokens that it does not know
  std::unique_ptr<PieceModel> model;
  std::vector<AddedToken> added;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  TextDecoder decoder;
};

class TextTokenizer final : public Tokenizer {
 public:
  using Files = std::vector<std::pair<std::string, std::string>>;
  using MakeFiles = std::function<Files(const TextTokenizer&)>;

  /// `make_files` answers files(), on each call. throws: Error{data} if one id has two tokens
  TextTokenizer(TokenizerSpec spec, MakeFiles make_files);

  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const override;
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special) const override;
  [[nodiscard]] std::string token_bytes(std::int32_t id) const override { return std::string(bytes_of(id)); }
  [[nodiscard]] TokenFlow flow(std::int32_t id) const override;
  [[nodiscard]] std::int64_t vocab_size() const override { return static_cast<std::int64_t>(table_->tokens().size()); }
  [[nodiscard]] std::int32_t id_of(std::string_view token) const override { return table_->find(token); }
  [[nodiscard]] bool is_special(std::int32_t id) const override { return special_[index_of(id)]; }
  [[nodiscard]] Files files() const override { return make_files_(*this); }

  [[nodiscard]] const TokenTable& table() const noexcept { return *table_; }
  [[nodiscard]] const PieceModel& model() const noexcept { return *model_; }
  [[nodiscard]] const std::vector<AddedToken>& added() const noexcept { return added_; }

 private:
  [[nodiscard]] std::size_t index_of(std::int32_t id) const;
  [[nodiscard]] std::string_view bytes_of(std::int32_t id) const;
  [[nodiscard]] const std::string& spelling_of(std::size_t id) const;
  void encode_part(std::string_view text, bool first, std::vector<std::int32_t>& ids) const;

  std::unique_ptr<PieceModel> model_;
  std::vector<AddedToken> added_;
  std::shared_ptr<const TokenTable> table_;  // of the model and the added tokens
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  TextDecoder decoder_;
  AddedTokenFinder before_normalizing_;
  AddedTokenFinder after_normalizing_;
  std::vector<bool> special_;
  std::map<std::int32_t, std::string> normalized_;  // as the package decodes added tokens that want normalised text
  std::string bytes_;                               // of all tokens, one behind the other
  std::vector<std::size_t> begins_;                 // where each token's bytes begin; one more for the end
  MakeFiles make_files_;
};

}  // namespace grpo
