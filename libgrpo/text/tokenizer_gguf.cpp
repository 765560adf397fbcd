#include "libgrpo/text/tokenizer_gguf.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/format/gguf.hpp"
#include "libgrpo/text/byte_level_bpe.hpp"
#include "libgrpo/text/tokenizer_pipeline.hpp"
#include "libgrpo/base/utf8.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>

namespace grpo {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kControlToken = 3;
constexpr std::int64_t kUserToken = 4;

/// What files() needs beyond the tokenizer itself.
struct Extras {
  std::string pipeline;  // JSON with normalizer and pre_tokenizer
  bool ignore_merges = false;
  bool add_bos = false;
  std::optional<std::string> bos, eos, unknown, padding;
  std::optional<std::string> chat_template;
  std::optional<std::int64_t> context_length;
};

BpeModel::Merges read_merges(const std::vector<std::string>& rows) {
  BpeModel::Merges merges;
  merges.reserve(rows.size());
  for (const std::string_view row : rows) {
    const std::size_t blank = row.find(' ', 1);
    if (blank == std::string_view::npos) {
      throw Error(ErrorKind::data,
                  fmt::format("tokenizer.ggml.merges[{}] is '{}': expected two tokens with a blank between",
                              merges.size(), replace_invalid_utf8(row)));
    }
    merges.emplace_back(row.substr(0, blank), row.substr(blank + 1));
  }
  return merges;
}

std::vector<AddedToken> read_added(const GgufFile& file, const std::vector<std::string>& tokens) {
  std::vector<AddedToken> added;
  if (!file.has("tokenizer.ggml.token_type")) return added;
  const std::vector<std::int64_t>& types = file.integers("tokenizer.ggml.token_type");
  if (types.size() != tokens.size()) {
    throw Error(ErrorKind::data,
                fmt::format("tokenizer.ggml.token_type has {} entries for {} tokens", types.size(), tokens.size()));
  }
  for (std::size_t id = 0; id < types.size(); ++id) {
    if (types[id] != kControlToken && types[id] != kUserToken) continue;
    AddedToken token;
    token.id = static_cast<std::int32_t>(id);
    token.content = tokens[id];
    token.special = types[id] == kControlToken;
    added.push_back(std::move(token));
  }
  return added;
}

std::optional<std::string> named_token(const GgufFile& file, std::string_view key,
                                       const std::vector<std::string>& tokens) {
  if (!file.has(key)) return std::nullopt;
  const std::int64_t id = file.integer(key);
  if (id < 0 || static_cast<std::size_t>(id) >= tokens.size()) {
    throw Error(ErrorKind::data, fmt::format("{} is {}: outside the vocabulary of {} tokens", key, id, tokens.size()));
  }
  return tokens[static_cast<std::size_t>(id)];
}

Extras read_extras(const GgufFile& file, const std::vector<std::string>& tokens) {
  Extras extras;
  const std::string pre = file.has("tokenizer.ggml.pre") ? file.text("tokenizer.ggml.pre") : "default";
  extras.pipeline = text_pipeline_of_gguf(pre, extras.ignore_merges);
  if (extras.pipeline.empty()) {
    throw Error(ErrorKind::data, fmt::format("tokenizer.ggml.pre is '{}', which is not known here; known: {}. "
                                             "A Hugging Face folder with tokenizer.json says how text is cut: use that",
                                             pre, known_gguf_pipelines()));
  }
  extras.bos = named_token(file, "tokenizer.ggml.bos_token_id", tokens);
  extras.eos = named_token(file, "tokenizer.ggml.eos_token_id", tokens);
  extras.unknown = named_token(file, "tokenizer.ggml.unknown_token_id", tokens);
  extras.padding = named_token(file, "tokenizer.ggml.padding_token_id", tokens);
  if (file.has("tokenizer.chat_template")) extras.chat_template = file.text("tokenizer.chat_template");
  const auto bos_flag = file.metadata().find("tokenizer.ggml.add_bos_token");
  if (bos_flag != file.metadata().end()) {
    const bool* value = std::get_if<bool>(&bos_flag->second);
    extras.add_bos = value != nullptr && *value && extras.bos.has_value();
  }
  if (file.has("general.architecture")) {
    const std::string key = file.text("general.architecture") + ".context_length";
    if (file.has(key)) extras.context_length = file.integer(key);
  }
  return extras;
}

/// transformers puts the first token in front when asked for special tokens; encode() here never does.
ordered_json post_processor(const Extras& extras, const ByteLevelBpe& tokenizer) {
  if (!extras.add_bos) return nullptr;
  const auto special = [&](int type) {
    return ordered_json{{"SpecialToken", {{"id", *extras.bos}, {"type_id", type}}}};
  };
  const auto sequence = [](const char* name, int type) {
    return ordered_json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  ordered_json out;
  out["type"] = "TemplateProcessing";
  out["single"] = ordered_json::array({special(0), sequence("A", 0)});
  out["pair"] = ordered_json::array({special(0), sequence("A", 0), special(1), sequence("B", 1)});
  out["special_tokens"][*extras.bos] = {{"id", *extras.bos},
                                        {"ids", ordered_json::array({tokenizer.id_of(*extras.bos)})},
                                        {"tokens", ordered_json::array({*extras.bos})}};
  return out;
}

std::string make_tokenizer_json(const Extras& extras, const ByteLevelBpe& tokenizer) {
  const std::vector<std::string>& tokens = tokenizer.table().tokens();
  const ordered_json pipeline = ordered_json::parse(extras.pipeline);
  const ordered_json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  ordered_json root = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  root["added_tokens"] = ordered_json::array();
  for (const AddedToken& token : tokenizer.added()) {
    root["added_tokens"].push_back({{"id", token.id},
                                    {"content", token.content},
                                    {"single_word", token.single_word},
                                    {"lstrip", token.lstrip},
                                    {"rstrip", token.rstrip},
                                    {"normalized", token.normalized},
                                    {"special", token.special}});
  }
  root["normalizer"] = pipeline["normalizer"];
  root["pre_tokenizer"] = pipeline["pre_tokenizer"];
  root["post_processor"] = post_processor(extras, tokenizer);
  root["decoder"] = byte_level;
  // The vocabulary is written by hand: an ordered JSON object searches all its keys at each insertion.
  std::string vocab;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty() || tokenizer.id_of(tokens[id]) != static_cast<std::int32_t>(id)) continue;
    vocab += fmt::format("{}{}:{}", vocab.empty() ? "" : ",", ordered_json(tokens[id]).dump(), id);
  }
  std::string merges;
  for (const auto& [left, right] : tokenizer.model().merges()) {
    merges +=
        fmt::format("{}[{},{}]", merges.empty() ? "" : ",", ordered_json(tokens[static_cast<std::size_t>(left)]).dump(),
                    ordered_json(tokens[static_cast<std::size_t>(right)]).dump());
  }
  const std::string head = root.dump();
  return fmt::format(R"({},"model":{{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,)"
                     R"("end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":{},)"
                     R"("vocab":{{{}}},"merges":[{}]}}}})",
                     std::string_view(head).substr(0, head.size() - 1), extras.ignore_merges, vocab, merges);
}

