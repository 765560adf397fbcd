/// What grpo_eval is to do: options and recipe -> tasks, each a recipe of its own that opens its questions and its verifier.
#pragma once

#include "libgrpo/assemble/eval_run.hpp"
#include "libgrpo/data/prompt_source.hpp"
#include "libgrpo/eval/statistics.hpp"
#include "libgrpo/sampler/sampler.hpp"

#include <memory>
#include <string>
#include <vector>

namespace grpo {

struct EvalTask {
  std::string name;     ///< the benchmark's, or what the dataset is called
  std::string dataset;  ///< where its questions come from
  std::string file;     ///< beginning of the names of its files
  Recipe recipe;
  EvalShape shape;
  double temperature = 0.0;  ///< 0: greedy

  [[nodiscard]] SamplingParams sampling() const;
  /// throws: as open_eval_source
  [[nodiscard]] std::unique_ptr<PromptSource> open() const;
};

/// throws: Error{recipe} for an unknown benchmark, a benchmark_paths entry that names none of those asked for, a k that is no whole
/// number from 1 to n, and several completions without sampling
std::vector<EvalTask> eval_tasks(const LoadedRecipe& loaded, const EvalOptions& options);

}  // namespace grpo
