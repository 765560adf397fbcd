// What a model's weights are called, which of them are trained, and how they are saved.
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/policy/weights_write.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <map>
#include <string_view>

namespace grpo {
namespace {

/// "*" stands for any text, "?" for any character.
bool fits(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() == '*') return fits(pattern.substr(1), name) || (!name.empty() && fits(pattern, name.substr(1)));
  return !name.empty() && (pattern.front() == '?' || pattern.front() == name.front()) && fits(pattern.substr(1), name.substr(1));
}

}  // namespace

std::vector<Parameter> CausalLm::parameters() const {
  if (lora_) return lora_->parameters();
  std::vector<Parameter> all{{"embed", weights_.embed, true}};
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    const LayerWeights& w = weights_.layers[i];
    const auto add = [&](const char* name, const at::Tensor& tensor) {
      if (tensor.defined()) all.push_back({"layers." + std::to_string(i) + "." + name, tensor, tensor.dim() == 2});
    };
    add("input_norm", w.input_norm);
    add("qkv", w.qkv);
    add("qkv_bias", w.qkv_bias);
    add("q_norm", w.q_norm);
    add("k_norm", w.k_norm);
    add("o", w.o);
    add("o_bias", w.o_bias);
    add("attention_output_norm", w.attention_output_norm);
    add("post_attention_norm", w.post_attention_norm);
    add("gate_up", w.gate_up);
    add("gate_up_bias", w.gate_up_bias);
    add("down", w.down);
    add("down_bias", w.down_bias);
    add("mlp_output_norm", w.mlp_output_norm);
  }
  all.push_back({"norm", weights_.norm, false});
  if (!config_.tie_word_embeddings) all.push_back({"head", weights_.head, true});
  std::erase_if(all, [&](const Parameter& p) { return std::find(frozen_.begin(), frozen_.end(), p.name) != frozen_.end(); });
  return all;
}

void CausalLm::freeze(const std::vector<std::string>& patterns) {
  std::vector<NamedSlice> slices = named_slices(weights_, config_);
  std::vector<bool> frozen(slices.size());
  for (const std::string& pattern : patterns) {
    bool any = false;
    for (std::size_t i = 0; i < slices.size(); ++i)
      if (fits(pattern, slices[i].name)) any = frozen[i] = true;
    if (!any) throw Error(ErrorKind::recipe, "freeze: no weights are called " + pattern + "; names are such as " + slices[1].name);
  }
  for (const Parameter& p : parameters()) {
    std::vector<std::size_t> of_parameter;
    for (std::size_t i = 0; i < slices.size(); ++i)
      if (slices[i].slice.storage().is_alias_of(p.tensor.storage())) of_parameter.push_back(i);
    const auto is_frozen = [&](std::size_t i) { return frozen[i]; };
    if (std::none_of(of_parameter.begin(), of_parameter.end(), is_frozen)) continue;
    for (const std::size_t i : of_parameter)
      if (!frozen[i])
        throw Error(ErrorKind::recipe, "freeze: " + slices[i].name +
                                           " is stored in one matrix with weights that are to be frozen; freeze "
                                           "q_proj, k_proj and v_proj together, and gate_proj with up_proj");
    frozen_.push_back(p.name);
  }
  if (parameters().empty()) throw Error(ErrorKind::recipe, "freeze: nothing would be left to train");
}

void CausalLm::merge_adapters() {
  if (!lora_) return;
  lora_->merge();
  const bool tied = config_.tie_word_embeddings;
  weights_ = lora_->weights();
  lora_.reset();
  config_.tie_word_embeddings = tied && weights_.head.is_same(weights_.embed);
}

void restore_parameters(const CausalLm& model, const std::vector<std::pair<std::string, at::Tensor>>& named) {
  const at::NoGradGuard no_grad;
  const std::map<std::string, at::Tensor> by_name(named.begin(), named.end());
  for (const Parameter& p : model.parameters()) {
    const auto found = by_name.find(p.name);
    if (found == by_name.end() || found->second.sizes() != p.tensor.sizes())
      throw Error(ErrorKind::data, "saved weights do not fit the model: " + p.name + " is missing or has another shape");
    p.tensor.detach().copy_(found->second);
  }
}

void CausalLm::require_grad() {
  for (const Parameter& p : parameters()) p.tensor.set_requires_grad(true);
}

void CausalLm::save(const std::filesystem::path& folder) const {
  if (lora_) return lora_->write(folder);
  write_file(folder / "config.json", to_config_json(config_));
  write_file(folder / "generation_config.json", to_generation_config_json(config_));
  write_model_weights(folder, named_slices(weights_, config_));
}

}  // namespace grpo
