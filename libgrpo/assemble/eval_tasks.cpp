#include "libgrpo/assemble/eval_tasks.hpp"

#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/assemble/data.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/eval/benchmarks.hpp"

#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <map>

namespace grpo {
namespace {

std::vector<std::int64_t> whole_k(const EvalOptions& options, std::int64_t n) {
  std::vector<std::int64_t> all;
  for (const double k : options.k) {
    if (k < 1.0 || k > static_cast<double>(n) || k != std::floor(k))
      throw Error(ErrorKind::recipe, fmt::format("command line: --k={}: must be a whole number from 1 to n, which is {}", k, n));
    all.push_back(static_cast<std::int64_t>(k));
  }
  if (all.empty()) all = n > 1 ? std::vector<std::int64_t>{1, n} : std::vector<std::int64_t>{1};
  return all;
}

/// The local paths of presets. throws: Error{recipe}
std::map<std::string, std::string> benchmark_paths(const EvalOptions& options) {
  std::map<std::string, std::string> paths;
  for (const std::string& entry : options.benchmark_paths) {
    const std::size_t equals = entry.find('=');
    const std::string name = entry.substr(0, equals);
    if (equals == std::string::npos || equals + 1 == entry.size())
      throw Error(ErrorKind::recipe,
                  fmt::format("command line: --benchmark_paths={}: expected NAME=PATH, such as gsm8k=data/test.jsonl", entry));
    if (std::find(options.benchmarks.begin(), options.benchmarks.end(), name) == options.benchmarks.end())
      throw Error(ErrorKind::recipe, fmt::format("command line: --benchmark_paths={}: \"{}\" is none of --benchmarks", entry, name));
    paths[name] = entry.substr(equals + 1);
  }
  return paths;
}

/// The preset, where the recipe and the command line say nothing.
void apply(const Benchmark& preset, const LoadedRecipe& loaded, Recipe& recipe) {
  const auto is_set = [&](const char* option) {
    const auto found = loaded.origin.find(option);
    return found != loaded.origin.end() && found->second != "default" && !found->second.starts_with("built-in");
  };
  DataOptions& data = recipe.data;
  data.dataset_mixture.reset();
  data.eval_dataset_name = preset.dataset;
  data.eval_dataset_config = preset.config.empty() ? std::nullopt : std::optional(preset.config);
  data.eval_dataset_split = preset.split;
  data.eval_dataset_prompt_column = preset.prompt_column;
  data.eval_dataset_solution_column = preset.solution_column;
  if (!is_set("system_prompt")) data.system_prompt = preset.system_prompt.empty() ? std::nullopt : std::optional(preset.system_prompt);
  if (is_set("reward_funcs")) return;
  recipe.reward.reward_funcs = {preset.reward};
  recipe.reward.reward_weights.clear();
}

/// The questions that the recipe evaluates on, or those that the command line names.
EvalTask own_task(const LoadedRecipe& loaded) {
  EvalTask task;
  task.recipe = loaded.recipe;
  DataOptions& data = task.recipe.data;
  const auto named = loaded.origin.find("dataset_name");
  if (data.dataset_name && named != loaded.origin.end() && named->second == "command line") data.eval_dataset_name = data.dataset_name;
  if (!data.eval_dataset_name) data.eval_dataset_name = data.dataset_name;
  task.dataset = data.eval_dataset_name.value_or("the recipe's mixture");
  task.name = data.eval_dataset_name ? std::filesystem::path(*data.eval_dataset_name).filename().string() : "mixture";
  return task;
}

EvalTask preset_task(const Benchmark& preset, const LoadedRecipe& loaded, const std::map<std::string, std::string>& paths) {
  EvalTask task;
  task.name = preset.name;
  task.recipe = loaded.recipe;
  apply(preset, loaded, task.recipe);
  if (const auto path = paths.find(preset.name); path != paths.end()) task.recipe.data.eval_dataset_name = path->second;
  task.dataset = *task.recipe.data.eval_dataset_name;
  return task;
}

}  // namespace

SamplingParams EvalTask::sampling() const {
  SamplingParams params = sampling_params(recipe);
  params.num_generations = shape.n;
  params.temperature = temperature;
  return params;
}

std::unique_ptr<PromptSource> EvalTask::open() const {
  if (auto source = open_eval_source(recipe)) return source;
  return open_train_source(recipe);
}

std::vector<EvalTask> eval_tasks(const LoadedRecipe& loaded, const EvalOptions& options) {
  const auto paths = benchmark_paths(options);
  std::vector<EvalTask> tasks;
  const auto add = [&](EvalTask task, std::int64_t n) {
    task.file = task.name;
    task.shape = {n, whole_k(options, n)};
    task.temperature = options.temperature.value_or(n == 1 ? 0.0 : task.recipe.sampling.temperature);
    if (n > 1 && task.temperature == 0.0)
      throw Error(ErrorKind::recipe,
                  fmt::format("command line: --n={}: greedy completions are all the same; give a --temperature above 0, or --n 1", n));
    EvalTask greedy = task;
    tasks.push_back(std::move(task));
    if (!options.greedy || tasks.back().temperature == 0.0) return;
    greedy.file += ".greedy";
    greedy.shape = {1, {1}};
    greedy.temperature = 0.0;
    tasks.push_back(std::move(greedy));
  };
  for (const std::string& name : options.benchmarks) {
    const Benchmark& preset = find_benchmark(name);
    add(preset_task(preset, loaded, paths), options.n.value_or(preset.n));
  }
  if (options.benchmarks.empty()) add(own_task(loaded), options.n.value_or(1));
  return tasks;
}

}  // namespace grpo
