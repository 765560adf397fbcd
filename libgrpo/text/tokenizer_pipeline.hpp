/// The text side of tokenizer.json: its "normalizer" and "pre_tokenizer" sections.
///
/// Known: NFC, Prepend, Replace, Sequence; ByteLevel (last), Split, Digits, Sequence. Everything else is refused by
/// name.
#pragma once

#include "libgrpo/text/byte_level_bpe.hpp"

#include <string_view>

namespace grpo {

/// Fills spec.normalizer and spec.steps from a JSON object with the two keys.
/// throws: Error{data} naming the section and what is wrong with it
void read_text_pipeline(std::string_view json, BpeSpec& spec);

/// The same two keys for a GGUF's tokenizer.ggml.pre, as JSON text; empty if the name is unknown.
/// `ignore_merges` is set to what the name implies.
std::string text_pipeline_of_gguf(std::string_view pre, bool& ignore_merges);
/// Names that text_pipeline_of_gguf knows, for messages.
std::string known_gguf_pipelines();

}  // namespace grpo
