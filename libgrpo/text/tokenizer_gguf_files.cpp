#include "libgrpo/text/tokenizer_gguf_files.hpp"

#include "libgrpo/text/bpe_model.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using nlohmann::ordered_json;

/// transformers puts the first token in front when asked for special tokens; encode() here never does.
ordered_json post_processor(const GgufExtras& extras, const TextTokenizer& tokenizer) {
  if (!extras.add_bos) return nullptr;
  const auto special = [&](int type) { return ordered_json{{"SpecialToken", {{"id", *extras.bos}, {"type_id", type}}}}; };
  const auto sequence = [](const char* name, int type) { return ordered_json{{"Sequence", {{"id", name}, {"type_id", type}}}}; };
  ordered_json out;
  out["type"] = "TemplateProcessing";
  out["single"] = ordered_json::array({special(0), sequence("A", 0)});
  out["pair"] = ordered_json::array({special(0), sequence("A", 0), special(1), sequence("B", 1)});
  out["special_tokens"][*extras.bos] = {
      {"id", *extras.bos}, {"ids", ordered_json::array({tokenizer.id_of(*extras.bos)})}, {"tokens", ordered_json::array({*extras.bos})}};
  return out;
}

std::string make_tokenizer_json(const GgufExtras& extras, const TextTokenizer& tokenizer) {
  const std::vector<std::string>& tokens = tokenizer.table().tokens();
  const ordered_json pipeline = ordered_json::parse(extras.pipeline);
  const auto& model = dynamic_cast<const BpeModel&>(tokenizer.model());
  const BpeModel::Options& options = model.options();
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
  root["decoder"] = pipeline["decoder"];
  // The vocabulary is written by hand: an ordered JSON object searches all its keys at each insertion.
  std::string vocab;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty() || tokenizer.id_of(tokens[id]) != static_cast<std::int32_t>(id)) continue;
    vocab += fmt::format("{}{}:{}", vocab.empty() ? "" : ",", ordered_json(tokens[id]).dump(), id);
  }
  std::string merges;
  for (const auto& [left, right] : model.merges()) {
    merges += fmt::format("{}[{},{}]", merges.empty() ? "" : ",", ordered_json(tokens[static_cast<std::size_t>(left)]).dump(),
                          ordered_json(tokens[static_cast<std::size_t>(right)]).dump());
  }
  const std::string head = root.dump();
  const std::string unknown = options.unknown_id < 0 ? "null" : ordered_json(tokens[static_cast<std::size_t>(options.unknown_id)]).dump();
  return fmt::format(R"({},"model":{{"type":"BPE","dropout":null,"unk_token":{},"continuing_subword_prefix":null,)"
                     R"("end_of_word_suffix":null,"fuse_unk":{},"byte_fallback":{},"ignore_merges":{},)"
                     R"("vocab":{{{}}},"merges":[{}]}}}})",
                     std::string_view(head).substr(0, head.size() - 1), unknown, options.fuse_unknown, options.byte_fallback,
                     options.ignore_merges, vocab, merges);
}

std::string make_config(const GgufExtras& extras) {
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

TextTokenizer::Files gguf_tokenizer_files(const GgufExtras& extras, const TextTokenizer& tokenizer) {
  return {{"tokenizer.json", make_tokenizer_json(extras, tokenizer)}, {"tokenizer_config.json", make_config(extras)}};
}

}  // namespace grpo
