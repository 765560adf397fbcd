#include "libgrpo/policy/model_config.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/format/gguf.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace grpo {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& file, const std::string& why) {
  throw Error(ErrorKind::data, fmt::format("{}: {}", file.string(), why));
}

Json read_json(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) refuse(file, "cannot be opened; a model folder holds config.json, model.safetensors and tokenizer.json");
  Json json = Json::parse(in, nullptr, false);
  if (!json.is_object()) refuse(file, "is not a JSON object");
  return json;
}

std::int64_t integer(const Json& json, const fs::path& file, const char* key, std::int64_t fallback = -1) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) {
    if (fallback >= 0) return fallback;
    refuse(file, fmt::format("'{}' is missing", key));
  }
  if (!found->is_number_integer()) refuse(file, fmt::format("'{}' is {}, expected an integer", key, found->dump()));
  return found->get<std::int64_t>();
}

double number(const Json& json, const fs::path& file, const char* key, double fallback) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return fallback;
  if (!found->is_number()) refuse(file, fmt::format("'{}' is {}, expected a number", key, found->dump()));
  return found->get<double>();
}

/// Fields whose other values would change the result.
void refuse_unsupported(const Json& json, const fs::path& file) {
  const auto architecture = json.value("architectures", Json::array());
  if (architecture.is_array() && !architecture.empty() && architecture[0] != "LlamaForCausalLM")
    refuse(file, fmt::format("architecture {} is not supported; LlamaForCausalLM is", architecture[0].dump()));
  if (json.contains("model_type") && json["model_type"] != "llama")
    refuse(file, fmt::format("model_type {} is not supported; \"llama\" is", json["model_type"].dump()));
  if (json.contains("hidden_act") && json["hidden_act"] != "silu")
    refuse(file, fmt::format("hidden_act {} is not supported; \"silu\" is", json["hidden_act"].dump()));
  for (const char* key : {"attention_bias", "mlp_bias"})
    if (json.contains(key) && json[key] != false) refuse(file, fmt::format("{} = {} is not supported", key, json[key].dump()));
  if (json.contains("rope_scaling") && !json["rope_scaling"].is_null())
    refuse(file, fmt::format("rope_scaling {} is not supported", json["rope_scaling"].dump()));
  if (json.contains("quantization_config")) refuse(file, "quantized weights (quantization_config) are not supported");
}

std::int32_t token_id(const Json& id, const fs::path& file, const char* key) {
  if (!id.is_number_integer() || id < 0 || id > (1 << 24))
    refuse(file, fmt::format("{} holds {}, expected a token id", key, id.dump()));
  return id.get<std::int32_t>();
}

bool boolean(const Json& json, const fs::path& file, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return false;
  if (!found->is_boolean()) refuse(file, fmt::format("'{}' is {}, expected true or false", key, found->dump()));
  return found->get<bool>();
}

void add_eos(ModelConfig& config, const Json& json, const fs::path& file) {
  const auto found = json.find("eos_token_id");
  if (found == json.end() || found->is_null()) return;
  for (const Json& id : found->is_array() ? *found : Json::array({*found})) {
    const auto value = token_id(id, file, "eos_token_id");
    if (std::find(config.eos_token_ids.begin(), config.eos_token_ids.end(), value) == config.eos_token_ids.end())
      config.eos_token_ids.push_back(value);
  }
}

ModelConfig from_folder(const fs::path& folder) {
  const fs::path file = folder / "config.json";
  const Json json = read_json(file);
  refuse_unsupported(json, file);
  ModelConfig c;
  c.vocab_size = integer(json, file, "vocab_size");
  c.hidden_size = integer(json, file, "hidden_size");
  c.intermediate_size = integer(json, file, "intermediate_size");
  c.num_layers = integer(json, file, "num_hidden_layers");
  c.num_heads = integer(json, file, "num_attention_heads");
  c.num_kv_heads = integer(json, file, "num_key_value_heads", c.num_heads);
  c.head_dim = integer(json, file, "head_dim", c.num_heads > 0 ? c.hidden_size / c.num_heads : 0);
  c.context_length = integer(json, file, "max_position_embeddings", 2048);
  c.rms_norm_eps = number(json, file, "rms_norm_eps", 1e-6);
  c.rope_theta = number(json, file, "rope_theta", 10000.0);
  if (const auto rope = json.find("rope_parameters"); rope != json.end() && rope->is_object()) {
    c.rope_theta = number(*rope, file, "rope_theta", c.rope_theta);
    if (rope->contains("rope_type") && (*rope)["rope_type"] != "default")
      refuse(file, fmt::format("rope_type {} is not supported", (*rope)["rope_type"].dump()));
  }
  c.tie_word_embeddings = boolean(json, file, "tie_word_embeddings");
  if (const auto bos = json.find("bos_token_id"); bos != json.end() && !bos->is_null())
    c.bos_token_id = token_id(*bos, file, "bos_token_id");
  const fs::path generation = folder / "generation_config.json";
  if (fs::exists(generation)) add_eos(c, read_json(generation), generation);
  add_eos(c, json, file);
  return c;
}

