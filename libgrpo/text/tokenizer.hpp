/// Text <-> token ids.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// How far the text of a token depends on its neighbours; StreamDecoder goes by it.
enum class TokenFlow {
  bytes,     ///< not at all: the text of a list is the tokens' bytes, one behind the other
  text,      ///< only on whether anything is before it
  byte_run,  ///< one byte of a run that is text or not as a whole: known when the run has ended
  whole      ///< on all of them: known at the end
};

/// Immutable after construction. thread: all const members may be called from many threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Ids of `text`; added and special tokens inside it are recognised, nothing is put in front or behind.
  /// Invalid UTF-8 is replaced by U+FFFD, as the `tokenizers` package does on its way in.
  [[nodiscard]] virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  /// Text of `ids`; special tokens are left out if asked, and ids behind the last token, which a model's padded vocabulary may
  /// have. Bytes that are no valid UTF-8 become U+FFFD. throws: Error{contract} for a negative id
  [[nodiscard]] virtual std::string decode(std::span<const std::int32_t> ids, bool skip_special = true) const = 0;
  /// Raw bytes of one token amid others (may be part of a character).
  [[nodiscard]] virtual std::string token_bytes(std::int32_t id) const = 0;
  [[nodiscard]] virtual TokenFlow flow(std::int32_t /*id*/) const { return TokenFlow::bytes; }
  [[nodiscard]] virtual std::int64_t vocab_size() const = 0;
  /// -1 if the token does not exist
  [[nodiscard]] virtual std::int32_t id_of(std::string_view token) const = 0;
  [[nodiscard]] virtual bool is_special(std::int32_t id) const = 0;
  /// Files that a Hugging Face folder of this tokenizer holds, name -> content: tokenizer.json, tokenizer_config.json, ...
  [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> files() const = 0;
};

/// encode() of each text, in order, on `threads` threads; 0: as many as the machine has cores.
/// throws: what encode() throws for the first text that fails
std::vector<std::vector<std::int32_t>> encode_batch(const Tokenizer& tokenizer, std::span<const std::string> texts, int threads = 0);

/// From a folder with tokenizer.json, from that file itself, or from the metadata of a GGUF file.
/// throws: Error{data} naming file and reason; an unsupported tokenizer type is named
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& model);

/// Turns a stream of tokens into text, holding back what the next token could still change: bytes until they form whole
/// characters, a run of byte tokens until it ends. All that push() and finish() gave is decode() of all ids.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  /// Text that became complete with this token; special tokens give nothing.
  std::string push(std::int32_t id);
  /// What is left, incomplete characters as U+FFFD.
  std::string finish();

 private:
  std::string take_text();

  const Tokenizer& tokenizer_;
  std::string pending_;                // TokenFlow::bytes: what is not a whole character yet
  std::vector<std::int32_t> context_;  // else: tokens whose text is given already and shows that something is before
  std::vector<std::int32_t> held_;     // behind them: tokens whose text is still to give
};

}  // namespace grpo
