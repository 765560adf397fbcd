/// A recipe: everything a run is told, as plain structs with one member per option.
///
/// Member names are option names (`--num_generations`, `num_generations = 8`). Names and defaults follow TRL. An option
/// that may be unset is a std::optional. What each option means, its unit and its range are said once, in the field
/// list (field.hpp); only the defaults live here. Reading a recipe is load.hpp, checking it across options is
/// validate.hpp.
#pragma once

#include "libgrpo/config/data_options.hpp"
#include "libgrpo/config/dist_options.hpp"
#include "libgrpo/config/hub_options.hpp"
#include "libgrpo/config/objective_options.hpp"
#include "libgrpo/config/server_options.hpp"
#include "libgrpo/config/report_options.hpp"
#include "libgrpo/config/reward_options.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace grpo {

enum class SchedulerType { linear, cosine, constant, constant_with_warmup };
enum class SaveStrategy { no, steps };
enum class EvalStrategy { no, steps, epoch };
enum class MomentsDtype { float32, bfloat16 };
enum class DeviceKind { automatic, cpu, cuda };
enum class TorchDtype { float32, bfloat16, float16, automatic };  ///< automatic: as config.json says

struct RunOptions {
  std::string output_dir = "outputs/run";
  std::optional<std::string> run_name;
  std::int64_t seed = 42;
  std::int64_t max_steps = -1;  ///< -1: num_train_epochs decides
  double num_train_epochs = 3.0;
  std::int64_t num_threads = 0;               ///< 0: all cores
  DeviceKind device = DeviceKind::automatic;  ///< automatic: a GPU if the build and the machine have one
  bool quiet = false;
  bool operator==(const RunOptions&) const = default;
};

struct PolicyOptions {
  std::string model_name_or_path;  ///< required
  std::string model_revision = "main";
  TorchDtype torch_dtype = TorchDtype::float32;
  bool gradient_checkpointing = false;
  std::vector<std::string> freeze;
  bool use_peft = false;
  std::int64_t lora_r = 16;
  double lora_alpha = 32.0;
  double lora_dropout = 0.05;
  std::vector<std::string> lora_target_modules;  ///< empty: q_proj and v_proj
  std::vector<std::string> lora_modules_to_save;
  bool use_rslora = false;
  bool operator==(const PolicyOptions&) const = default;
};

/// The reference model of the KL term, and how it follows the policy (never, unless asked to).
struct ReferenceOptions {
  std::optional<std::string> reference_model_name_or_path;  ///< unset: model_name_or_path
  bool sync_ref_model = false;
  double ref_model_mixup_alpha = 0.6;
  std::int64_t ref_model_sync_steps = 512;
  bool maxent_reference_ema_enabled = false;
  double maxent_reference_ema_beta = 0.995;
  std::int64_t maxent_reference_ema_update_interval = 10;
  std::int64_t maxent_reference_ema_warmup_steps = 100;
  bool operator==(const ReferenceOptions&) const = default;
};

struct SamplingOptions {
  std::int64_t num_generations = 8;
  std::int64_t max_completion_length = 512;
  std::int64_t min_completion_length = 0;
  double temperature = 1.0;
  double top_p = 1.0;
  std::int64_t top_k = 0;  ///< 0: off
  double min_p = 0.0;      ///< 0: off
  std::vector<std::string> stop_sequences;
  bool dynamic_sampling = false;
  std::int64_t dynamic_sampling_max_rounds = 4;
  bool operator==(const SamplingOptions&) const = default;
};

struct OptimizerOptions {
  double learning_rate = 1e-6;
  SchedulerType lr_scheduler_type = SchedulerType::linear;
  std::int64_t warmup_steps = 0;  ///< above 0 it wins over warmup_ratio
  double warmup_ratio = 0.0;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_epsilon = 1e-8;
  double weight_decay = 0.0;
  MomentsDtype optim_moments_dtype = MomentsDtype::float32;
  double max_grad_norm = 1.0;                    ///< 0: no clipping
  std::int64_t per_device_train_batch_size = 8;  ///< completions
  std::int64_t gradient_accumulation_steps = 1;
  std::optional<std::int64_t> generation_batch_size;  ///< completions; unset: steps_per_generation decides
  std::optional<std::int64_t> steps_per_generation;   ///< parts; unset: gradient_accumulation_steps
  std::int64_t num_iterations = 1;
  std::int64_t token_budget = 0;  ///< 0: automatic
  std::int64_t max_bad_steps = 10;
  bool operator==(const OptimizerOptions&) const = default;

  /// Completions in one optimizer step of all processes.
  std::int64_t completions_per_step(std::int64_t processes = 1) const {
    return processes * per_device_train_batch_size * gradient_accumulation_steps;
  }
  /// Completions sampled at a time: a whole number of steps' worth. As in TRL, generation_batch_size is that of all processes.
  std::int64_t completions_per_generation(std::int64_t processes = 1) const {
    if (generation_batch_size) return *generation_batch_size;
    return processes * per_device_train_batch_size * steps_per_generation.value_or(gradient_accumulation_steps);
  }
  /// Optimizer steps taken on one generation batch, its num_iterations passes included.
  std::int64_t updates_per_generation(std::int64_t processes = 1) const {
    return num_iterations * (completions_per_generation(processes) / completions_per_step(processes));
  }
};

struct CheckpointOptions {
  SaveStrategy save_strategy = SaveStrategy::steps;
  std::int64_t save_steps = 500;
  double save_interval_minutes = 0.0;  ///< 0: save_steps alone decides
  bool save_on_signal = true;
  std::optional<std::int64_t> save_total_limit;
  std::string resume_from_checkpoint = "auto";  ///< "auto", "no" or a path
  bool ignore_data_skip = false;
  bool overwrite_output_dir = false;
  bool operator==(const CheckpointOptions&) const = default;
};

struct MetricsOptions {
  std::int64_t logging_steps = 1;
  bool log_completions = false;
  EvalStrategy eval_strategy = EvalStrategy::no;
  std::optional<std::int64_t> eval_steps;  ///< unset: save_steps
  bool eval_on_start = false;
  std::optional<std::int64_t> num_generations_eval;  ///< unset: one, greedy
  bool profile = false;
  bool operator==(const MetricsOptions&) const = default;
};

struct Recipe {
  RunOptions run;
  DataOptions data;
  PolicyOptions policy;
  ReferenceOptions reference;
  SamplingOptions sampling;
  ServerOptions server;
  RewardOptions reward;
  ObjectiveOptions objective;
  MaxentOptions maxent;
  OptimizerOptions optimizer;
  DistOptions dist;
  CheckpointOptions checkpoint;
  MetricsOptions metrics;
  ReportOptions report;
  HubOptions hub;
  bool operator==(const Recipe&) const = default;
};

}  // namespace grpo
