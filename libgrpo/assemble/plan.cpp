#include "libgrpo/assemble/plan.hpp"

#include "libgrpo/assemble/make_sampler.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/config/field.hpp"
#include "libgrpo/metrics/progress.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace grpo {
namespace {

/// Steps by which the weights that sample may be behind.
std::int64_t oldest_weights(const ServerOptions& o) { return o.async_generation ? o.max_staleness_steps : o.vllm_sync_interval_steps - 1; }

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

Plan make_plan(const Recipe& recipe, const ModelConfig& model, std::int64_t trainable, double stored_reference, std::int64_t rows,
               std::int64_t eval_prompts) {
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
    throw Error(ErrorKind::data,
                fmt::format("the dataset has {} rows, a generation batch needs {} prompts ({} completions / {} "
                            "generations); lower per_device_train_batch_size or gradient_accumulation_steps",
                            rows, plan.prompts_per_generation, recipe.optimizer.completions_per_generation(recipe.dist.num_processes),
                            recipe.sampling.num_generations));
  plan.total_steps =
      recipe.run.max_steps > 0
          ? recipe.run.max_steps
          : std::max<std::int64_t>(
                1, static_cast<std::int64_t>(std::ceil(recipe.run.num_train_epochs * static_cast<double>(plan.steps_per_epoch))));
  plan.token_budget = recipe.optimizer.token_budget > 0 ? recipe.optimizer.token_budget : kDefaultTokenBudget;
  plan_memory(plan, recipe, model, stored_reference);
  return plan;
}

std::string show_objective(const Recipe& r) {
  const MaxentOptions& m = r.maxent;
  const bool maxent = m.maxent_objective != MaxentObjective::none;
  const bool listwise = m.maxent_objective == MaxentObjective::listwise || m.maxent_objective == MaxentObjective::weighted_mle;
  std::string text = maxent ? "MaxEnt-GRPO " + spelling(r, "maxent_objective") : "GRPO";
  if (m.maxent_objective == MaxentObjective::xdr) text += ", loss_type dr_grpo";
  if (m.maxent_objective != MaxentObjective::xdr && (!listwise || m.maxent_use_clip_objective))
    text += ", loss_type " + spelling(r, "loss_type");
  if (maxent && m.maxent_objective != MaxentObjective::token_entropy) text += fmt::format(", tau {}", m.maxent_tau);
  if (m.maxent_objective == MaxentObjective::token_entropy) text += fmt::format(", alpha {}", m.maxent_alpha);
  text += fmt::format(", beta {}", r.objective.beta);
  if (r.objective.controls_beta()) text += fmt::format(" (steered to a KL of {})", r.objective.kl_target);
  return text;
}

std::string show_plan(const Plan& p, const Recipe& r, const ModelConfig& m) {
  const auto dataset =
      r.data.dataset_name.value_or("mixture of " + std::to_string(r.data.dataset_mixture ? r.data.dataset_mixture->datasets.size() : 0));
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
  if (const auto urls = server_urls(r.server); !urls.empty())
    text += fmt::format("sampling   by {}{}\n", fmt::join(urls, ", "),
                        r.server.vllm_sync_interval_steps > 0 ? fmt::format(", with weights at most {} steps old", oldest_weights(r.server))
                                                              : ", whose weights stay as they are");
  text += fmt::format("objective  {}\n", show_objective(r));
  text += fmt::format("reward     {}\n", fmt::join(r.reward.reward_funcs, " + "));
  text += fmt::format("run        {} optimizer steps ({:.2f} epochs of {} steps){}\n", p.total_steps,
                      static_cast<double>(p.total_steps) / static_cast<double>(p.steps_per_epoch), p.steps_per_epoch,
                      p.first_step > 0 ? fmt::format(", {} of them done: resuming", p.first_step) : "");
  text += fmt::format("optimizer  learning rate {}, {} tokens at most per backward part\n", r.optimizer.learning_rate, p.token_budget);
  text += fmt::format("memory     about {}: program {}, weights {}, gradients {}, optimizer {}{}, activations {}, cache {}\n",
                      show_bytes(p.total_bytes()), show_bytes(p.program_bytes), show_bytes(p.weight_bytes), show_bytes(p.gradient_bytes),
                      show_bytes(p.optimizer_bytes),
                      p.reference_bytes > 0.0 ? fmt::format(", reference {}", show_bytes(p.reference_bytes)) : "",
                      show_bytes(p.activation_bytes), show_bytes(p.cache_bytes));
  text += fmt::format("output     {}\n", r.run.output_dir);
  return text;
}

}  // namespace grpo
