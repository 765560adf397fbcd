/// tokenizer.json of the `tokenizers` package -> Tokenizer, for models of type BPE over bytes.
///
/// Not read: "post_processor" (encode adds nothing), "truncation" and "padding". Refused by name: Unigram, WordPiece,
/// WordLevel, byte_fallback, dropout, subword prefixes and suffixes, decoders other than ByteLevel.
#pragma once

#include "libgrpo/text/byte_level_bpe.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace grpo {

/// `source` names the file in messages; `files` is what files() answers.
/// throws: Error{data} with source, section and reason. cost: about 0.1 s per 50,000 tokens
std::unique_ptr<Tokenizer> tokenizer_from_json(std::string_view json, const std::string& source,
                                               ByteLevelBpe::Files files);

}  // namespace grpo
