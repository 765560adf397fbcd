/// tokenizer.json of the `tokenizers` package -> Tokenizer. The parts known: tokenizer_models.hpp for "model",
/// tokenizer_pipeline.hpp for the others.
///
/// Not read: "truncation" and "padding". "post_processor" is checked and left out (encode adds nothing).
#pragma once

#include "libgrpo/text/text_tokenizer.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace grpo {

/// `source` names the file in messages; `files` is what files() answers.
/// throws: Error{data} with source, section and reason. cost: about 0.1 s per 50,000 tokens
std::unique_ptr<Tokenizer> tokenizer_from_json(std::string_view json, const std::string& source, TextTokenizer::Files files);

}  // namespace grpo