ModelConfig from_gguf(const fs::path& path) {
  const GgufFile file(path);
  if (const auto& architecture = file.text("general.architecture"); architecture != "llama")
    refuse(path, fmt::format("architecture '{}' is not supported; 'llama' is", architecture));
  for (const char* key : {"llama.rope.scaling.type", "llama.expert_count"})
    if (file.has(key) && !(std::string_view(key).ends_with("type") && file.text(key) == "none"))
      refuse(path, fmt::format("'{}' is set, which is not supported", key));
  ModelConfig c;
  c.vocab_size = file.has("llama.vocab_size") ? file.integer("llama.vocab_size")
                                              : static_cast<std::int64_t>(file.texts("tokenizer.ggml.tokens").size());
  c.hidden_size = file.integer("llama.embedding_length");
  c.intermediate_size = file.integer("llama.feed_forward_length");
  c.num_layers = file.integer("llama.block_count");
  c.num_heads = file.integer("llama.attention.head_count");
  c.num_kv_heads = file.has("llama.attention.head_count_kv") ? file.integer("llama.attention.head_count_kv") : c.num_heads;
  c.head_dim = file.has("llama.attention.key_length") ? file.integer("llama.attention.key_length")
                                                      : (c.num_heads > 0 ? c.hidden_size / c.num_heads : 0);
  c.context_length = file.integer("llama.context_length");
  c.rms_norm_eps = file.number("llama.attention.layer_norm_rms_epsilon");
  c.rope_theta = file.has("llama.rope.freq_base") ? file.number("llama.rope.freq_base") : 10000.0;
  c.tie_word_embeddings = file.find("output.weight") == nullptr;
  if (file.has("tokenizer.ggml.bos_token_id"))
    c.bos_token_id = static_cast<std::int32_t>(file.integer("tokenizer.ggml.bos_token_id"));
  if (file.has("tokenizer.ggml.eos_token_id"))
    c.eos_token_ids.push_back(static_cast<std::int32_t>(file.integer("tokenizer.ggml.eos_token_id")));
  return c;
}

void check_sizes(const ModelConfig& c, const fs::path& path) {
  const auto in_range = [&](const char* what, std::int64_t value, std::int64_t top) {
    if (value < 1 || value > top) refuse(path, fmt::format("{} is {}, expected 1 to {}", what, value, top));
  };
  in_range("vocabulary size", c.vocab_size, 1 << 24);
  in_range("hidden size", c.hidden_size, 1 << 20);
  in_range("intermediate size", c.intermediate_size, 1 << 22);
  in_range("number of layers", c.num_layers, 10000);
  in_range("number of heads", c.num_heads, 4096);
  in_range("number of key/value heads", c.num_kv_heads, c.num_heads);
  in_range("head width", c.head_dim, 4096);
  in_range("context length", c.context_length, std::int64_t{1} << 32);
  if (c.num_heads % c.num_kv_heads != 0)
    refuse(path, fmt::format("{} heads are no multiple of {} key/value heads", c.num_heads, c.num_kv_heads));
  if (c.head_dim % 2 != 0) refuse(path, fmt::format("head width {} is odd; rotary embedding needs pairs", c.head_dim));
  if (!(c.rms_norm_eps > 0.0) || !(c.rope_theta > 0.0)) refuse(path, "rms_norm_eps and rope_theta must be above 0");
  if (c.eos_token_ids.empty()) refuse(path, "no end token (eos_token_id): completions could never end");
  for (const std::int32_t id : c.eos_token_ids)
    if (id < 0 || id >= c.vocab_size)
      refuse(path, fmt::format("eos_token_id {} is outside the vocabulary of {}", id, c.vocab_size));
}

}  // namespace

std::int64_t ModelConfig::num_parameters() const {
  const std::int64_t attention = hidden_size * head_dim * (2 * num_heads + 2 * num_kv_heads);
  const std::int64_t layer = attention + 3 * hidden_size * intermediate_size + 2 * hidden_size;
  return num_layers * layer + hidden_size + vocab_size * hidden_size * (tie_word_embeddings ? 1 : 2);
}

ModelConfig read_model_config(const fs::path& model) {
  if (!fs::exists(model))
    throw Error(ErrorKind::data, fmt::format("{}: no such model; model_name_or_path is a Hugging Face model folder or a .gguf "
                                             "file (`bash training.sh --setup-only` installs SmolLM2-135M-Instruct under models/)",
                                             model.string()));
  const ModelConfig config = fs::is_directory(model) ? from_folder(model) : from_gguf(model);
  check_sizes(config, model);
  return config;
}

std::string to_config_json(const ModelConfig& c) {
  const Json json = {
      {"architectures", {"LlamaForCausalLM"}},
      {"model_type", "llama"},
      {"attention_bias", false},
      {"bos_token_id", c.bos_token_id >= 0 ? Json(c.bos_token_id) : Json(nullptr)},
      {"dtype", "float32"},
      {"eos_token_id", c.eos_token_ids.size() == 1 ? Json(c.eos_token_ids[0]) : Json(c.eos_token_ids)},
      {"head_dim", c.head_dim},
      {"hidden_act", "silu"},
      {"hidden_size", c.hidden_size},
      {"intermediate_size", c.intermediate_size},
      {"max_position_embeddings", c.context_length},
      {"mlp_bias", false},
      {"num_attention_heads", c.num_heads},
      {"num_hidden_layers", c.num_layers},
      {"num_key_value_heads", c.num_kv_heads},
      {"rms_norm_eps", c.rms_norm_eps},
      {"rope_theta", c.rope_theta},
      {"rope_scaling", nullptr},
      {"tie_word_embeddings", c.tie_word_embeddings},
      {"torch_dtype", "float32"},
      {"vocab_size", c.vocab_size},
  };
  return json.dump(2) + "\n";
}

std::string to_generation_config_json(const ModelConfig& c) {
  Json json = {{"eos_token_id", c.eos_token_ids.size() == 1 ? Json(c.eos_token_ids[0]) : Json(c.eos_token_ids)}};
  if (c.bos_token_id >= 0) json["bos_token_id"] = c.bos_token_id;
  return json.dump(2) + "\n";
}

}  // namespace grpo
