#include "libgrpo/text/tokenizer_gguf_write.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/text/bpe_model.hpp"
#include "libgrpo/text/score_merges.hpp"
#include "libgrpo/text/tokenizer_pipeline.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using nlohmann::json;

enum TokenType : std::int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUser = 4, kUnused = 5, kByte = 6 };

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorKind::data,
              "this tokenizer cannot be written as GGUF: " + why + "; write a Hugging Face folder and convert it with llama.cpp's tools");
}

/// The tokens of a file, by id, and what kind each is.
struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;

  explicit Vocabulary(std::int64_t rows) : types(static_cast<std::size_t>(rows), kUnused) {
    for (std::int64_t id = 0; id < rows; ++id) tokens.push_back(fmt::format("[PAD{}]", id));
  }
  void put(std::int64_t id, const std::string& token, std::int32_t type) {
    if (id < 0 || id >= static_cast<std::int64_t>(tokens.size()))
      refuse(fmt::format("token '{}' has id {}, but the model knows {} tokens", token, id, tokens.size()));
    tokens[static_cast<std::size_t>(id)] = token;
    types[static_cast<std::size_t>(id)] = type;
  }
};

Vocabulary read_vocabulary(const json& root, std::int64_t rows, bool bytes) {
  Vocabulary vocabulary(rows);
  const json& model = root["model"];
  for (const auto& [token, id] : model["vocab"].items()) {
    const bool is_byte = bytes && token.size() == 6 && token.starts_with("<0x") && token.ends_with(">");
    vocabulary.put(id.get<std::int64_t>(), token, is_byte ? kByte : kNormal);
  }
  const std::string unknown = bytes && model["unk_token"].is_string() ? model["unk_token"].get<std::string>() : "";
  for (const json& added : root["added_tokens"]) {
    const auto content = added["content"].get<std::string>();
    const bool special = added.value("special", false);
    vocabulary.put(added["id"].get<std::int64_t>(), content, !special ? kUser : content == unknown ? kUnknown : kControl);
  }
  return vocabulary;
}

using Merge = std::pair<std::string, std::string>;

