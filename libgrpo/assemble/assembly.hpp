/// Resolved recipe -> owned parts. Each choice is one line of one table here; nothing registers itself.
#pragma once

#include "libgrpo/assemble/open_model.hpp"
#include "libgrpo/assemble/plan.hpp"
#include "libgrpo/base/log.hpp"
#include "libgrpo/checkpoint/checkpoint.hpp"
#include "libgrpo/config/load.hpp"
#include "libgrpo/dist/world.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"
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
  std::optional<std::filesystem::path> resumed_from;
  RunState resumed;
  ModelParts model;
  std::unique_ptr<PromptSource> train_source, eval_source;
  std::unique_ptr<PromptSet> train_prompts;
  std::vector<Prompt> eval_prompts;
  Plan plan;
  std::unique_ptr<PromptOrder> order;
  std::unique_ptr<CausalLm> reference;    ///< null: the policy with its adapters off, or none is needed
  std::unique_ptr<AdaptersOff> adapters_off;
  std::unique_ptr<ReferenceSync> reference_sync;  ///< null: the reference stays as it is
  RewardSet reward;
  std::unique_ptr<Objective> objective;
  std::unique_ptr<AdamW> optimizer;
  std::unique_ptr<Trainer> trainer;
};

/// Everything that can be checked without loading weights, then the weights, then the trainer.
/// `world` must outlive it. All ranks of it assemble the same: options, checkpoint, prompts and weights are compared.
/// throws: Error of any kind; nothing is written
std::unique_ptr<Assembly> assemble(LoadedRecipe loaded, const Log& log, World& world);

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