std::string make_config(const Extras& extras) {
  ordered_json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  const auto put = [&](const char* key, const std::optional<std::string>& value) {
    if (value) config[key] = *value;
  };
  put("bos_token", extras.bos);
  put("eos_token", extras.eos);
  put("unk_token", extras.unknown);
  put("pad_token", extras.padding);
  if (extras.context_length) config["model_max_length"] = *extras.context_length;
  put("chat_template", extras.chat_template);
  return config.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

std::unique_ptr<Tokenizer> tokenizer_from_gguf(const std::filesystem::path& path) {
  const GgufFile file(path);
  try {
    const std::string& kind = file.text("tokenizer.ggml.model");
    if (kind != "gpt2") {
      throw Error(ErrorKind::data,
                  fmt::format("tokenizer.ggml.model is '{}': only byte-level BPE ('gpt2') is supported so far", kind));
    }
    BpeSpec spec;
    spec.tokens = file.texts("tokenizer.ggml.tokens");
    for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
      if (!is_utf8(spec.tokens[id]))
        throw Error(ErrorKind::data, fmt::format("tokenizer.ggml.tokens[{}] is not UTF-8", id));
    }
    const Extras extras = read_extras(file, spec.tokens);
    spec.added = read_added(file, spec.tokens);
    spec.merges = read_merges(file.texts("tokenizer.ggml.merges"));
    spec.options.ignore_merges = extras.ignore_merges;
    read_text_pipeline(extras.pipeline, spec);
    return std::make_unique<ByteLevelBpe>(std::move(spec), [extras](const ByteLevelBpe& tokenizer) {
      return ByteLevelBpe::Files{{"tokenizer.json", make_tokenizer_json(extras, tokenizer)},
                                 {"tokenizer_config.json", make_config(extras)}};
    });
  } catch (const Error& error) {
    const std::string name = path.string();
    if (std::string_view(error.what()).find(name) != std::string_view::npos) throw;  // GgufFile has named it already
    throw Error(error.kind(), fmt::format("{}: {}", name, error.what()));
  }
}

}  // namespace grpo
