/// How good a model is, as grpo_eval offers it: on the recipe's questions or on named benchmarks, beside the untrained model and chance,
/// every figure with an interval (eval/statistics.hpp).
#pragma once

#include "libgrpo/base/log.hpp"
#include "libgrpo/config/field.hpp"
#include "libgrpo/config/load.hpp"
#include "libgrpo/dist/world.hpp"

#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace grpo {

/// What the app is told besides the recipe.
struct EvalOptions {
  std::vector<std::string> benchmarks;       ///< presets; empty: the recipe's questions
  std::vector<std::string> benchmark_paths;  ///< NAME=PATH
  std::optional<std::int64_t> n;             ///< unset: the preset's, else 1
  std::vector<double> k;                     ///< each a whole number from 1 to n; empty: 1 and n
  std::optional<double> temperature;         ///< unset: greedy if n is 1, else the recipe's
  bool greedy = false;                       ///< ask greedily too, where completions are sampled
  std::optional<std::string> control_model;  ///< unset: the one the model says it was made of; "none"
  bool random_guess = true;
  double confidence = 0.95;
  std::int64_t bootstrap_samples = 2000;
  bool json = false;
  std::optional<std::string> output;  ///< folder
};

/// The own options of the app. `options` must outlive them.
std::vector<Field> eval_fields(EvalOptions& options);

struct EvalConsole {
  std::ostream& out;
  const Log& log;
  bool live = false;     ///< a terminal: a line shows how far it is
  bool dry_run = false;  ///< everything but loading the weights and sampling
};

/// Questions without benchmarks: dataset_name if the command line names it, else eval_dataset_name, else dataset_name; of a built-in task
/// the held-out ones; the first eval_num_prompts if that is not 0. What recipe and command line say of system_prompt and reward_funcs wins
/// over a preset's.
/// Prints tables, or (json) what report.hpp says. With `output` it writes there: <name>.<who>.jsonl as questions are answered, results.json
/// and results.md at the end; asked again with the same options, it answers what is missing.
/// The ranks share the questions; rank 0 prints and writes results, each its own answers.
/// throws: Error{recipe}, Error{data}, Error{backend}
void run_eval(World& world, const LoadedRecipe& loaded, const EvalOptions& options, const EvalConsole& console);

}  // namespace grpo
