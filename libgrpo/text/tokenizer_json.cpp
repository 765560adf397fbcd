#include "libgrpo/text/tokenizer_json.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/text/tokenizer_pipeline.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorKind::data, why); }

bool is_set(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && !found->is_null();
}

bool flag(const json& object, const char* key) {
  if (!is_set(object, key)) return false;
  if (!object[key].is_boolean()) refuse(fmt::format("'{}' is {}, not true or false", key, object[key].dump()));
  return object[key].get<bool>();
}

/// Checks an id against a bound that keeps a small file from asking for a huge table.
std::int32_t read_id(const json& value, const std::string& token, std::int64_t bound) {
  if (!value.is_number_integer()) refuse(fmt::format("id of token '{}' is {}, not an integer", token, value.dump()));
  const auto id =
      value.is_number_unsigned() && value.get<std::uint64_t>() > (1ULL << 62) ? bound : value.get<std::int64_t>();
  if (id < 0 || id >= bound) {
    refuse(fmt::format("id of token '{}' is {}: expected 0 to {} in a file of this many tokens", token, value.dump(),
                       bound - 1));
  }
  return static_cast<std::int32_t>(id);
}

void place(std::vector<std::string>& tokens, std::int32_t id, const std::string& token) {
  const auto index = static_cast<std::size_t>(id);
  if (tokens.size() <= index) tokens.resize(index + 1);
  if (!tokens[index].empty() && tokens[index] != token) {
    refuse(fmt::format("id {} belongs to both '{}' and '{}'", id, tokens[index], token));
  }
  tokens[index] = token;
}

void check_model(const json& model) {
  // Files of old versions have no type; those with merges are BPE.
  const std::string type = model.value("type", model.contains("merges") ? "BPE" : "");
  if (type != "BPE") {
    refuse(fmt::format("model: type '{}' is not supported; only byte-level BPE is so far",
                       type.empty() ? "(none)" : type));
  }
  if (flag(model, "byte_fallback"))
    refuse("model: BPE with byte_fallback is not supported; only byte-level BPE is so far");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (is_set(model, key) && model[key] != "")
      refuse(fmt::format("model: {} {} is not supported", key, model[key].dump()));
  }
  if (is_set(model, "dropout") && model["dropout"] != 0.0) {
    refuse(fmt::format("model: dropout {} is not supported: ids must not depend on chance", model["dropout"].dump()));
  }
  if (!is_set(model, "vocab") || !model["vocab"].is_object()) refuse("model: 'vocab' is missing or not an object");
  if (!is_set(model, "merges") || !model["merges"].is_array()) refuse("model: 'merges' is missing or not a list");
}

BpeModel::Merges read_merges(const json& merges) {
  BpeModel::Merges out;
  out.reserve(merges.size());
  for (const json& merge : merges) {
    if (merge.is_string()) {
      const std::string_view pair = merge.get_ref<const std::string&>();
      if (out.empty() && pair.starts_with("#version")) continue;
      const std::size_t blank = pair.find(' ');
      if (blank == std::string_view::npos || pair.find(' ', blank + 1) != std::string_view::npos) {
        refuse(fmt::format("model: merge {} is '{}': expected two tokens with one blank between", out.size(), pair));
      }
      out.emplace_back(pair.substr(0, blank), pair.substr(blank + 1));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      out.emplace_back(merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>());
    } else {
      refuse(fmt::format("model: merge {} is {}: expected two tokens", out.size(), merge.dump()));
    }
  }
  return out;
}

std::vector<AddedToken> read_added(const json& root, std::int64_t bound, std::vector<std::string>& tokens) {
  std::vector<AddedToken> added;
  if (!is_set(root, "added_tokens")) return added;
  if (!root["added_tokens"].is_array()) refuse("'added_tokens' is not a list");
  for (const json& entry : root["added_tokens"]) {
    if (!entry.is_object() || !is_set(entry, "content") || !entry["content"].is_string() || !is_set(entry, "id")) {
      refuse(fmt::format("added token {} has no 'id' and 'content'", added.size()));
    }
    AddedToken token;
    token.content = entry["content"].get<std::string>();
    token.id = read_id(entry["id"], token.content, bound);
    token.special = flag(entry, "special");
    token.single_word = flag(entry, "single_word");
    token.lstrip = flag(entry, "lstrip");
    token.rstrip = flag(entry, "rstrip");
    token.normalized = is_set(entry, "normalized") ? flag(entry, "normalized") : !token.special;
    if (!token.content.empty()) place(tokens, token.id, token.content);
    added.push_back(std::move(token));
  }
  return added;
}

void read_model(const json& root, BpeSpec& spec) {
  if (!is_set(root, "model") || !root["model"].is_object()) refuse("'model' is missing or not an object");
  const json& model = root["model"];
  check_model(model);
  const json& vocab = model["vocab"];
  const std::size_t added = is_set(root, "added_tokens") ? root["added_tokens"].size() : 0;
  const auto bound = static_cast<std::int64_t>(std::min<std::size_t>(4 * (vocab.size() + added) + 65536, 1U << 30));
  spec.tokens.reserve(vocab.size() + added);
  for (const auto& [token, id] : vocab.items()) place(spec.tokens, read_id(id, token, bound), token);
  spec.added = read_added(root, bound, spec.tokens);
  spec.merges = read_merges(model["merges"]);
  spec.options.ignore_merges = flag(model, "ignore_merges");
  spec.options.fuse_unknown = flag(model, "fuse_unk");
  if (is_set(model, "unk_token")) {
    const auto found = model["unk_token"].is_string() ? vocab.find(model["unk_token"].get<std::string>()) : vocab.end();
    if (found == vocab.end())
      refuse(fmt::format("model: unk_token {} is not in the vocabulary", model["unk_token"].dump()));
    spec.options.unknown_id = found->get<std::int32_t>();
  }
}

void check_decoder(const json& root) {
  const json decoder = root.value("decoder", json());
  const std::string type = decoder.is_object() ? decoder.value("type", "(none)") : "(none)";
  if (type != "ByteLevel") refuse(fmt::format("decoder: '{}' is not supported; known: ByteLevel", type));
}

}  // namespace

std::unique_ptr<Tokenizer> tokenizer_from_json(std::string_view text, const std::string& source,
                                               ByteLevelBpe::Files files) {
  try {
    const json root = json::parse(text);
    if (!root.is_object()) refuse("not a JSON object");
    BpeSpec spec;
    read_model(root, spec);
    json pipeline;
    for (const char* key : {"normalizer", "pre_tokenizer"}) pipeline[key] = root.value(key, json());
    read_text_pipeline(pipeline.dump(), spec);
    check_decoder(root);
    return std::make_unique<ByteLevelBpe>(std::move(spec),
                                          [files = std::move(files)](const ByteLevelBpe&) { return files; });
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", source, error.what()));
  } catch (const json::exception& error) {
    throw Error(ErrorKind::data, fmt::format("{}: {}", source, error.what()));
  }
}

}  // namespace grpo
