/// The text side of tokenizer.json: its "normalizer", "pre_tokenizer", "decoder" and "post_processor" sections.
///
/// Known normalizers: BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled, Prepend, Replace,
/// Strip, StripAccents, Sequence. Known pre-tokenizers: BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, Metaspace,
/// Punctuation, Split, Whitespace, WhitespaceSplit, Sequence. Known decoders: BPEDecoder, ByteFallback, ByteLevel, Fuse,
/// Metaspace, Replace, Strip, WordPiece, Sequence. Post-processors are checked by name and then left out, because
/// encode() adds nothing: BertProcessing, ByteLevel, RobertaProcessing, TemplateProcessing, Sequence. Everything else is
/// refused by name.
#pragma once

#include "libgrpo/text/text_tokenizer.hpp"

#include <string>
#include <string_view>

namespace grpo {

namespace fields {
struct Node;  ///< a JSON value: tokenizer_fields.inl
}

/// Fills spec's normalizer, pre_tokenizer and decoder from the JSON object with these keys. If `raw_bytes` and the last
/// pre-tokenizer is ByteLevel, its spelling of bytes is left to the model: true is returned, and pieces are raw bytes.
/// throws: Error{data} naming the section and what is wrong with it
bool read_text_pipeline(const fields::Node& root, bool raw_bytes, TokenizerSpec& spec);

/// Normalizer, pre_tokenizer and decoder for a GGUF's tokenizer.ggml.pre, as JSON text; empty if the name is unknown.
/// `ignore_merges` is set to what the name implies.
std::string text_pipeline_of_gguf(std::string_view pre, bool& ignore_merges);
/// Names that text_pipeline_of_gguf knows, for messages.
std::string known_gguf_pipelines();

/// The same for a GGUF of model "llama": blanks are U+2581, one of them in front of each text if `space_prefix`.
std::string llama_pipeline(bool space_prefix);

}  // namespace grpo
