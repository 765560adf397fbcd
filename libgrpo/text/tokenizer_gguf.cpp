#include "libgrpo/text/tokenizer_gguf.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/utf8.hpp"
#include "libgrpo/format/gguf.hpp"
#include "libgrpo/text/bpe_model.hpp"
#include "libgrpo/text/score_merges.hpp"
#include "libgrpo/text/tokenizer_fields.inl"
#include "libgrpo/text/tokenizer_gguf_files.hpp"
#include "libgrpo/text/tokenizer_pipeline.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

constexpr std::int64_t kNormalToken = 1;
constexpr std::int64_t kUnknownToken = 2;
constexpr std::int64_t kControlToken = 3;
constexpr std::int64_t kUserToken = 4;

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorKind::data, why); }

bool flag(const GgufFile& file, std::string_view key, bool otherwise) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) return otherwise;
  const bool* value = std::get_if<bool>(&found->second);
  if (value == nullptr) refuse(fmt::format("{} is not true or false", key));
  return *value;
}

BpeModel::Merges read_merges(const std::vector<std::string>& rows) {
  BpeModel::Merges merges;
  merges.reserve(rows.size());
  for (const std::string_view row : rows) {
    const std::size_t blank = row.find(' ', 1);
    if (blank == std::string_view::npos) {
      throw Error(ErrorKind::data, fmt::format("tokenizer.ggml.merges[{}] is '{}': expected two tokens with a blank between", merges.size(),
                                               replace_invalid_utf8(row)));
    }
    merges.emplace_back(row.substr(0, blank), row.substr(blank + 1));
  }
  return merges;
}

std::vector<std::int64_t> read_types(const GgufFile& file, std::size_t tokens) {
  if (!file.has("tokenizer.ggml.token_type")) return std::vector<std::int64_t>(tokens, kNormalToken);
  const std::vector<std::int64_t>& types = file.integers("tokenizer.ggml.token_type");
  if (types.size() != tokens) refuse(fmt::format("tokenizer.ggml.token_type has {} entries for {} tokens", types.size(), tokens));
  return types;
}

std::vector<AddedToken> read_added(const std::vector<std::int64_t>& types, const std::vector<std::string>& tokens, bool unknown_too) {
  std::vector<AddedToken> added;
  for (std::size_t id = 0; id < types.size(); ++id) {
    const bool special = types[id] == kControlToken || (unknown_too && types[id] == kUnknownToken);
    if (!special && types[id] != kUserToken) continue;
    AddedToken token;
    token.id = static_cast<std::int32_t>(id);
    token.content = tokens[id];
    token.special = special;
    added.push_back(std::move(token));
  }
  return added;
}

std::optional<std::string> named_token(const GgufFile& file, std::string_view key, const std::vector<std::string>& tokens) {
  if (!file.has(key)) return std::nullopt;
  const std::int64_t id = file.integer(key);
  if (id < 0 || static_cast<std::size_t>(id) >= tokens.size()) {
    throw Error(ErrorKind::data, fmt::format("{} is {}: outside the vocabulary of {} tokens", key, id, tokens.size()));
  }
  return tokens[static_cast<std::size_t>(id)];
}

void read_extras(const GgufFile& file, const std::vector<std::string>& tokens, bool adds_bos, GgufExtras& extras) {
  extras.bos = named_token(file, "tokenizer.ggml.bos_token_id", tokens);
  extras.eos = named_token(file, "tokenizer.ggml.eos_token_id", tokens);
  extras.unknown = named_token(file, "tokenizer.ggml.unknown_token_id", tokens);
  extras.padding = named_token(file, "tokenizer.ggml.padding_token_id", tokens);
  if (file.has("tokenizer.chat_template")) extras.chat_template = file.text("tokenizer.chat_template");
  extras.add_bos = flag(file, "tokenizer.ggml.add_bos_token", adds_bos) && extras.bos.has_value();
  if (file.has("general.architecture")) {
    const std::string key = file.text("general.architecture") + ".context_length";
    if (file.has(key)) extras.context_length = file.integer(key);
  }
}

