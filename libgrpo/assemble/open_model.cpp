#include "libgrpo/assemble/open_model.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/policy/file_weights.hpp"
#include "libgrpo/tensor/precompiled.hpp"

namespace grpo {
namespace {

LoraOptions lora_options(const Recipe& recipe) {
  const PolicyOptions& o = recipe.policy;
  return {o.lora_r,
          o.lora_alpha,
          o.lora_dropout,
          o.lora_target_modules,
          o.lora_modules_to_save,
          o.use_rslora,
          static_cast<std::uint64_t>(recipe.run.seed),
          o.model_name_or_path};
}

/// Adapters of the folder go on, or the recipe's new ones; what is not trained is left out of parameters().
void prepare(CausalLm& policy, const ModelPlace& place, const Recipe& recipe) {
  const bool peft = recipe.policy.use_peft;
  if (!peft && policy.config().dtype == WeightType::float16)
    throw Error(ErrorKind::recipe,
                "torch_dtype float16: gradients vanish in float16; train in bfloat16 or float32, or adapters "
                "(use_peft) on float16 weights");
  if (place.adapters)
    policy.adapt(Lora::read(*place.adapters, policy.config(), policy.weights()));
  else if (peft)
    policy.adapt(Lora(lora_options(recipe), policy.config(), policy.weights()));
  if (!peft) policy.merge_adapters();
  policy.freeze(recipe.policy.freeze);
  policy.set_gradient_checkpointing(recipe.policy.gradient_checkpointing);
}

/// The weights where they are, if the file holds them in fewer bytes than they are computed in; else nothing: they are mapped as they
/// are, or too wide to be left there.
std::shared_ptr<FileWeights> leave_in_file(const ModelPlace& place, const ModelConfig& config) {
  if (place.adapters) return nullptr;
  auto stored = std::make_shared<FileWeights>(place.weights, config);
  const std::uint64_t bytes = (config.dtype == WeightType::float32 ? 4U : 2U) * static_cast<std::uint64_t>(config.num_parameters());
  return stored->stored_bytes() < bytes ? stored : nullptr;
}

}  // namespace

ModelConfig open_config(const ModelPlace& place, TorchDtype dtype) {
  ModelConfig config = read_model_config(place.weights);
  switch (dtype) {
    case TorchDtype::float32: config.dtype = WeightType::float32; break;
    case TorchDtype::bfloat16: config.dtype = WeightType::bfloat16; break;
    case TorchDtype::float16: config.dtype = WeightType::float16; break;
    case TorchDtype::automatic: config.dtype = config.stored_dtype; break;
  }
  return config;
}

std::unique_ptr<CausalLm> open_model(const ModelPlace& place, TorchDtype dtype, at::Device device) {
  const ModelConfig config = open_config(place, dtype);
  auto model = std::make_unique<CausalLm>(config, load_weights(place.weights, config, WeightPlace::mapped, device));
  if (place.adapters) model->adapt(Lora::read(*place.adapters, config, model->weights()));
  model->merge_adapters();
  return model;
}

std::unique_ptr<CausalLm> open_model(const Recipe& recipe) { return open_model(model_place(recipe), recipe.policy.torch_dtype); }

std::unique_ptr<Scorer> open_reference(const ModelPlace& place, TorchDtype dtype, at::Device device) {
  if (!device.is_cpu()) return open_model(place, dtype, device);
  const ModelConfig config = open_config(place, dtype);
  auto stored = leave_in_file(place, config);
  if (!stored) return open_model(place, dtype);
  auto model = std::make_unique<CausalLm>(config, Weights::allocate(config, at::kMeta));
  model->read_from(std::move(stored));
  return model;
}

double stored_reference_bytes(const Recipe& recipe) {
  const ReferenceOptions& o = recipe.reference;
  const bool switched_off = recipe.policy.use_peft && !o.reference_model_name_or_path;
  if (recipe.objective.beta <= 0.0 || switched_off || o.sync_ref_model || o.maxent_reference_ema_enabled) return 0.0;
  const ModelPlace place = reference_place(recipe);
  const auto stored = leave_in_file(place, open_config(place, recipe.policy.torch_dtype));
  return stored ? static_cast<double>(stored->stored_bytes()) : 0.0;
}

std::unique_ptr<CausalLm> open_policy(const ModelPlace& place, const ModelConfig& config, const Recipe& recipe, at::Device device) {
  const WeightPlace memory = recipe.policy.use_peft || !device.is_cpu() ? WeightPlace::mapped : WeightPlace::copied;
  auto policy = std::make_unique<CausalLm>(config, load_weights(place.weights, config, memory, device));
  prepare(*policy, place, recipe);
  return policy;
}

std::int64_t count_trainable(const ModelPlace& place, const ModelConfig& config, const Recipe& recipe) {
  CausalLm shapes(config, Weights::allocate(config, at::kMeta));
  prepare(shapes, place, recipe);
  std::int64_t count = 0;
  for (const Parameter& p : shapes.parameters()) count += p.tensor.numel();
  return count;
}

}  // namespace grpo
