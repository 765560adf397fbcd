/// What an evaluation found, as JSON for programs and as Markdown for people.
#pragma once

#include "libgrpo/eval/statistics.hpp"

#include <optional>
#include <string>
#include <vector>

namespace grpo {

/// One who answered: the model, the untrained model, or chance.
struct Contestant {
  std::string role;   ///< "model", "untrained", "random guess"
  std::string model;  ///< its name or path; empty for chance
  NamedEstimates figures;
  std::optional<Estimate> ahead;  ///< how far the model is ahead of it, paired by question
  double seconds = 0.0;           ///< of this run; questions answered by an earlier one took none
};

/// All who answered the same questions in the same way.
struct EvalResult {
  std::string benchmark, dataset;
  std::size_t questions = 0;
  EvalShape shape;
  double temperature = 0.0;
  std::int64_t max_completion_length = 0;
  std::string system_prompt;
  std::vector<std::string> rewards;  ///< the first is the verdict
  std::vector<Contestant> contestants;
};

/// {"confidence", "resamples", "seed", "results": [{"benchmark", ..., "contestants": [{"role", "model", "figures": {name: {"mean", "low",
/// "high", "questions"}}, ...}]}]}, indented.
std::string to_json(const std::vector<EvalResult>& results, const Bootstrap& rule);

/// A table for each result: figures down, contestants across, "17.0 % [12.1, 22.3]".
std::string to_markdown(const std::vector<EvalResult>& results, const Bootstrap& rule);

}  // namespace grpo