std::vector<Merge> read_merges(const json& model) {
  std::vector<Merge> merges;
  for (const json& merge : model["merges"]) {
    if (merge.is_array()) {
      merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    const auto text = merge.get<std::string>();
    const std::size_t blank = text.find(' ');
    if (blank != std::string::npos && !text.starts_with("#version")) merges.emplace_back(text.substr(0, blank), text.substr(blank + 1));
  }
  return merges;
}

/// Without what changes no ids: spelled-out defaults, offsets, sequences of one.
json plain(json step) {
  if (!step.is_object()) return step;
  if (step["type"] == "Sequence") {
    json& steps = step["pretokenizers"];
    for (json& inner : steps) inner = plain(inner);
    return steps.size() == 1 ? json(steps[0]) : step;
  }
  if (step["type"] == "ByteLevel") {
    step.erase("trim_offsets");
    if (!step.contains("use_regex")) step["use_regex"] = true;
  }
  return step;
}

/// llama.cpp's name for the way text is cut.
std::string pre_tokenizer_name(const json& root) {
  const bool ignores = root["model"].value("ignore_merges", false);
  std::string near;
  for (const char* name : {"gpt-2", "smollm", "llama-bpe", "qwen2"}) {
    bool ignore_merges = false;
    const json known = json::parse(text_pipeline_of_gguf(name, ignore_merges));
    if (plain(root["pre_tokenizer"]) != plain(known["pre_tokenizer"])) continue;
    if (ignores == ignore_merges && root["normalizer"] == known["normalizer"]) return name;
    near =
        fmt::format("; '{}' cuts text alike, but has normalizer {} and ignore_merges {}", name, known["normalizer"].dump(), ignore_merges);
  }
  refuse(fmt::format("llama.cpp has no name for its pre_tokenizer {} with normalizer {} and ignore_merges {}{}",
                     root["pre_tokenizer"].dump(), root["normalizer"].dump(), ignores, near));
}

void add_byte_level(const json& root, const std::vector<Merge>& merges, GgufEntries& entries) {
  std::vector<std::string> rows;
  for (const auto& [left, right] : merges) rows.push_back(left + " " + right);
  entries.emplace_back("tokenizer.ggml.model", std::string("gpt2"));
  entries.emplace_back("tokenizer.ggml.pre", pre_tokenizer_name(root));
  entries.emplace_back("tokenizer.ggml.merges", std::move(rows));
}

/// Scores that put the merges into their order; refused if scores cannot.
std::vector<float> scores_of(const Vocabulary& vocabulary, const std::vector<Merge>& merges) {
  const TokenTable table(vocabulary.tokens);
  std::vector<float> scores(vocabulary.tokens.size());
  for (std::size_t rank = merges.size(); rank-- > 0;) {  // a token's first merge counts
    const std::int32_t id = table.find(merges[rank].first + merges[rank].second);
    if (id >= 0) scores[static_cast<std::size_t>(id)] = -static_cast<float>(rank);
  }
  std::vector<bool> joins;
  for (const std::int32_t type : vocabulary.types) joins.push_back(type == kNormal || type == kUser);
  const BpeModel::Merges again = merges_of_scores(table, {scores.begin(), scores.end()}, joins);
  const auto same = [](const Merge& a, const auto& b) { return a.first == b.first && a.second == b.second; };
  if (!std::equal(merges.begin(), merges.end(), again.begin(), again.end(), same))
    refuse("its merges are not in an order that scores of tokens can give");
  return scores;
}

void add_sentence_piece(const json& root, const Vocabulary& vocabulary, const std::vector<Merge>& merges, GgufEntries& entries) {
  bool prefix = true;
  if (root["normalizer"] != json::parse(llama_pipeline(true))["normalizer"]) prefix = false;
  if ((!prefix && root["normalizer"] != json::parse(llama_pipeline(false))["normalizer"]) || !root["pre_tokenizer"].is_null())
    refuse(fmt::format("model 'llama' has no form for normalizer {} and pre_tokenizer {}", root["normalizer"].dump(),
                       root["pre_tokenizer"].dump()));
  entries.emplace_back("tokenizer.ggml.model", std::string("llama"));
  entries.emplace_back("tokenizer.ggml.pre", std::string("default"));
  entries.emplace_back("tokenizer.ggml.scores", scores_of(vocabulary, merges));
  entries.emplace_back("tokenizer.ggml.add_space_prefix", prefix);
}

/// Whether transformers puts a token in front of a text.
bool adds_bos(const json& post) {
  if (!post.is_object()) return false;
  if (post["type"] == "Sequence") return std::any_of(post["processors"].begin(), post["processors"].end(), adds_bos);
  return post["type"] == "TemplateProcessing" && !post["single"].empty() && post["single"][0].contains("SpecialToken");
}

std::string named(const json& config, const char* key) {
  const json value = config.value(key, json());
  if (value.is_string()) return value.get<std::string>();
  return value.is_object() ? value.value("content", "") : "";
}

GgufTokenizer describe(const json& root, const json& config, const Tokenizer& tokenizer, std::int64_t rows) {
  const json& model = root["model"];
  if (model.value("type", "BPE") != "BPE" || !model.contains("merges"))
    refuse("its model is " + model.value("type", "of no name") + ", not BPE");
  const bool bytes = model.value("byte_fallback", false);
  const Vocabulary vocabulary = read_vocabulary(root, rows, bytes);
  const std::vector<Merge> merges = read_merges(model);
  GgufTokenizer out;
  GgufEntries& entries = out.entries;
  if (bytes)
    add_sentence_piece(root, vocabulary, merges, entries);
  else
    add_byte_level(root, merges, entries);
  entries.emplace_back("tokenizer.ggml.tokens", vocabulary.tokens);
  entries.emplace_back("tokenizer.ggml.token_type", vocabulary.types);
  entries.emplace_back("tokenizer.ggml.add_bos_token", adds_bos(root["post_processor"]));
  constexpr std::array kNamed{std::pair{"unk_token", "tokenizer.ggml.unknown_token_id"},
                              std::pair{"pad_token", "tokenizer.ggml.padding_token_id"}};
  for (const auto& [name, key] : kNamed)
    if (const std::int32_t id = tokenizer.id_of(named(config, name)); id >= 0) entries.emplace_back(key, static_cast<std::uint32_t>(id));
  out.eos = tokenizer.id_of(named(config, "eos_token"));
  return out;
}

}  // namespace

GgufTokenizer gguf_tokenizer(const Tokenizer& tokenizer, std::int64_t rows, const std::optional<std::string>& chat_template) {
  json root = json::object(), config = json::object();
  for (const auto& [name, content] : tokenizer.files()) {
    if (name == "tokenizer.json") root = json::parse(content);
    if (name == "tokenizer_config.json") config = json::parse(content);
  }
  if (!root.contains("model")) refuse("it has no tokenizer.json");
  for (const char* key : {"normalizer", "pre_tokenizer", "post_processor"}) root.emplace(key, nullptr);
  root.emplace("added_tokens", json::array());
  try {
    GgufTokenizer out = describe(root, config, tokenizer, rows);
    if (chat_template) out.entries.emplace_back("tokenizer.chat_template", *chat_template);
    return out;
  } catch (const json::exception& error) {
    refuse(std::string("tokenizer.json does not read: ") + error.what());
  }
}

}  // namespace grpo
