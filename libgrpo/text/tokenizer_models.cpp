#include "libgrpo/text/tokenizer_models.hpp"

#include "libgrpo/text/bpe_model.hpp"
#include "libgrpo/text/tokenizer_fields.inl"
#include "libgrpo/text/unigram_model.hpp"
#include "libgrpo/text/word_model.hpp"

#include <algorithm>

namespace grpo {
namespace {

using namespace fields;

constexpr std::string_view kSection = "model";

/// Files of old versions have no type; those with merges are BPE.
std::string type_of(const json& model) {
  if (is_set(model, "type")) return text(model, "type", kSection);
  return model.contains("merges") ? "BPE" : "(none)";
}

std::string text_or(const json& model, const char* key, const std::string& otherwise) {
  return is_set(model, key) ? text(model, key, kSection) : otherwise;
}

std::shared_ptr<const TokenTable> read_vocabulary(const json& model) {
  if (!is_set(model, "vocab") || !model["vocab"].is_object()) refuse(kSection, "'vocab' is missing or not an object");
  const json& vocab = model["vocab"];
  std::vector<std::string> tokens;
  tokens.reserve(vocab.size());
  const std::int64_t bound = id_bound(vocab.size());
  for (const auto& [token, id] : vocab.items()) {
    const auto index = static_cast<std::size_t>(read_id({id}, token, bound));
    if (tokens.size() <= index) tokens.resize(index + 1);
    if (!tokens[index].empty() && tokens[index] != token) {
      refuse(kSection, fmt::format("id {} belongs to both '{}' and '{}'", index, tokens[index], token));
    }
    tokens[index] = token;
  }
  return std::make_shared<const TokenTable>(std::move(tokens));
}

BpeModel::Merges read_merges(const json& model) {
  if (!is_set(model, "merges") || !model["merges"].is_array()) refuse(kSection, "'merges' is missing or not a list");
  const json& merges = model["merges"];
  BpeModel::Merges out;
  out.reserve(merges.size());
  for (const json& merge : merges) {
    if (merge.is_string()) {
      const std::string_view pair = merge.get_ref<const std::string&>();
      if (out.empty() && pair.starts_with("#version")) continue;
      const std::size_t blank = pair.find(' ');
      if (blank == std::string_view::npos || pair.find(' ', blank + 1) != std::string_view::npos) {
        refuse(kSection, fmt::format("merge {} is '{}': expected two tokens with one blank between", out.size(), pair));
      }
      out.emplace_back(pair.substr(0, blank), pair.substr(blank + 1));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      out.emplace_back(merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>());
    } else {
      refuse(kSection, fmt::format("merge {} is {}: expected two tokens", out.size(), show(merge)));
    }
  }
  return out;
}

void read_bpe(const json& model, bool raw_bytes, TokenizerSpec& spec) {
  if (is_set(model, "dropout") && model["dropout"] != 0.0) {
    refuse(kSection, fmt::format("dropout {} is not supported: ids must not depend on chance", show(model["dropout"])));
  }
  BpeModel::Options options;
  options.byte_level = raw_bytes;
  options.ignore_merges = flag(model, "ignore_merges", false, kSection);
  options.fuse_unknown = flag(model, "fuse_unk", false, kSection);
  options.byte_fallback = flag(model, "byte_fallback", false, kSection);
  options.prefix = text_or(model, "continuing_subword_prefix", "");
  options.suffix = text_or(model, "end_of_word_suffix", "");
  spec.vocabulary = read_vocabulary(model);
  if (is_set(model, "unk_token")) {
    options.unknown_id = spec.vocabulary->find(text(model, "unk_token", kSection));
    if (options.unknown_id < 0) refuse(kSection, fmt::format("unk_token {} is not in the vocabulary", show(model["unk_token"])));
  }
  spec.model = std::make_unique<BpeModel>(spec.vocabulary, read_merges(model), std::move(options));
}

void read_unigram(const json& model, TokenizerSpec& spec) {
  if (!is_set(model, "vocab") || !model["vocab"].is_array()) refuse(kSection, "'vocab' is missing or not a list of tokens and scores");
  const json& vocab = model["vocab"];
  std::vector<std::string> tokens;
  std::vector<double> scores;
  for (const json& row : vocab) {
    if (!row.is_array() || row.size() != 2 || !row[0].is_string() || !row[1].is_number())
      refuse(kSection, fmt::format("vocab entry {} is no list of a token and its score", tokens.size()));
    tokens.push_back(row[0].get<std::string>());
    scores.push_back(row[1].get<double>());
  }
  std::int32_t unknown_id = -1;
  if (is_set(model, "unk_id")) {
    if (!model["unk_id"].is_number_unsigned() || model["unk_id"].get<std::uint64_t>() >= tokens.size()) {
      refuse(kSection, fmt::format("unk_id is {}: expected the index of one of the {} tokens", show(model["unk_id"]), tokens.size()));
    }
    unknown_id = model["unk_id"].get<std::int32_t>();
  }
  spec.vocabulary = std::make_shared<const TokenTable>(std::move(tokens));
  spec.model =
      std::make_unique<UnigramModel>(spec.vocabulary, std::move(scores), unknown_id, flag(model, "byte_fallback", false, kSection));
}

void read_word_piece(const json& model, TokenizerSpec& spec) {
  spec.vocabulary = read_vocabulary(model);
  WordPieceModel::Options options;
  options.prefix = text_or(model, "continuing_subword_prefix", "##");
  options.unknown_id = spec.vocabulary->find(text_or(model, "unk_token", "[UNK]"));
  if (is_set(model, "max_input_chars_per_word")) options.max_characters = count(model, "max_input_chars_per_word", kSection);
  // Longest match first takes more than linear time in a word: a limit that a file may raise must have one itself.
  constexpr std::size_t kMost = 1000;
  if (options.max_characters > kMost)
    refuse(kSection, fmt::format("max_input_chars_per_word is {}: at most {}", options.max_characters, kMost));
  spec.model = std::make_unique<WordPieceModel>(spec.vocabulary, std::move(options));
}

}  // namespace

std::int64_t id_bound(std::size_t tokens) { return static_cast<std::int64_t>(std::min<std::size_t>(4 * tokens + 65536, 1U << 30)); }

std::int32_t read_id(const Node& node, const std::string& token, std::int64_t bound) {
  const json& value = node.value;
  if (!value.is_number_integer()) throw Error(ErrorKind::data, fmt::format("id of token '{}' is {}, not an integer", token, show(value)));
  const auto id = value.is_number_unsigned() && value.get<std::uint64_t>() > (1ULL << 62) ? bound : value.get<std::int64_t>();
  if (id < 0 || id >= bound) {
    throw Error(ErrorKind::data,
                fmt::format("id of token '{}' is {}: expected 0 to {} in a file of this many tokens", token, show(value), bound - 1));
  }
  return static_cast<std::int32_t>(id);
}

bool takes_raw_bytes(const Node& node) {
  const json& model = node.value;
  if (type_of(model) != "BPE" || flag(model, "byte_fallback", false, kSection)) return false;
  return text_or(model, "continuing_subword_prefix", "").empty() && text_or(model, "end_of_word_suffix", "").empty();
}

void read_model(const Node& node, bool raw_bytes, TokenizerSpec& spec) {
  const json& model = node.value;
  const std::string type = type_of(model);
  if (type == "BPE") {
    read_bpe(model, raw_bytes, spec);
  } else if (type == "Unigram") {
    read_unigram(model, spec);
  } else if (type == "WordPiece") {
    read_word_piece(model, spec);
  } else if (type == "WordLevel") {
    spec.vocabulary = read_vocabulary(model);
    spec.model = std::make_unique<WordLevelModel>(spec.vocabulary, spec.vocabulary->find(text_or(model, "unk_token", "<unk>")));
  } else {
    refuse(kSection, fmt::format("type '{}' is not supported; known: BPE, Unigram, WordPiece, WordLevel", type));
  }
}

}  // namespace grpo