/// Byte-level BPE: merges are in the file, and a name says how text is cut.
BpeModel::Options read_gpt2(const GgufFile& file, GgufExtras& extras) {
  BpeModel::Options options;
  options.byte_level = true;
  const std::string pre = file.has("tokenizer.ggml.pre") ? file.text("tokenizer.ggml.pre") : "default";
  extras.pipeline = text_pipeline_of_gguf(pre, options.ignore_merges);
  if (extras.pipeline.empty()) {
    refuse(
        fmt::format("tokenizer.ggml.pre is '{}', which is not known here; known: {}. "
                    "A Hugging Face folder with tokenizer.json says how text is cut: use that",
                    pre, known_gguf_pipelines()));
  }
  return options;
}

/// SentencePiece's BPE: blanks are U+2581, characters without token are spelled in bytes, scores rank the merges.
BpeModel::Options read_llama(const GgufFile& file, const TokenTable& table, GgufExtras& extras) {
  if (flag(file, "tokenizer.ggml.remove_extra_whitespaces", false))
    refuse("tokenizer.ggml.remove_extra_whitespaces is true, which is not supported for model 'llama'");
  if (file.has("tokenizer.ggml.precompiled_charsmap")) refuse("tokenizer.ggml.precompiled_charsmap is not supported for model 'llama'");
  extras.pipeline = llama_pipeline(flag(file, "tokenizer.ggml.add_space_prefix", true));
  BpeModel::Options options;
  options.byte_fallback = true;
  options.fuse_unknown = true;
  options.unknown_id = extras.unknown ? table.find(*extras.unknown) : -1;
  return options;
}

std::vector<double> read_scores(const GgufFile& file, std::size_t tokens) {
  const auto found = file.metadata().find("tokenizer.ggml.scores");
  const auto* scores = found == file.metadata().end() ? nullptr : std::get_if<std::vector<double>>(&found->second);
  if (scores == nullptr) refuse("tokenizer.ggml.scores is missing or not a list of numbers");
  if (scores->size() != tokens) refuse(fmt::format("tokenizer.ggml.scores has {} entries for {} tokens", scores->size(), tokens));
  return *scores;
}

std::unique_ptr<Tokenizer> read(const GgufFile& file) {
  const std::string& kind = file.text("tokenizer.ggml.model");
  if (kind != "gpt2" && kind != "llama") {
    refuse(
        fmt::format("tokenizer.ggml.model is '{}': only byte-level BPE ('gpt2') and SentencePiece's BPE ('llama') are "
                    "supported",
                    kind));
  }
  const bool llama = kind == "llama";
  const std::vector<std::string>& tokens = file.texts("tokenizer.ggml.tokens");
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (!is_utf8(tokens[id])) refuse(fmt::format("tokenizer.ggml.tokens[{}] is not UTF-8", id));
  }
  TokenizerSpec spec;
  spec.vocabulary = std::make_shared<const TokenTable>(tokens);
  GgufExtras extras;
  read_extras(file, tokens, llama, extras);
  BpeModel::Options options = llama ? read_llama(file, *spec.vocabulary, extras) : read_gpt2(file, extras);
  const std::vector<std::int64_t> types = read_types(file, tokens.size());
  spec.added = read_added(types, tokens, llama);
  if (llama) {
    std::vector<bool> joins(tokens.size());
    for (std::size_t id = 0; id < tokens.size(); ++id) joins[id] = types[id] == kNormalToken || types[id] == kUserToken;
    const BpeModel::Merges merges = merges_of_scores(*spec.vocabulary, read_scores(file, tokens.size()), joins);
    spec.model = std::make_unique<BpeModel>(spec.vocabulary, merges, std::move(options));
  } else {
    const BpeModel::Merges merges = read_merges(file.texts("tokenizer.ggml.merges"));
    spec.model = std::make_unique<BpeModel>(spec.vocabulary, merges, std::move(options));
  }
  const auto pipeline = nlohmann::json::parse(extras.pipeline);
  read_text_pipeline({pipeline}, !llama, spec);
  return std::make_unique<TextTokenizer>(std::move(spec),
                                         [extras](const TextTokenizer& tokenizer) { return gguf_tokenizer_files(extras, tokenizer); });
}

}  // namespace

std::unique_ptr<Tokenizer> tokenizer_from_gguf(const std::filesystem::path& path) {
  const GgufFile file(path);
  try {
    return read(file);
  } catch (const Error& error) {
    const std::string name = path.string();
    if (std::string_view(error.what()).find(name) != std::string_view::npos) throw;  // GgufFile has named it already
    throw Error(error.kind(), fmt::format("{}: {}", name, error.what()));
  }
}

}  // namespace grpo
