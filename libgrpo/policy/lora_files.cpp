// Adapters as PEFT keeps them.
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/policy/config_fields.hpp"
#include "libgrpo/policy/lora.hpp"
#include "libgrpo/policy/tensor_file.hpp"
#include "libgrpo/policy/weights_read.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view kPrefix = "base_model.model.", kA = ".lora_A.weight", kB = ".lora_B.weight";
constexpr std::int64_t kMostRank = 1 << 20;

/// Fields of adapter_config.json that change the result, and the values under which they do not.
const std::map<std::string, std::vector<std::string>> kNeutral = {{"bias", {"\"none\""}},
                                                                  {"fan_in_fan_out", {"false"}},
                                                                  {"use_dora", {"false"}},
                                                                  {"lora_bias", {"false"}},
                                                                  {"rank_pattern", {"{}"}},
                                                                  {"alpha_pattern", {"{}"}},
                                                                  {"megatron_config", {}},
                                                                  {"exclude_modules", {"[]"}},
                                                                  {"target_parameters", {"[]"}},
                                                                  {"trainable_token_indices", {"[]"}},
                                                                  {"alora_invocation_tokens", {"[]"}},
                                                                  {"use_qalora", {"false"}}};

/// A list of names, or one name ("all-linear", or a pattern that tensor names make good).
std::vector<std::string> names(const ConfigFields& fields, const std::string& key) {
  const Json value = Json::parse(fields.has(key) ? fields.shown(key) : "null", nullptr, false);
  if (value.is_string()) return {value.get<std::string>()};
  return fields.texts(key);
}

}  // namespace

bool is_adapter_folder(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / kAdapterConfigFile, ignored);
}

LoraOptions read_adapter_config(const fs::path& folder) {
  const ConfigFields fields(read_file(folder / kAdapterConfigFile, 1 << 20), folder / kAdapterConfigFile);
  if (!fields.equals("peft_type", "\"LORA\"")) fields.refuse_value("peft_type", "only LORA is");
  for (const auto& [key, neutral] : kNeutral)
    if (fields.has(key) &&
        std::none_of(neutral.begin(), neutral.end(), [&](const std::string& value) { return fields.equals(key, value); }))
      fields.refuse_value(key, "adapters are plain low-rank products of one rank");
  LoraOptions options;
  options.rank = fields.integer("r");
  options.alpha = fields.number("lora_alpha");
  if (options.rank < 1 || options.rank > kMostRank) fields.refuse_value("r", "it is a rank of at least 1");
  options.dropout = fields.number("lora_dropout", 0.0);
  if (!(options.dropout >= 0.0 && options.dropout < 1.0)) fields.refuse_value("lora_dropout", "it is a share below 1");
  options.rslora = fields.boolean("use_rslora", false);
  options.target_modules = names(fields, "target_modules");
  options.modules_to_save = names(fields, "modules_to_save");
  options.base_model = fields.text("base_model_name_or_path", "");
  return options;
}

Lora Lora::read(const fs::path& folder, const ModelConfig& config, const Weights& weights) {
  Lora lora(read_adapter_config(folder), weights);
  const fs::path path = folder / kAdapterWeightsFile;
  std::map<std::string, at::Tensor> tensors;
  for (auto& [name, tensor] : read_tensors(path)) tensors[name] = tensor.to(weights.embed.device(), at::kFloat);
  const auto take = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) return at::Tensor();
    check_weight_shape(path, name, found->second.sizes().vec(), at::empty(shape, at::kMeta));
    auto tensor = found->second;
    tensors.erase(found);
    return tensor;
  };
  const std::int64_t rank = lora.options_.rank;
  for (const NamedSlice& slice : slices(weights, config)) {
    const auto module = fmt::format("{}{}", kPrefix, std::string_view(slice.name).substr(0, slice.name.rfind('.')));
    if (auto whole = take(fmt::format("{}{}", kPrefix, slice.name), slice.slice.sizes().vec()); whole.defined())
      lora.train_whole(weights, slice, std::move(whole));
    if (!slice.is_layer_matrix()) continue;
    auto a = take(fmt::format("{}{}", module, kA), {rank, slice.slice.size(1)});
    auto b = take(fmt::format("{}{}", module, kB), {slice.slice.size(0), rank});
    if (a.defined() != b.defined()) refuse_weights(path, fmt::format("{} has only one of lora_A and lora_B", module));
    if (a.defined()) lora.adapt(weights, slice, std::move(a), std::move(b));
  }
  if (!tensors.empty()) refuse_weights(path, fmt::format("tensor {} has no place in this model", tensors.begin()->first));
  if (lora.parameters().empty()) refuse_weights(path, "holds no adapter");
  return lora;
}

void Lora::write(const fs::path& folder) const {
  const LoraOptions& o = options_;
  const Json config = {{"alpha_pattern", Json::object()},
                       {"base_model_name_or_path", o.base_model.empty() ? Json(nullptr) : Json(o.base_model)},
                       {"bias", "none"},
                       {"fan_in_fan_out", false},
                       {"inference_mode", true},
                       {"init_lora_weights", true},
                       {"lora_alpha", o.alpha},
                       {"lora_dropout", o.dropout},
                       {"modules_to_save", o.modules_to_save.empty() ? Json(nullptr) : Json(o.modules_to_save)},
                       {"peft_type", "LORA"},
                       {"r", o.rank},
                       {"rank_pattern", Json::object()},
                       {"target_modules", o.target_modules},
                       {"task_type", "CAUSAL_LM"},
                       {"use_dora", false},
                       {"use_rslora", o.rslora}};
  write_file(folder / kAdapterConfigFile, config.dump(2) + "\n");
  NamedTensors tensors;
  for (const Parameter& p : parameters()) tensors.emplace_back(p.name, p.tensor.detach());
  write_tensors(folder / kAdapterWeightsFile, tensors, {{"format", "pt"}});
}

}  // namespace grpo
