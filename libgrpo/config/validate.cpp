#include "libgrpo/config/validate.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/field.hpp"

#include <numeric>

namespace grpo {
namespace {

std::string number(std::int64_t value) { return std::to_string(value); }

void check_data(const Recipe& recipe, std::vector<Problem>& problems) {
  const DataOptions& data = recipe.data;
  if (data.dataset_name && data.dataset_mixture) {
    problems.push_back({{"dataset_name", "dataset_mixture"}, "both it and dataset_mixture are set; keep one"});
  } else if (!data.dataset_name && !data.dataset_mixture) {
    problems.push_back({{"dataset_name", "dataset_mixture"},
                        "is missing: give the path of a .jsonl file, or sums, or use dataset_mixture"});
  }
  if (data.few_shot.size() % 2 != 0) {
    problems.push_back({{"few_shot"},
                        number(static_cast<std::int64_t>(data.few_shot.size())) +
                            " texts, but they go in pairs: question, answer, question, answer"});
  }
}

void check_strings(const Recipe& recipe, std::vector<Problem>& problems) {
  if (recipe.policy.model_name_or_path.empty()) {
    problems.push_back(
        {{"model_name_or_path"}, "is missing: give the path of a Hugging Face model folder or a .gguf file"});
  }
  const auto refuse_empty = [&problems](const char* name, const std::string& value) {
    if (value.empty()) problems.push_back({{name}, "must not be empty"});
  };
  refuse_empty("output_dir", recipe.run.output_dir);
  refuse_empty("dataset_name", recipe.data.dataset_name.value_or("set"));
  refuse_empty("dataset_prompt_column", recipe.data.dataset_prompt_column);
  refuse_empty("dataset_solution_column", recipe.data.dataset_solution_column);
  refuse_empty("eval_dataset_name", recipe.data.eval_dataset_name.value_or("set"));
  refuse_empty("resume_from_checkpoint", recipe.checkpoint.resume_from_checkpoint);
}

void check_sampling_and_reward(const Recipe& recipe, std::vector<Problem>& problems) {
  const SamplingOptions& sampling = recipe.sampling;
  if (sampling.min_completion_length > sampling.max_completion_length) {
    problems.push_back({{"min_completion_length", "max_completion_length"},
                        number(sampling.min_completion_length) +
                            " is above max_completion_length = " + number(sampling.max_completion_length)});
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

// A step is made of whole groups. Shows the arithmetic, and the nearest values that work.
void check_batch(const Recipe& recipe, std::vector<Problem>& problems) {
  const OptimizerOptions& optimizer = recipe.optimizer;
  const std::int64_t batch = optimizer.per_device_train_batch_size;
  const std::int64_t parts = optimizer.gradient_accumulation_steps;
  const std::int64_t group = recipe.sampling.num_generations;
  if (batch < 1 || parts < 1 || group < 1) return;  // a range error, told elsewhere
  const std::int64_t total = optimizer.completions_per_step();
  const std::string product = "per_device_train_batch_size " + number(batch) + " x gradient_accumulation_steps " +
                              number(parts) + " = " + number(total) + " completions per step";
  if (total % group != 0) {
    const std::int64_t unit = group / std::gcd(group, parts);  // batch sizes that work are its multiples
    const std::int64_t below = batch / unit * unit;
    problems.push_back({{"per_device_train_batch_size", "gradient_accumulation_steps", "num_generations"},
                        product + ", which num_generations " + number(group) +
                            " does not divide; the nearest per_device_train_batch_size that works: " +
                            (below > 0 ? number(below) + " or " : "") + number(below + unit)});
  }
  if (optimizer.generation_batch_size && *optimizer.generation_batch_size != total) {
    problems.push_back({{"generation_batch_size", "per_device_train_batch_size", "gradient_accumulation_steps"},
                        number(*optimizer.generation_batch_size) + ", but " + product +
                            "; the two must be equal for now: set it to " + number(total) + " or leave it out"});
  }
}

void check_evaluation(const Recipe& recipe, std::vector<Problem>& problems) {
  if (recipe.data.eval_dataset_name) return;
  constexpr const char* kNeeds = "needs eval_dataset_name: the path of a .jsonl file, or sums";
  if (recipe.metrics.eval_strategy == EvalStrategy::steps) {
    problems.push_back({{"eval_strategy", "eval_dataset_name"}, std::string("steps ") + kNeeds});
  }
  if (recipe.metrics.eval_on_start) {
    problems.push_back({{"eval_on_start", "eval_dataset_name"}, std::string("true ") + kNeeds});
  }
}

}  // namespace

std::vector<Problem> cross_check(const Recipe& recipe) {
  std::vector<Problem> problems;
  check_strings(recipe, problems);
  check_data(recipe, problems);
  check_sampling_and_reward(recipe, problems);
  check_batch(recipe, problems);
  check_evaluation(recipe, problems);
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
