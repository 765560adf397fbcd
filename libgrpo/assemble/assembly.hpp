/// Resolved recipe -> owned parts. Each choice is one line of one table here; nothing registers itself.
#pragma once

#include "libgrpo/assemble/batches_ahead.hpp"
#include "libgrpo/assemble/open_model.hpp"
#include "libgrpo/assemble/plan.hpp"
#include "libgrpo/base/log.hpp"
#include "libgrpo/checkpoint/checkpoint.hpp"
#include "libgrpo/config/load.hpp"
#include "libgrpo/dist/world.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/sampler/sampler.hpp"
#include "libgrpo/trainer/preemption.hpp"
#include "libgrpo/trainer/trainer.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

namespace grpo {

/// A model and what surrounds it.
struct ModelParts {
  std::unique_ptr<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;
  std::unique_ptr<CausalLm> policy;
  std::unique_ptr<Sampler> sampler;
};

/// Everything of a training run, in the order of construction; members refer to earlier members.
struct Assembly {
  explicit Assembly(World& ranks) : world(ranks) {}
  World& world;
  LoadedRecipe loaded;
  at::Device device = at::kCPU;  ///< where models live
  std::optional<std::filesystem::path> resumed_from;
  RunState resumed;
  ModelParts model;
  std::unique_ptr<PromptSource> train_source, eval_source;
  std::unique_ptr<PromptSet> train_prompts;
  std::vector<Prompt> eval_prompts;
  Plan plan;
  std::unique_ptr<PromptOrder> order;
  std::unique_ptr<Scorer> reference;              ///< null: none is needed, or it moves
  std::unique_ptr<CausalLm> moving_reference;     ///< null: none is needed, or it stays as it is
  std::unique_ptr<ReferenceSync> reference_sync;  ///< of moving_reference
  RewardSet reward;
  std::unique_ptr<Objective> objective;
  std::shared_ptr<ShardedWeights> shards;       ///< null: every rank has all weights
  std::unique_ptr<GradientSum> gradients;       ///< null: there is one rank
  std::unique_ptr<AdamW> optimizer;             ///< of this rank's share of the parameters
  std::unique_ptr<StoppableSampler> stoppable;  ///< model.sampler, for the trainer
  std::unique_ptr<BatchesAhead> ahead;          ///< null: each batch is made in its turn
  std::unique_ptr<Trainer> trainer;
};

/// Everything that can be checked without loading weights, then the weights, then the trainer.
/// `world` must outlive it. All ranks of it assemble the same: options, checkpoint, prompts and weights are compared.
/// throws: Error of any kind; nothing is written
std::unique_ptr<Assembly> assemble(LoadedRecipe loaded, const Log& log, World& world);

/// The policy with all its weights, gathered where ranks have shares of them: all ranks call it together.
std::shared_ptr<const Policy> whole_policy(const Assembly& assembly);

/// The chat template of the recipe's option chat_template, which saved models carry; empty if it names none.
std::string chosen_template(const Assembly& assembly);

/// How a recipe renders its rows. throws: Error{data}
PromptStyle prompt_style(const Recipe& recipe, const ModelConfig& config, const Tokenizer& tokenizer);

/// The columns of a reward table as a recipe names them, without verdicts.
RewardTable reward_columns(const Recipe& recipe);
RewardSettings reward_settings(const Recipe& recipe);

/// Sampling options of a recipe; temperature 0 and one generation for greedy evaluation.
SamplingParams sampling_params(const Recipe& recipe);
SamplingParams greedy_params(const Recipe& recipe);

}  // namespace grpo
