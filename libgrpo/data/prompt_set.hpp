/// Rows -> Prompts: system prompt, worked examples, chat template, tokens; and the order in which a run sees them.
#pragma once

#include "libgrpo/data/prompt_source.hpp"
#include "libgrpo/text/chat_template.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace grpo {

/// How a row becomes a prompt.
struct PromptStyle {
  std::optional<std::string> system_prompt;  ///< left out where a conversational row brings its own system message
  std::vector<std::string> few_shot;         ///< worked examples put before the question: user, assistant, user, assistant, ...
  std::string bos_token, eos_token;          ///< what the template may refer to
  std::string chat_template_kwargs;          ///< further variables of the template, a JSON object; a row's own win
  std::optional<std::int64_t> now = {};      ///< ChatTemplate::Options::now; unset: the local time when the set is made
  std::int64_t max_prompt_tokens = 0;        ///< a longer prompt is Error{data} naming row and length; 0 = no limit
  bool drop_overlong = false;                ///< leave such prompts out instead; every prompt is made once for it
};

/// Prompts by index: system message, worked examples, then the question (or the row's conversation).
/// Prompt::id is a digest of the rendered text and the row's index in `source`: two equal rows have different ids, and
/// an id does not depend on order, epoch, rank or resume. Another mixture of the same files gives other ids, and so does
/// another date where the template shows one. As in TRL, a row's columns tools (a list of JSON schemas) and
/// chat_template_kwargs (an object) are variables of the template.
/// thread: const members from many threads; source, tokenizer and chat must outlive it
class PromptSet {
 public:
  /// `chat` may be null: then there is no template (base models): system prompt, examples and question each start on a
  /// line of their own, the question is last, nothing follows it, and Prompt::messages stays empty.
  /// throws: Error{recipe} if few_shot has an example without its answer, or max_prompt_tokens < 0; with drop_overlong also what
  /// prompt() throws, and Error{data} if no prompt is short enough
  PromptSet(const PromptSource& source, const Tokenizer& tokenizer, const ChatTemplate* chat, PromptStyle style);

  [[nodiscard]] std::size_t size() const { return style_.drop_overlong ? kept_.size() : source_.size(); }
  /// Where the rows stand that drop_overlong left out, with their lengths: "train.jsonl:17 (812 tokens)".
  [[nodiscard]] const std::vector<std::string>& dropped() const { return dropped_; }
  /// throws: Error{data} naming the row's origin: damaged row, template that refuses it, a conversation that ends with
  /// an answer, no tokens, or more than max_prompt_tokens
  [[nodiscard]] Prompt prompt(std::size_t index) const;

 private:
  const PromptSource& source_;
  const Tokenizer& tokenizer_;
  const ChatTemplate* chat_;
  PromptStyle style_;
  std::vector<std::uint32_t> kept_;  // with drop_overlong: rows of the source
  std::vector<std::string> dropped_;

  [[nodiscard]] Prompt make(std::size_t row) const;
  [[nodiscard]] bool is_overlong(const Prompt& prompt) const;
  void drop_overlong();
};

/// The order over epochs: a seeded permutation per epoch (or file order), cut into batches; the last short batch of an
/// epoch is dropped, as TRL does. The position is one number, so a resumed run continues exactly. thread: one caller at
/// a time (row() keeps the permutation of the epoch it was last asked for)
class PromptOrder {
 public:
  /// throws: Error{data} if size < batch (no batch could ever be made; says both numbers) or size >= 2^32;
  /// Error{contract} if batch is 0
  PromptOrder(std::size_t size, std::size_t batch, std::uint64_t seed, bool shuffle);

  [[nodiscard]] std::uint64_t batches_per_epoch() const { return size_ / batch_; }
  /// Row index of the prompt at `position` (0-based, over all epochs), whatever was asked for before; batch b is row(b * batch)
  /// to row((b + 1) * batch - 1). cost: O(size) when the epoch changes
  [[nodiscard]] std::size_t row(std::uint64_t position);
  [[nodiscard]] std::size_t batch_size() const { return batch_; }
  [[nodiscard]] std::uint64_t prompts_per_epoch() const { return batches_per_epoch() * batch_; }
  /// Epochs finished before `position`, as a fraction: 1.5 halfway through the second.
  [[nodiscard]] double epoch(std::uint64_t position) const;

 private:
  std::size_t size_, batch_;
  std::uint64_t seed_;
  bool shuffle_;
  std::uint64_t cached_epoch_ = ~std::uint64_t{0};
  std::vector<std::uint32_t> order_;
};

}  // namespace grpo
