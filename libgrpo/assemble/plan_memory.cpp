// How much memory a run is going to need at its peak.
#include "libgrpo/assemble/plan.hpp"

#include <algorithm>

namespace grpo {
namespace {

/// libtorch's code and tables as far as they are read, tokenizer, prompts and results, on one thread and for each further one.
constexpr double kProgram = 145e6, kThread = 12e6;
/// A tile of logits.
constexpr double kLogits = 8e6;
/// Passes without gradients are no faster with more rows than so many times those of a pass with them.
constexpr std::int64_t kMostScoringParts = 8;

double as_double(std::int64_t count) { return static_cast<double>(count); }

/// Widths that the counts below are made of.
struct Widths {
  double model, qkv, heads, mlp, layers;
  explicit Widths(const ModelConfig& c)
      : model(as_double(c.hidden_size)),
        qkv(as_double((c.num_heads + 2 * c.num_kv_heads) * c.head_dim)),
        heads(as_double(c.num_heads * c.head_dim)),
        mlp(as_double(c.intermediate_size)),
        layers(as_double(c.num_layers)) {}
};

/// Floats that one packed row keeps alive from the forward to the backward pass: per layer the inputs of two norms, q/k/v after rotation,
/// the attention's output, gate/up (what norms and gates give is made again); then the last norm; and what the backward pass of one layer
/// makes. With checkpointing the inputs of all layers, and everything of one.
double training_floats(const Widths& w, bool checkpointing) {
  const double layer = 2.0 * w.model + w.qkv + w.heads + 2.0 * w.mlp;
  const double kept = checkpointing ? w.layers * w.model + layer : w.layers * layer;
  return kept + 3.0 * w.model + 4.0 * w.mlp + 2.0 * w.model;
}

/// Floats that one packed row needs in a pass without gradients: those of one layer, with everything that it makes.
double scoring_floats(const Widths& w) { return 6.0 * w.model + 2.0 * w.qkv + 2.0 * w.heads + 3.0 * w.mlp; }

}  // namespace

void plan_memory(Plan& plan, const Recipe& recipe, const ModelConfig& model, double stored_reference) {
  const bool half = model.dtype != WeightType::float32, peft = recipe.policy.use_peft;
  const double width = half ? 2.0 : 4.0, trained = as_double(plan.trainable);
  const double weights = width * as_double(model.num_parameters());
  plan.program_bytes = kProgram + kThread * as_double(std::max<std::int64_t>(recipe.run.num_threads, 1) - 1);
  plan.weight_bytes = weights + (peft ? 4.0 * trained : 0.0);
  plan.gradient_bytes = (peft ? 4.0 : width) * trained;
  const double moments = recipe.optimizer.optim_moments_dtype == MomentsDtype::bfloat16 ? 4.0 : 8.0;
  plan.optimizer_bytes = (moments + (half && !peft ? 4.0 : 0.0)) * trained;  // two moments, and masters
  const double ranks = as_double(recipe.dist.num_processes);
  if (recipe.dist.zero_stage >= 1) plan.optimizer_bytes /= ranks;
  if (recipe.dist.zero_stage >= 2) plan.gradient_bytes /= ranks;
  if (recipe.dist.zero_stage >= 3) plan.weight_bytes /= ranks;
  const Widths w(model);
  const double training = 4.0 * training_floats(w, recipe.policy.gradient_checkpointing), scoring = 4.0 * scoring_floats(w);
  const double budget = as_double(plan.token_budget);
  plan.scoring_budget = plan.token_budget * std::clamp(static_cast<std::int64_t>(training / scoring), std::int64_t{1}, kMostScoringParts);
  const double generation = as_double(recipe.optimizer.completions_per_generation(recipe.dist.num_processes)) / ranks;
  const bool scores = recipe.objective.beta > 0.0;
  // A reference in its file is widened layer by layer, its embedding and head as a whole.
  const bool from_file = scores && stored_reference > 0.0;
  const double tables = width * as_double(model.vocab_size * model.hidden_size) * (model.tie_word_embeddings ? 1.0 : 2.0);
  const double widened = from_file ? tables : 0.0;
  const bool own_reference = !peft || recipe.reference.reference_model_name_or_path;
  plan.reference_bytes = from_file ? stored_reference : scores && own_reference ? weights : 0.0;
  plan.activation_bytes = kLogits + std::max(budget * training, as_double(plan.scoring_budget) * scoring + widened);
  plan.cache_bytes = 8.0 * as_double(model.num_layers * model.num_kv_heads * model.head_dim) * generation *
                     as_double(recipe.sampling.max_completion_length);
}

}  // namespace grpo
