#include "libgrpo/policy/model_config.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/policy/config_gguf.hpp"
#include "libgrpo/policy/families.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace grpo {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr int kDeepestJson = 64;

[[noreturn]] void refuse(const fs::path& file, const std::string& why) {
  throw Error(ErrorKind::data, fmt::format("{}: {}", file.string(), why));
}

Json read_json(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) refuse(file, "cannot be opened; a model folder holds config.json, model.safetensors and tokenizer.json");
  bool deep = false;  // writing and comparing recurse
  const auto shallow = [&](int depth, Json::parse_event_t, Json&) { return !(deep = deep || depth > kDeepestJson); };
  Json json = Json::parse(in, shallow, false);
  if (deep) refuse(file, fmt::format("nests deeper than {} levels", kDeepestJson));
  if (!json.is_object()) refuse(file, "is not a JSON object");
  return json;
}

std::int32_t token_id(const Json& id, const fs::path& file, const char* key) {
  if (!id.is_number_integer() || id < 0 || id > (1 << 24)) refuse(file, fmt::format("{} holds {}, expected a token id", key, id.dump()));
  return id.get<std::int32_t>();
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
  const std::string text = json.dump();
  ModelConfig c = read_family_config(ConfigFields(text, file));
  c.source_json = text;
  if (const auto bos = json.find("bos_token_id"); bos != json.end() && !bos->is_null())
    c.bos_token_id = token_id(*bos, file, "bos_token_id");
  const fs::path generation = folder / "generation_config.json";
  if (fs::exists(generation)) {
    add_eos(c, read_json(generation), generation);
    c.generation_json = read_file(generation);
  }
  add_eos(c, json, file);
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
    if (id < 0 || id >= c.vocab_size) refuse(path, fmt::format("eos_token_id {} is outside the vocabulary of {}", id, c.vocab_size));
}

constexpr std::array kTypeNames{"float32", "bfloat16", "float16"};  // as WeightType

Json plain_rope_scaling(const RopeScaling& s) {
  if (s.type == "default") return nullptr;
  Json json = {{"rope_type", s.type}, {"factor", s.factor}};
  if (s.type == "llama3") {
    json["low_freq_factor"] = s.low_freq_factor;
    json["high_freq_factor"] = s.high_freq_factor;
  } else if (s.type == "yarn") {
    json["beta_fast"] = s.beta_fast;
    json["beta_slow"] = s.beta_slow;
    json["attention_factor"] = s.attention_factor;
  } else if (s.type != "linear") {
    throw Error(ErrorKind::data,
                "rope_freqs.weight of the .gguf file follows no rule that config.json has a name for; the model can be "
                "saved as a .gguf file only");
  }
  if (s.type != "linear") json["original_max_position_embeddings"] = s.original_context;
  return json;
}

/// Of a model that was not read from a config.json: a .gguf file, or made in memory. Fields of Llama, Qwen2 and Qwen3.
Json plain_config(const ModelConfig& c) {
  return {
      {"attention_bias", false},
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
      {"rope_scaling", plain_rope_scaling(c.rope_scaling)},
      {"tie_word_embeddings", c.tie_word_embeddings},
      {"vocab_size", c.vocab_size},
  };
}

}  // namespace

std::int64_t ModelConfig::num_parameters() const {
  const std::int64_t q = num_heads * head_dim, kv = num_kv_heads * head_dim;
  std::int64_t layer = hidden_size * (2 * q + 2 * kv) + 3 * hidden_size * intermediate_size;
  layer += 2 * hidden_size * ((pre_norms ? 1 : 0) + (post_norms ? 1 : 0));
  layer += (qkv_bias ? q + 2 * kv : 0) + (o_bias ? hidden_size : 0) + (mlp_bias ? 2 * intermediate_size + hidden_size : 0);
  if (qk_norm != QkNorm::none) layer += qk_norm == QkNorm::head ? 2 * head_dim : q + kv;
  return num_layers * layer + hidden_size + vocab_size * hidden_size * (tie_word_embeddings ? 1 : 2);
}

ModelConfig read_model_config(const fs::path& model) {
  if (!fs::exists(model))
    throw Error(ErrorKind::data, fmt::format("{}: no such model; model_name_or_path is a Hugging Face model folder or a .gguf "
                                             "file (`bash training.sh --setup-only` installs SmolLM2-135M-Instruct under models/)",
                                             model.string()));
  const ModelConfig config = fs::is_directory(model) ? from_folder(model) : read_gguf_config(GgufFile(model));
  check_sizes(config, model);
  return config;
}

std::string to_config_json(const ModelConfig& c) {
  GRPO_CHECK(!c.source_json.empty() || c.model_type == "llama" || c.model_type == "qwen2" || c.model_type == "qwen3",
             "a config made in memory is Llama's, Qwen2's or Qwen3's");
  Json json = c.source_json.empty() ? plain_config(c) : Json::parse(c.source_json);
  json["architectures"] = {architecture_of(c.model_type)};
  json["model_type"] = c.model_type;
  json["bos_token_id"] = c.bos_token_id >= 0 ? Json(c.bos_token_id) : Json(nullptr);
  json["eos_token_id"] = c.eos_token_ids.size() == 1 ? Json(c.eos_token_ids[0]) : Json(c.eos_token_ids);
  json["tie_word_embeddings"] = c.tie_word_embeddings;
  json["dtype"] = json["torch_dtype"] = kTypeNames[static_cast<std::size_t>(c.dtype)];
  return json.dump(2) + "\n";
}

std::string to_generation_config_json(const ModelConfig& c) {
  Json json = c.generation_json.empty() ? Json::object() : Json::parse(c.generation_json);
  ModelConfig said;
  add_eos(said, json, "generation_config.json");
  if (!c.generation_json.empty() && said.eos_token_ids == c.eos_token_ids) return c.generation_json;
  json["eos_token_id"] = c.eos_token_ids.size() == 1 ? Json(c.eos_token_ids[0]) : Json(c.eos_token_ids);
  if (c.generation_json.empty() && c.bos_token_id >= 0) json["bos_token_id"] = c.bos_token_id;
  return json.dump(2) + "\n";
}

}  // namespace grpo
