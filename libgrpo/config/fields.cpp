#include "libgrpo/config/field.hpp"
#include "libgrpo/config/field_builders.hpp"

#include <iterator>

namespace grpo {
namespace {

using namespace field_list;

std::vector<Field> run_fields(RunOptions& o) {
  return {
      {"run", "output_dir", &o.output_dir, "path", "folder for checkpoints, metrics and the finished model"},
      {"run", "run_name", &o.run_name, "text", "name of the run in logs and reports; unset: the last part of output_dir"},
      {"run", "seed", &o.seed, "", "seed of every random draw: data order and sampling", at_least(0)},
      {"run", "max_steps", &o.max_steps, "steps", "optimizer steps to train; -1: num_train_epochs decides", count_or(-1, 1)},
      {"run", "num_train_epochs", &o.num_train_epochs, "epochs", "passes over the prompts, where max_steps is -1", above(0)},
      {"run", "num_threads", &o.num_threads, "cores", "CPU threads; 0: all cores", count(0)},
      {"run", "device", one_of(o.device, {"auto", "cpu", "cuda"}), "",
       "where models live and compute; auto: a GPU where there is one. grpo_serve, grpo_export and grpo_inspect use the CPU"},
      {"run", "quiet", &o.quiet, "", "print warnings and errors only"},
  };
}

std::vector<Field> policy_fields(PolicyOptions& o) {
  return {
      {"policy", "model_name_or_path", &o.model_name_or_path, "path|id",
       "model to train: a Hugging Face model folder, a .gguf file, or a repository id (org/name), looked up in the "
       "Hugging Face cache and fetched by the program hf if it is not there"},
      {"policy", "model_revision", &o.model_revision, "text", "branch, tag or commit of a repository id"},
      {"policy",
       "torch_dtype",
       one_of(o.torch_dtype, {"float32", "bfloat16", "float16", "auto"}),
       "",
       "type that weights are held and saved in; auto: as the model's files say. Arithmetic is in float32, and weights that are "
       "trained in bfloat16 keep a float32 master copy",
       {},
       {"dtype"},
       {{"null", "float32"}}},
      {"policy", "gradient_checkpointing", &o.gradient_checkpointing, "",
       "keep only each layer's input for the backward pass and compute the rest again: a third more time, a fraction of the memory"},
      {"policy", "freeze", &o.freeze, "patterns",
       "weights that are not trained, by their names in model files with * and ?, such as model.embed_tokens.* or model.layers.0.*"},
      {"policy", "use_peft", &o.use_peft, "", "train low-rank adapters (LoRA) and leave the model's own weights as they are"},
      {"policy", "lora_r", &o.lora_r, "", "rank of the adapters", count(1)},
      {"policy", "lora_alpha", &o.lora_alpha, "", "adapters are scaled by lora_alpha / lora_r", above(0)},
      {"policy", "lora_dropout", &o.lora_dropout, "", "share of an adapter's inputs that are dropped while it trains", right_open(0, 1)},
      {"policy", "lora_target_modules", &o.lora_target_modules, "modules",
       "matrices that get an adapter, such as q_proj or down_proj, or all-linear; unset: q_proj and v_proj"},
      {"policy", "lora_modules_to_save", &o.lora_modules_to_save, "modules",
       "modules that are trained whole beside the adapters, such as lm_head or input_layernorm"},
      {"policy", "use_rslora", &o.use_rslora, "", "scale adapters by lora_alpha / sqrt(lora_r)"},
  };
}

std::vector<Field> reference_fields(ReferenceOptions& o) {
  return {
      {"reference", "reference_model_name_or_path", &o.reference_model_name_or_path, "path",
       "model that the KL term and the target weights refer to; unset: model_name_or_path"},
      {"reference", "sync_ref_model", &o.sync_ref_model, "",
       "move the reference model towards the policy every ref_model_sync_steps steps"},
      {"reference", "ref_model_mixup_alpha", &o.ref_model_mixup_alpha, "",
       "how far sync_ref_model moves it: the new reference is alpha x policy + (1 - alpha) x reference", closed(0, 1)},
      {"reference", "ref_model_sync_steps", &o.ref_model_sync_steps, "steps", "steps between the moves of sync_ref_model", count(1)},
      {"reference", "maxent_reference_ema_enabled", &o.maxent_reference_ema_enabled, "",
       "let the reference model follow the policy as an exponential moving average"},
      {"reference", "maxent_reference_ema_beta", &o.maxent_reference_ema_beta, "",
       "what the reference keeps of itself in an update: it becomes beta x reference + (1 - beta) x policy", closed(0, 1)},
      {"reference", "maxent_reference_ema_update_interval", &o.maxent_reference_ema_update_interval, "steps",
       "steps between updates of that average", count(1)},
      {"reference", "maxent_reference_ema_warmup_steps", &o.maxent_reference_ema_warmup_steps, "steps", "steps before that average begins",
       count(0)},
  };
}

std::vector<Field> sampling_fields(SamplingOptions& o) {
  return {
      {"sampling", "num_generations", &o.num_generations, "completions", "completions sampled for each prompt", count(2)},
      {"sampling", "max_completion_length", &o.max_completion_length, "tokens", "longest completion", count(1)},
      {"sampling", "min_completion_length", &o.min_completion_length, "tokens", "completions may not end before this length", count(0)},
      {"sampling", "temperature", &o.temperature, "", "divides the logits, in sampling and in scoring", above(0), {"gen_temperature"}},
      {"sampling",
       "top_p",
       &o.top_p,
       "",
       "sample from the likeliest tokens that together reach this probability",
       left_open(0, 1),
       {"gen_top_p"}},
      {"sampling",
       "top_k",
       &o.top_k,
       "tokens",
       "sample from the so many likeliest tokens; 0 or -1: all",
       count(0),
       {"gen_top_k"},
       {{"-1", "0"}}},
      {"sampling", "min_p", &o.min_p, "", "sample from tokens at least this fraction as likely as the likeliest; 0: all", right_open(0, 1)},
      {"sampling",
       "stop_sequences",
       &o.stop_sequences,
       "texts",
       "a completion ends where one of these texts appears",
       {},
       {"vllm_stop_sequences"}},
      {"sampling", "dynamic_sampling", &o.dynamic_sampling, "",
       "sample further prompts in place of those whose rewards are all equal, which teach nothing (DAPO)"},
      {"sampling", "dynamic_sampling_max_rounds", &o.dynamic_sampling_max_rounds, "rounds",
       "rounds of such sampling for one batch, at most", count(1)},
  };
}

std::vector<Field> optimizer_fields(OptimizerOptions& o) {
  return {
      {"optimizer", "learning_rate", &o.learning_rate, "", "peak learning rate of AdamW", at_least(0)},
      {"optimizer", "lr_scheduler_type", one_of(o.lr_scheduler_type, {"linear", "cosine", "constant", "constant_with_warmup"}), "",
       "course of the learning rate after warm-up; linear and cosine end at 0"},
      {"optimizer", "warmup_steps", &o.warmup_steps, "steps", "steps of linear warm-up; above 0 it wins over warmup_ratio", count(0)},
      {"optimizer", "warmup_ratio", &o.warmup_ratio, "", "warm-up as a share of all steps", closed(0, 1)},
      {"optimizer", "adam_beta1", &o.adam_beta1, "", "decay of AdamW's mean of gradients", right_open(0, 1)},
      {"optimizer", "adam_beta2", &o.adam_beta2, "", "decay of AdamW's mean of squared gradients", right_open(0, 1)},
      {"optimizer", "adam_epsilon", &o.adam_epsilon, "", "added to AdamW's denominator", above(0)},
      {"optimizer", "weight_decay", &o.weight_decay, "", "decoupled weight decay", at_least(0)},
      {"optimizer", "optim_moments_dtype", one_of(o.optim_moments_dtype, {"float32", "bfloat16"}), "",
       "what Adam's two moments are held in; bfloat16 halves their memory and rounds them at random"},
      {"optimizer", "max_grad_norm", &o.max_grad_norm, "", "gradients are scaled down to this norm; 0: never", at_least(0)},
      {"optimizer", "per_device_train_batch_size", &o.per_device_train_batch_size, "completions", "completions in one part of a step",
       count(1)},
      {"optimizer", "gradient_accumulation_steps", &o.gradient_accumulation_steps, "parts",
       "parts of a step; completions per step = per_device_train_batch_size x gradient_accumulation_steps x num_processes", count(1)},
      {"optimizer", "generation_batch_size", &o.generation_batch_size, "completions",
       "completions sampled at a time, a multiple of those of one step; unset: see steps_per_generation", count(1)},
      {"optimizer", "steps_per_generation", &o.steps_per_generation, "parts",
       "the same counted in parts; unset: gradient_accumulation_steps, so that every step samples anew", count(1)},
      {"optimizer", "num_iterations", &o.num_iterations, "passes", "passes over the completions sampled at a time", count(1)},
      {"optimizer", "token_budget", &o.token_budget, "tokens",
       "tokens in one forward and backward pass; it bounds memory and never changes the loss; 0: automatic", count(0)},
      {"optimizer", "max_bad_steps", &o.max_bad_steps, "steps",
       "give up after so many steps whose gradient is not finite (each is skipped)", count(1)},
  };
}

std::vector<Field> checkpoint_fields(CheckpointOptions& o) {
  return {
      {"checkpoint",
       "save_strategy",
       one_of(o.save_strategy, {"no", "steps"}),
       "",
       "steps: a checkpoint every save_steps; no: none by steps, and without save_interval_minutes the finished model only",
       {},
       {},
       {{"false", "no"}}},
      {"checkpoint", "save_steps", &o.save_steps, "steps", "steps between checkpoints", count(1)},
      {"checkpoint", "save_interval_minutes", &o.save_interval_minutes, "minutes",
       "also save after the first step that ends so many minutes after the last checkpoint; 0: save_steps alone decides", at_least(0)},
      {"checkpoint", "save_on_signal", &o.save_on_signal, "",
       "save when a signal stops the run; false: it goes on from the checkpoint before"},
      {"checkpoint", "save_total_limit", &o.save_total_limit, "checkpoints", "keep so many checkpoints, the newest; unset: all", count(1)},
      {"checkpoint",
       "resume_from_checkpoint",
       &o.resume_from_checkpoint,
       "path|word",
       "auto: continue from the newest checkpoint in output_dir if there is one; no: start afresh; or a checkpoint's "
       "path",
       {},
       {},
       {{"false", "no"}, {"true", "auto"}}},
      {"checkpoint", "ignore_data_skip", &o.ignore_data_skip, "",
       "a resumed run begins its epoch's prompts anew instead of going on behind those it has seen"},
      {"checkpoint", "overwrite_output_dir", &o.overwrite_output_dir, "", "start afresh although output_dir holds another run"},
  };
}

std::vector<Field> metrics_fields(MetricsOptions& o) {
  return {
      {"metrics", "logging_steps", &o.logging_steps, "steps", "steps between lines of metrics", count(1)},
      {"metrics", "log_completions", &o.log_completions, "", "write prompts, completions and rewards of logged steps"},
      {"metrics",
       "eval_strategy",
       one_of(o.eval_strategy, {"no", "steps", "epoch"}),
       "",
       "steps: evaluate every eval_steps; epoch: whenever all prompts were seen once more; no: never",
       {},
       {"evaluation_strategy"},
       {{"false", "no"}}},
      {"metrics", "eval_steps", &o.eval_steps, "steps", "steps between evaluations; unset: save_steps", count(1)},
      {"metrics", "eval_on_start", &o.eval_on_start, "", "evaluate once before the first step"},
      {"metrics", "num_generations_eval", &o.num_generations_eval, "completions",
       "evaluate with so many completions a prompt too, sampled as in training; unset: with one alone, greedy", count(2)},
      {"metrics", "profile", &o.profile, "", "print at the end which phase took how long, with tokens/s and the peak memory"},
  };
}

}  // namespace

std::vector<Field> fields(Recipe& recipe) {
  std::vector<Field> all;
  const auto append = [&all](std::vector<Field> part) {
    all.insert(all.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
  };
  append(run_fields(recipe.run));
  append(data_fields(recipe.data));
  append(policy_fields(recipe.policy));
  append(reference_fields(recipe.reference));
  append(sampling_fields(recipe.sampling));
  append(server_fields(recipe.server));
  append(reward_fields(recipe.reward));
  append(objective_fields(recipe.objective));
  append(maxent_fields(recipe.maxent));
  append(optimizer_fields(recipe.optimizer));
  append(dist_fields(recipe.dist));
  append(checkpoint_fields(recipe.checkpoint));
  append(metrics_fields(recipe.metrics));
  append(report_fields(recipe.report));
  append(hub_fields(recipe.hub));
  return all;
}

std::vector<std::string> sections(const std::vector<Field>& list) {
  std::vector<std::string> names;
  for (const Field& field : list) {
    if (names.empty() || names.back() != field.section) names.push_back(field.section);
  }
  return names;
}

}  // namespace grpo
