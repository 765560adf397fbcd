/// How good a model is on a dataset, as grpo_eval offers it: mean rewards, and pass@k.
///
/// A completion is right if the first reward function gives it at least 1. pass@k is the unbiased estimate of
/// pass_at_k() over the n completions of a prompt, then the mean over prompts. Completions whose first reward failed or
/// does not apply are not counted, neither as right nor as wrong; a prompt with fewer than k counted ones is left out
/// of pass@k.
#pragma once

#include "libgrpo/config/field.hpp"
#include "libgrpo/config/load.hpp"

#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace grpo {

/// What the app is told besides the recipe.
struct EvalOptions {
  std::int64_t n = 1;
  std::vector<double> k;              ///< each a whole number from 1 to n; empty: 1 and n
  std::optional<double> temperature;  ///< unset: greedy if n is 1, else the recipe's
  bool json = false;
  std::optional<std::string> output;  ///< JSON lines, one per completion, written as the run goes
};

/// The own options of the app. `options` must outlive them.
std::vector<Field> eval_fields(EvalOptions& options);

struct EvalConsole {
  std::ostream& out;
  bool live = false;     ///< a terminal: a line shows how far it is
  bool dry_run = false;  ///< everything but loading the weights and sampling
};

/// Rows: dataset_name if the command line names it, else eval_dataset_name, else dataset_name; the held-out ones of
/// "sums" always; the first eval_num_prompts of them if that is not 0. Prints a table, or (json) one object
/// {"model","dataset","prompts","n","k","temperature","metrics","seconds"}.
/// throws: Error{recipe} for a k that is no whole number in 1..n, or k > 1 without sampling; Error{data};
/// Error{backend}
void run_eval(const LoadedRecipe& loaded, const EvalOptions& options, const EvalConsole& console);

}  // namespace grpo
