#include "libgrpo/policy/config_gguf.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/policy/rope_gguf.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string>

namespace grpo {

namespace {

constexpr std::array kArchitectures{"llama", "qwen2", "qwen3"};
// Ends of a completion besides eos, in the order in which further end tokens are written.
constexpr std::array kEndKeys{"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};

[[noreturn]] void refuse(const GgufFile& file, const std::string& why) {
  throw Error(ErrorKind::data, fmt::format("{}: {}", file.path().string(), why));
}

[[noreturn]] void refuse_export(const ModelConfig& c, const std::string& why) {
  throw Error(ErrorKind::data, fmt::format("export of family {} to GGUF is not supported: {}; write a Hugging Face folder (--output "
                                           "FOLDER) and convert it with llama.cpp's tools",
                                           c.model_type, why));
}

}  // namespace

ModelConfig read_gguf_config(const GgufFile& file) {
  const std::string family = file.text("general.architecture");
  if (std::find(kArchitectures.begin(), kArchitectures.end(), family) == kArchitectures.end())
    refuse(file, fmt::format("architecture '{}' is not supported in .gguf files; {} are, others as a folder of safetensors", family,
                             fmt::join(kArchitectures, ", ")));
  const auto at = [&](const char* key) { return family + "." + key; };
  const auto integer = [&](const char* key, std::int64_t absent) { return file.has(at(key)) ? file.integer(at(key)) : absent; };
  if (integer("expert_count", 0) != 0)
    refuse(file, fmt::format("'{}' is set; mixture-of-experts models are out of scope", at("expert_count")));
  ModelConfig c;
  c.model_type = family;
  c.qkv_bias = family == "qwen2";
  c.qk_norm = family == "qwen3" ? QkNorm::head : QkNorm::none;
  c.vocab_size =
      file.has(at("vocab_size")) ? file.integer(at("vocab_size")) : static_cast<std::int64_t>(file.texts("tokenizer.ggml.tokens").size());
  c.hidden_size = file.integer(at("embedding_length"));
  c.intermediate_size = file.integer(at("feed_forward_length"));
  c.num_layers = file.integer(at("block_count"));
  c.num_heads = file.integer(at("attention.head_count"));
  c.num_kv_heads = integer("attention.head_count_kv", c.num_heads);
  c.head_dim = integer("attention.key_length", c.num_heads > 0 ? c.hidden_size / c.num_heads : 0);
  if (const std::int64_t width = integer("attention.value_length", c.head_dim); width != c.head_dim)
    refuse(file, fmt::format("'{}' is {}, keys are {} wide; heads of two widths are not supported", at("attention.value_length"), width,
                             c.head_dim));
  c.context_length = file.integer(at("context_length"));
  c.rms_norm_eps = shortest_decimal(file.number(at("attention.layer_norm_rms_epsilon")));
  c.tie_word_embeddings = file.find("output.weight") == nullptr;
  read_gguf_rope(file, family + ".rope.", c);
  if (file.has("tokenizer.ggml.bos_token_id")) c.bos_token_id = static_cast<std::int32_t>(file.integer("tokenizer.ggml.bos_token_id"));
  for (const char* key : kEndKeys) {
    if (!file.has(key)) continue;
    const auto id = static_cast<std::int32_t>(file.integer(key));
    if (std::find(c.eos_token_ids.begin(), c.eos_token_ids.end(), id) == c.eos_token_ids.end()) c.eos_token_ids.push_back(id);
  }
  return c;
}

std::string gguf_architecture(const ModelConfig& c) {
  const std::string architecture = c.model_type == "mistral" ? "llama" : c.model_type;
  if (std::find(kArchitectures.begin(), kArchitectures.end(), architecture) == kArchitectures.end())
    refuse_export(c, fmt::format("{} are", fmt::join(kArchitectures, ", ")));
  if (std::any_of(c.layers.begin(), c.layers.end(), [](const LayerKind& layer) { return layer.sliding || !layer.rotates; }))
    refuse_export(c, "llama.cpp gives its layers no sliding window");
  if (c.o_bias || c.mlp_bias || c.qkv_bias != (architecture == "qwen2"))
    refuse_export(c, "it has biases that others of its family have not");
  const std::string& rope = c.rope_scaling.type;
  if (rope == "dynamic" || rope == "longrope") refuse_export(c, fmt::format("its rotary embedding is '{}'", rope));
  if (rope == "yarn" && !c.rope_scaling.truncate) refuse_export(c, "its yarn does not truncate");
  return architecture;
}

GgufEntries gguf_config_entries(const ModelConfig& c) {
  const std::string architecture = gguf_architecture(c);
  GgufEntries entries{{"general.architecture", architecture}};
  const auto whole = [&](const char* key, std::int64_t value) {
    entries.emplace_back(architecture + "." + key, static_cast<std::uint32_t>(value));
  };
  whole("vocab_size", c.vocab_size);
  whole("context_length", c.context_length);
  whole("embedding_length", c.hidden_size);
  whole("block_count", c.num_layers);
  whole("feed_forward_length", c.intermediate_size);
  whole("attention.head_count", c.num_heads);
  whole("attention.head_count_kv", c.num_kv_heads);
  whole("attention.key_length", c.head_dim);
  whole("attention.value_length", c.head_dim);
  entries.emplace_back(architecture + ".attention.layer_norm_rms_epsilon", static_cast<float>(c.rms_norm_eps));
  add_gguf_rope(c, architecture + ".rope.", entries);
  if (c.bos_token_id >= 0) entries.emplace_back("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(c.bos_token_id));
  for (std::size_t i = 0; i < std::min(c.eos_token_ids.size(), kEndKeys.size()); ++i)
    entries.emplace_back(kEndKeys[i], static_cast<std::uint32_t>(c.eos_token_ids[i]));
  return entries;
}

}  // namespace grpo
