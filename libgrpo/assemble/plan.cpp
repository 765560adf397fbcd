#include "libgrpo/assemble/plan.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/field.hpp"
#include "libgrpo/metrics/progress.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace grpo {
namespace {

/// Floats that one packed row keeps alive from the forward to the backward pass: per layer the inputs and outputs of two
/// norms, q/k/v before and after rotation, the attention's output, gate/up and their product; then the last norm. With
/// checkpointing the inputs of all layers, and everything of one.
double activation_floats_per_row(const ModelConfig& c, bool checkpointing) {
  const double width = static_cast<double>(c.hidden_size);
  const double qkv = static_cast<double>((c.num_heads + 2 * c.num_kv_heads) * c.head_dim);
  const double heads = static_cast<double>(c.num_heads * c.head_dim);
  const double per_layer = 4.0 * width + 2.0 * qkv + heads + 3.0 * static_cast<double>(c.intermediate_size);
  const auto layers = static_cast<double>(c.num_layers);
  return (checkpointing ? layers * width + per_layer : layers * per_layer) + 2.0 * width;
}

std::string spelling(const Recipe& recipe, const std::string& option) {
  Recipe copy = recipe;
  for (const Field& field : fields(copy))
    if (field.name == option) {
      const auto& slot = std::get<EnumSlot>(field.slot);
      return slot.names[slot.get()];
    }
  return option;
}

}  // namespace

Plan make_plan(const Recipe& recipe, const ModelConfig& model, std::int64_t trainable, std::int64_t rows, std::int64_t eval_prompts) {
  Plan plan;
  plan.trainable = trainable;
  plan.rows = rows;
  plan.eval_prompts = eval_prompts;
  plan.completions_per_step = recipe.optimizer.completions_per_step(recipe.dist.num_processes);
  plan.prompts_per_step = plan.completions_per_step / recipe.sampling.num_generations;
  plan.prompts_per_generation = recipe.optimizer.completions_per_generation(recipe.dist.num_processes) / recipe.sampling.num_generations;
  plan.updates_per_generation = recipe.optimizer.updates_per_generation(recipe.dist.num_processes);
  plan.steps_per_epoch = rows / std::max<std::int64_t>(plan.prompts_per_generation, 1) * plan.updates_per_generation;
  if (plan.steps_per_epoch == 0)
    throw Error(ErrorKind::data, fmt::format("the dataset has {} rows, a generation batch needs {} prompts ({} completions / {} "
                                             "generations); lower per_device_train_batch_size or gradient_accumulation_steps",
                                             rows, plan.prompts_per_generation, recipe.optimizer.completions_per_generation(recipe.dist.num_processes),
                                             recipe.sampling.num_generations));
  plan.total_steps = recipe.run.max_steps > 0
                         ? recipe.run.max_steps
                         : std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(
                                                         recipe.run.num_train_epochs * static_cast<double>(plan.steps_per_epoch))));
  plan.token_budget = recipe.optimizer.token_budget > 0 ? recipe.optimizer.token_budget : kDefaultTokenBudget;
  const bool half = model.dtype != WeightType::float32, peft = recipe.policy.use_peft;
  const double width = half ? 2.0 : 4.0, trained = static_cast<double>(trainable);
  const double weights = width * static_cast<double>(model.num_parameters());
  plan.weight_bytes = weights + (peft ? 4.0 * trained : 0.0);
  plan.gradient_bytes = (peft ? 4.0 : width) * trained;
  plan.optimizer_bytes = (half && !peft ? 12.0 : 8.0) * trained;  // two moments, and masters
  const bool own_reference = !peft || recipe.reference.reference_model_name_or_path;
  plan.reference_bytes = recipe.objective.beta > 0.0 && own_reference ? weights : 0.0;
  plan.activation_bytes =
      4.0 * static_cast<double>(plan.token_budget) * activation_floats_per_row(model, recipe.policy.gradient_checkpointing);
  plan.cache_bytes = 8.0 * static_cast<double>(model.num_layers * model.num_kv_heads * model.head_dim) *
                     static_cast<double>(recipe.optimizer.completions_per_generation(recipe.dist.num_processes) * recipe.sampling.max_completion_length);
  return plan;
}

