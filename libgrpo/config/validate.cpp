#include "libgrpo/config/validate.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/checks.hpp"
#include "libgrpo/config/field.hpp"

#include <algorithm>
#include <numeric>

namespace grpo {
namespace {

std::string number(std::int64_t value) { return std::to_string(value); }

void check_data(const Recipe& recipe, Problems& problems) {
  const DataOptions& data = recipe.data;
  if (data.dataset_name && data.dataset_mixture) {
    problems.push_back({{"dataset_name", "dataset_mixture"}, "both it and dataset_mixture are set; keep one"});
  } else if (!data.dataset_name && !data.dataset_mixture) {
    problems.push_back({{"dataset_name", "dataset_mixture"},
                        "is missing: name a file, a folder, a Hugging Face id or a built-in task such as sums, or use dataset_mixture"});
  }
  if (data.few_shot.size() % 2 != 0) {
    problems.push_back(
        {{"few_shot"},
         number(static_cast<std::int64_t>(data.few_shot.size())) + " texts, but they go in pairs: question, answer, question, answer"});
  }
}

void check_strings(const Recipe& recipe, Problems& problems) {
  if (recipe.policy.model_name_or_path.empty()) {
    problems.push_back({{"model_name_or_path"}, "is missing: give the path of a Hugging Face model folder or a .gguf file"});
  }
  const auto refuse_empty = [&problems](const char* name, const std::string& value) {
    if (value.empty()) problems.push_back({{name}, "must not be empty"});
  };
  refuse_empty("output_dir", recipe.run.output_dir);
  refuse_empty("reference_model_name_or_path", recipe.reference.reference_model_name_or_path.value_or("set"));
  refuse_empty("dataset_name", recipe.data.dataset_name.value_or("set"));
  refuse_empty("dataset_prompt_column", recipe.data.dataset_prompt_column);
  refuse_empty("dataset_solution_column", recipe.data.dataset_solution_column);
  refuse_empty("eval_dataset_name", recipe.data.eval_dataset_name.value_or("set"));
  refuse_empty("filter", recipe.data.filter.value_or("set"));
  refuse_empty("resume_from_checkpoint", recipe.checkpoint.resume_from_checkpoint);
}

void check_policy(const Recipe& recipe, Problems& problems) {
  const PolicyOptions& policy = recipe.policy;
  const ReferenceOptions& reference = recipe.reference;
  if (policy.use_peft && !policy.freeze.empty())
    problems.push_back({{"freeze", "use_peft"}, "adapters leave all of the model's own weights as they are; drop one of the two"});
  if (recipe.dist.zero_stage == 3 && (policy.use_peft || !policy.freeze.empty()))
    problems.push_back({{"zero_stage", "use_peft", "freeze"}, "stage 3 divides what is trained, and here most is not; use zero_stage 2"});
  if (recipe.dist.zero_stage == 3 && recipe.server.uses_server())
    problems.push_back({{"zero_stage", "use_vllm"}, "a server is sent whole weights, and stage 3 has none; use zero_stage 2"});
  if (recipe.dist.zero_stage == 3 && (reference.sync_ref_model || reference.maxent_reference_ema_enabled))
    problems.push_back({{"zero_stage", "sync_ref_model", "maxent_reference_ema_enabled"},
                        "a reference that follows the policy needs all of it at once; use zero_stage 2"});
  if (policy.use_peft && (reference.sync_ref_model || reference.maxent_reference_ema_enabled))
    problems.push_back({{"use_peft", "sync_ref_model", "maxent_reference_ema_enabled"},
                        "sync_ref_model and maxent_reference_ema_enabled move the reference, but that of a model with adapters is the "
                        "model without them"});
}

void check_sampling_and_reward(const Recipe& recipe, Problems& problems) {
  const SamplingOptions& sampling = recipe.sampling;
  if (sampling.min_completion_length > sampling.max_completion_length) {
    problems.push_back(
        {{"min_completion_length", "max_completion_length"},
         number(sampling.min_completion_length) + " is above max_completion_length = " + number(sampling.max_completion_length)});
  }
  const std::vector<std::string>& stops = sampling.stop_sequences;
  if (std::find(stops.begin(), stops.end(), "") != stops.end()) {
    problems.push_back({{"stop_sequences"}, "holds an empty text, which would end every completion at once"});
  }
  const RewardOptions& reward = recipe.reward;
  if (reward.reward_funcs.empty()) problems.push_back({{"reward_funcs"}, "name at least one reward function"});
  if (!reward.reward_weights.empty() && reward.reward_weights.size() != reward.reward_funcs.size()) {
    problems.push_back({{"reward_weights", "reward_funcs"},
                        number(static_cast<std::int64_t>(reward.reward_weights.size())) + " weights for " +
                            number(static_cast<std::int64_t>(reward.reward_funcs.size())) +
                            " reward functions; give one for each, or none"});
  }
}

std::string completions_per_step(const OptimizerOptions& optimizer, std::int64_t processes) {
  return "per_device_train_batch_size " + number(optimizer.per_device_train_batch_size) + " x gradient_accumulation_steps " +
         number(optimizer.gradient_accumulation_steps) + (processes > 1 ? " x num_processes " + number(processes) : "") + " = " +
         number(optimizer.completions_per_step(processes)) + " completions per step";
}

// The multiples of `unit` next to `value`: "16 or 24", or one of them where there is no positive one below.
std::string nearest_multiples(std::int64_t value, std::int64_t unit) {
  const std::int64_t below = value / unit * unit;
  return (below > 0 ? number(below) + " or " : "") + number(below + unit);
}

// A step is made of whole groups. Shows the arithmetic, and the nearest values that work.
void check_step(const Recipe& recipe, Problems& problems) {
  const OptimizerOptions& optimizer = recipe.optimizer;
  const std::int64_t group = recipe.sampling.num_generations;
  const std::int64_t processes = recipe.dist.num_processes;
  if (optimizer.completions_per_step(processes) % group == 0) return;
  const std::int64_t unit = group / std::gcd(group, optimizer.gradient_accumulation_steps * processes);  // its multiples work
  problems.push_back({{"per_device_train_batch_size", "gradient_accumulation_steps", "num_generations"},
                      completions_per_step(optimizer, processes) + ", which num_generations " + number(group) +
                          " does not divide; the nearest per_device_train_batch_size that works: " +
                          nearest_multiples(optimizer.per_device_train_batch_size, unit)});
}

// What is sampled at a time lasts for whole steps.
void check_generation(const OptimizerOptions& optimizer, std::int64_t processes, Problems& problems) {
  const std::int64_t step = optimizer.completions_per_step(processes);
  const std::int64_t batch = optimizer.per_device_train_batch_size;
  const std::int64_t parts = optimizer.gradient_accumulation_steps;
  const auto& total = optimizer.generation_batch_size;
  const auto& total_parts = optimizer.steps_per_generation;
  const std::string no_multiple =
      " completions sampled at a time are no multiple of " + completions_per_step(optimizer, processes) + "; the nearest ";
  if (total && total_parts) {
    problems.push_back({{"generation_batch_size", "steps_per_generation"},
                        "both it and steps_per_generation say how much is sampled at a time; keep one"});
  } else if (total && *total % step != 0) {
    problems.push_back({{"generation_batch_size", "per_device_train_batch_size", "gradient_accumulation_steps"},
                        number(*total) + no_multiple + "generation_batch_size that works: " + nearest_multiples(*total, step)});
  } else if (total_parts && *total_parts % parts != 0) {
    problems.push_back({{"steps_per_generation", "gradient_accumulation_steps", "per_device_train_batch_size"},
                        number(*total_parts) + " x per_device_train_batch_size " + number(batch) +
                            (processes > 1 ? " x num_processes " + number(processes) : "") + " = " +
                            number(*total_parts * batch * processes) + no_multiple +
                            "steps_per_generation that works: " + nearest_multiples(*total_parts, parts)});
  }
}

void check_batch(const Recipe& recipe, Problems& problems) {
  const OptimizerOptions& o = recipe.optimizer;
  const auto [least, most] =
      std::minmax({o.per_device_train_batch_size, o.gradient_accumulation_steps, recipe.sampling.num_generations,
                   o.generation_batch_size.value_or(1), o.steps_per_generation.value_or(1), recipe.dist.num_processes});
  if (least < 1 || most > static_cast<std::int64_t>(kMaxCount)) return;  // a range error, told elsewhere
  check_step(recipe, problems);
  check_generation(o, recipe.dist.num_processes, problems);
}

void check_evaluation(const Recipe& recipe, Problems& problems) {
  const auto& mixture = recipe.data.dataset_mixture;
  if (recipe.data.eval_dataset_name || (mixture && mixture->test_split_size)) return;
  constexpr const char* kNeeds = "needs eval_dataset_name, or test_split_size in dataset_mixture";
  if (recipe.metrics.eval_strategy != EvalStrategy::no) {
    const char* strategy = recipe.metrics.eval_strategy == EvalStrategy::steps ? "steps " : "epoch ";
    problems.push_back({{"eval_strategy", "eval_dataset_name"}, std::string(strategy) + kNeeds});
  }
  if (recipe.metrics.eval_on_start) {
    problems.push_back({{"eval_on_start", "eval_dataset_name"}, std::string("true ") + kNeeds});
  }
}

void check_report(const Recipe& recipe, Problems& problems) {
  // Those of transformers that are not there yet are told when the run begins.
  const std::vector<std::string> known = {"tensorboard", "wandb",   "all",   "none",   "azure_ml", "clearml", "codecarbon", "comet_ml",
                                          "dagshub",     "dvclive", "flyte", "mlflow", "neptune",  "swanlab", "trackio"};
  const std::vector<std::string>& names = recipe.report.report_to;
  for (const std::string& name : names)
    if (std::find(known.begin(), known.end(), name) == known.end())
      problems.push_back({{"report_to"}, "\"" + name + "\" is no service; there are tensorboard, wandb, all and none"});
  if (names.size() > 1 && std::find(names.begin(), names.end(), "none") != names.end())
    problems.push_back({{"report_to"}, "names services and none; keep one or the other"});
}

}  // namespace

std::vector<Problem> cross_check(const Recipe& recipe) {
  Problems problems;
  check_strings(recipe, problems);
  check_policy(recipe, problems);
  check_data(recipe, problems);
  check_sampling_and_reward(recipe, problems);
  check_objective(recipe, problems);
  check_maxent(recipe, problems);
  check_server(recipe, problems);
  check_batch(recipe, problems);
  check_evaluation(recipe, problems);
  check_report(recipe, problems);
  check_hub(recipe, problems);
  return problems;
}

void validate(const Recipe& recipe) {
  Recipe copy = recipe;
  std::string errors;
  const auto fail = [&errors](const std::string& name, const std::string& why) {
    errors += (errors.empty() ? "" : "\n") + name + ": " + why;
  };
  for (const Field& field : fields(copy)) {
    if (const std::string why = range_error(field); !why.empty()) fail(field.name + " = " + to_toml_value(field), why);
  }
  for (const Problem& problem : cross_check(recipe)) fail(problem.names.front(), problem.message);
  if (!errors.empty()) throw Error{ErrorKind::recipe, errors};
}

}  // namespace grpo
