/// What a run is going to do, in numbers, before it does it.
#pragma once

#include "libgrpo/config/load.hpp"
#include "libgrpo/policy/model_config.hpp"

#include <cstdint>
#include <string>

namespace grpo {

struct Plan {
  std::int64_t rows = 0;  ///< prompts in the training set
  std::int64_t eval_prompts = 0;
  std::int64_t prompts_per_step = 0;
  std::int64_t completions_per_step = 0;
  std::int64_t prompts_per_generation = 0;
  std::int64_t updates_per_generation = 1;  ///< optimizer steps on one generation batch
  std::int64_t steps_per_epoch = 0;
  std::int64_t total_steps = 0;
  std::int64_t first_step = 0;      ///< steps already done by the checkpoint that is resumed
  std::int64_t token_budget = 0;    ///< packed rows per part of a pass with gradients
  std::int64_t scoring_budget = 0;  ///< of one without
  std::int64_t trainable = 0;       ///< floats that training changes
  /// Of a process, at its peak. activation_bytes: of the passes with gradients or of those without, whichever need more
  double program_bytes = 0.0, weight_bytes = 0.0, optimizer_bytes = 0.0, gradient_bytes = 0.0, reference_bytes = 0.0,
         activation_bytes = 0.0, cache_bytes = 0.0;
  [[nodiscard]] double total_bytes() const {
    return program_bytes + weight_bytes + optimizer_bytes + gradient_bytes + reference_bytes + activation_bytes + cache_bytes;
  }
};

/// trainable: floats that training changes   stored_reference: as stored_reference_bytes() says
/// throws: Error{data} if the training set is smaller than one step's prompts
Plan make_plan(const Recipe& recipe, const ModelConfig& model, std::int64_t trainable, double stored_reference, std::int64_t rows,
               std::int64_t eval_prompts);

/// The part of make_plan() about memory: the bytes, and the rows of a pass without gradients.
void plan_memory(Plan& plan, const Recipe& recipe, const ModelConfig& model, double stored_reference);

/// Packed rows per part when the recipe leaves it open: enough to keep the matrix products busy, and no more.
inline constexpr std::int64_t kDefaultTokenBudget = 1024;

/// "GRPO, loss_type dapo, beta 0.04"
std::string show_objective(const Recipe& recipe);

/// The plan for a person to read, a few lines.
std::string show_plan(const Plan& plan, const Recipe& recipe, const ModelConfig& model);

}  // namespace grpo