std::string show_objective(const Recipe& r) {
  const MaxentOptions& m = r.maxent;
  const bool maxent = m.maxent_objective != MaxentObjective::none;
  const bool listwise = m.maxent_objective == MaxentObjective::listwise || m.maxent_objective == MaxentObjective::weighted_mle;
  std::string text = maxent ? "MaxEnt-GRPO " + spelling(r, "maxent_objective") : "GRPO";
  if (m.maxent_objective == MaxentObjective::xdr) text += ", loss_type dr_grpo";
  if (m.maxent_objective != MaxentObjective::xdr && (!listwise || m.maxent_use_clip_objective)) text += ", loss_type " + spelling(r, "loss_type");
  if (maxent && m.maxent_objective != MaxentObjective::token_entropy) text += fmt::format(", tau {}", m.maxent_tau);
  if (m.maxent_objective == MaxentObjective::token_entropy) text += fmt::format(", alpha {}", m.maxent_alpha);
  text += fmt::format(", beta {}", r.objective.beta);
  if (r.objective.controls_beta()) text += fmt::format(" (steered to a KL of {})", r.objective.kl_target);
  return text;
}

std::string show_plan(const Plan& p, const Recipe& r, const ModelConfig& m) {
  const auto dataset = r.data.dataset_name.value_or("mixture of " + std::to_string(r.data.dataset_mixture ? r.data.dataset_mixture->datasets.size() : 0));
  std::string text;
  text += fmt::format("model      {}  ({:.1f} M parameters, context {})\n", r.policy.model_name_or_path,
                      static_cast<double>(m.num_parameters()) / 1e6, m.context_length);
  if (p.trainable != m.num_parameters())
    text += fmt::format("trained    {:.2f} M parameters, {}\n", static_cast<double>(p.trainable) / 1e6,
                        r.policy.use_peft ? fmt::format("adapters of rank {}", r.policy.lora_r) : "the others are frozen");
  text += fmt::format("data       {}: {} prompts{}\n", dataset, p.rows,
                      p.eval_prompts > 0 ? fmt::format(", {} held out for evaluation", p.eval_prompts) : "");
  text += fmt::format("step       {} prompts x {} generations = {} completions of at most {} tokens\n", p.prompts_per_step,
                      r.sampling.num_generations, p.completions_per_step, r.sampling.max_completion_length);
  if (p.updates_per_generation > 1)
    text += fmt::format("generation {} prompts at a time, trained on for {} steps ({} x {} iterations)\n", p.prompts_per_generation,
                        p.updates_per_generation, p.updates_per_generation / r.optimizer.num_iterations, r.optimizer.num_iterations);
  text += fmt::format("objective  {}\n", show_objective(r));
  text += fmt::format("reward     {}\n", fmt::join(r.reward.reward_funcs, " + "));
  text += fmt::format("run        {} optimizer steps ({:.2f} epochs of {} steps){}\n", p.total_steps,
                      static_cast<double>(p.total_steps) / static_cast<double>(p.steps_per_epoch), p.steps_per_epoch,
                      p.first_step > 0 ? fmt::format(", {} of them done: resuming", p.first_step) : "");
  text += fmt::format("optimizer  learning rate {}, {} tokens at most per backward part\n", r.optimizer.learning_rate, p.token_budget);
  text += fmt::format("memory     about {}: weights {}, gradients {}, optimizer {}{}, activations {}, cache {}\n",
                      show_bytes(p.total_bytes()), show_bytes(p.weight_bytes), show_bytes(p.gradient_bytes),
                      show_bytes(p.optimizer_bytes),
                      p.reference_bytes > 0.0 ? fmt::format(", reference {}", show_bytes(p.reference_bytes)) : "",
                      show_bytes(p.activation_bytes), show_bytes(p.cache_bytes));
  text += fmt::format("output     {}\n", r.run.output_dir);
  return text;
}

}  // namespace grpo
