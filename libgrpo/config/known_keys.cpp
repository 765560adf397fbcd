#include "libgrpo/config/known_keys.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace grpo {
namespace {

constexpr const char* kAny = "";
constexpr const char* kDead = "nothing reads it, upstream either";

struct KnownKey {
  std::string_view name;     // a trailing * stands for any ending; the first line that fits decides
  std::string_view neutral;  // the values that change nothing, separated by |; empty: any value is accepted
  std::string_view reason;
};

// clang-format off
constexpr std::array kKnownKeys = std::to_array<KnownKey>({
    // The model and its precision.
    {"attn_implementation", kAny, "attention is built in"},
    {"bf16", kAny, "computes in float32"},
    {"bf16_full_eval", kAny, "computes in float32"},
    {"fp16", kAny, "computes in float32"},
    {"fp16_*", kAny, "computes in float32"},
    {"tf32", kAny, "computes in float32"},
    {"half_precision_backend", kAny, "computes in float32"},
    {"cast_lm_head_to_fp32", kAny, "log-probs are always in float32"},
    {"trust_remote_code", kAny, "no remote code is ever run"},
    {"use_cache", kAny, "the key-value cache is built in"},
    {"cache_implementation", kAny, "the key-value cache is built in"},
    {"gradient_checkpointing_kwargs", kAny, "there is one way to checkpoint"},
    {"use_liger_kernel", kAny, "log-probs are fused already"},
    {"use_liger_loss", kAny, "log-probs are fused already"},
    {"torch_compile", kAny, "there is nothing to compile at run time"},
    {"torch_compile_*", kAny, "there is nothing to compile at run time"},
    {"disable_dropout", kAny, "models have no dropout; see lora_dropout"},
    {"router_aux_loss_coef", kAny, "there are no experts to balance"},
    {"model_init_kwargs", kAny, "see torch_dtype and model_revision"},
    {"init_from_checkpoint", "null", "see model_name_or_path"},
    // Data.
    {"dataset_configs", kAny, "see dataset_config"},
    {"dataset_test_split", kAny, "see eval_dataset_name and eval_dataset_split"},
    {"dataset_streaming", kAny, "rows are read when they are needed, always"},
    {"remove_unused_columns", kAny, "rewards see every column"},
    {"dataloader_drop_last", kAny, "an incomplete last step is never taken"},
    {"dataloader_*", kAny, "prompts are loaded once, into memory"},
    {"pad_to_multiple_of", kAny, "there is no padding"},
    {"group_by_length", kAny, "there is no padding"},
    {"prompt_template", "null|no", "see chat_template"},
    {"maxent_prompt_cache_size", kAny, "prompts are tokenized once"},
    // Sampling. First the vLLM options that would change what is sampled.
    {"vllm_structured_outputs_regex", "null", "structured outputs"},
    {"vllm_guided_decoding_regex", "null", "structured outputs"},
    {"vllm_frequency_penalty", "0|0.0|null", "penalties"},
    {"vllm_presence_penalty", "0|0.0|null", "penalties"},
    {"vllm_top_k", "0|-1|null", "see top_k"},
    {"vllm_best_of", "1|null", "best-of sampling"},
    {"gen_best_of", "1|null", "best-of sampling"},
    {"vllm_*", kAny, "servers are started with their own options"},
    {"use_transformers_*", kAny, "the built-in engine samples"},
    {"repetition_penalty", "1|1.0|null", "penalties"},
    {"generation_kwargs", "null|{}", "see temperature, top_p, top_k and min_p"},
    {"max_tool_calling_iterations", kAny, "there are no tools"},
    {"zero_truncated_completion_rewards", "false", "see mask_truncated_completions"},
    {"truncate_completions_at_first_boxed_answer", "false", "see stop_sequences"},
    // The objective of maxent-grpo: only what changes nothing.
    {"train_grpo_objective", kAny, "the app decides: grpo_train, or maxent_grpo_train for MaxEnt-GRPO"},
    {"force_custom_loop", kAny, "there is one training loop"},
    {"dr_grpo_denominator_mode", "fixed_max", "dr_grpo divides by max_completion_length"},
    {"maxent_policy_entropy", "false", "see maxent_objective and entropy_coef"},
    {"maxent_policy_entropy_mode", "exact|null", "entropies are exact"},
    {"policy_entropy_bonus_coef", "0|0.0|null", "see entropy_coef"},
    {"maxent_score_tail_tokens", "null", "every token is scored"},
    {"maxent_allow_empty_weight_fallback", "false", "weights are never made up"},
    {"info_seed_enabled", "false", "InfoSeed"},
    {"info_seed_*", kAny, "InfoSeed is off"},
    {"seed_grpo_enabled", "false", "SEED-GRPO"},
    {"seed_grpo_*", kAny, "SEED-GRPO is off"},
    {"controller_meta_enabled", "false", "meta controllers"},
    {"controller_meta_*", kAny, "the meta controller is off"},
    {"controller_overwrite_from_config", kAny, "a resumed run goes on with its controllers as they were"},
    {"grpo_beta_controller_enabled", kAny, "kl_target, kl_horizon and kl_ctl_step_size decide"},
    {"maxent_beta_controller_enabled", kAny, "kl_target, kl_horizon and kl_ctl_step_size decide"},
    // How maxent-grpo scores.
    {"maxent_reference_logprobs_source", "auto|model", "the reference is a model: reference_model_name_or_path"},
    {"behavior_logprobs_source", kAny, "the sampler keeps its log-probs"},
    {"maxent_share_reference_model", kAny, "the reference model is loaded where it is needed"},
    {"maxent_trl_reference_scoring", kAny, "there is one way to score"},
    {"maxent_logprob_chunk_size", kAny, "memory is bounded by token_budget"},
    {"maxent_score_slice_prefetch", kAny, "memory is bounded by token_budget"},
    // What maxent-grpo's recipes carry over from PPO.
    {"horizon", kAny, kDead},
    {"gamma", kAny, kDead},
    {"gae_lambda", kAny, kDead},
    {"vf_coef", kAny, kDead},
    {"clip_range_vf", kAny, kDead},
    {"ppo_clip_range", kAny, kDead},
    {"ppo_ppo_clip_range", kAny, kDead},
    {"reward_clip", kAny, kDead},
    {"reward_normalization", kAny, kDead},
    {"advantage_clip", kAny, kDead},
    {"advantage_normalization", kAny, kDead},
    {"log_kl_per_token", kAny, kDead},
    {"log_grad_norm_after_clip", kAny, kDead},
    {"span_kl_*", kAny, kDead},
    // The optimizer.
    {"optim", "adamw_torch_fused|adamw_torch|adamw_hf|adamw", "the optimizer is AdamW"},
    {"optim_args", "null", "the optimizer is AdamW"},
    {"lr_scheduler_kwargs", "null|{}", "schedules without arguments"},
    {"auto_find_batch_size", "false", "memory is bounded by token_budget"},
    {"lora_task_type", "CAUSAL_LM|null", "policies are causal language models"},
    {"lora_target_parameters", "null|[]", "adapters go on matrices: see lora_target_modules"},
    {"use_dora", "false", "DoRA"},
    {"load_in_8bit", "false", "see torch_dtype"},
    {"load_in_4bit", "false", "see torch_dtype"},
    {"use_bnb_nested_quant", kAny, "weights are not quantized"},
    {"bnb_4bit_*", kAny, "weights are not quantized"},
    {"per_device_eval_batch_size", kAny, "evaluation fills its batches by itself"},
    {"eval_accumulation_steps", kAny, "evaluation fills its batches by itself"},
    {"do_train", "true", "training is what this program does"},
    {"do_eval", kAny, "see eval_strategy"},
    {"do_predict", kAny, "see eval_strategy"},
    {"eval_before_train", kAny, "see eval_on_start"},
    {"eval_reward_*", kAny, "evaluation uses reward_funcs"},
    {"greedy_eval_enabled", kAny, "see grpo_eval"},
    {"eval_greedy_only_enabled", kAny, "see grpo_eval"},
    {"seed_paper_eval_*", kAny, "see eval_dataset_name"},
    {"benchmarks", kAny, "see eval_dataset_name"},
    {"callbacks", "[]|null", "callbacks"},
    // Launching.
    {"local_rank", kAny, "the launcher decides"},
    {"ddp_*", kAny, "nothing to set"},
    {"fsdp", kAny, "nothing to set"},
    {"fsdp_*", kAny, "nothing to set"},
    {"deepspeed", kAny, "nothing to set"},
    {"ds3_*", kAny, "nothing to set"},
    {"accelerator_config", kAny, "nothing to set"},
    {"disable_distributed_sampler", kAny, "nothing to set"},
    // Checkpoints, metrics, the Hub.
    {"save_only_model", "false", "checkpoints always hold what a resume needs"},
    {"save_safetensors", kAny, "weights are always saved as safetensors"},
    {"logging_strategy", "steps", "metrics are logged by steps"},
    {"logging_first_step", kAny, "see logging_steps"},
    {"logging_dir", kAny, "logs go to output_dir"},
    {"logging_nan_inf_filter", kAny, "non-finite values are never hidden"},
    {"log_level", kAny, "see quiet"},
    {"log_level_replica", kAny, "see quiet"},
    {"log_like_grpo", kAny, "metrics have TRL's names already"},
    {"rich_log_completions*", kAny, "see log_completions"},
    {"log_completions_hub_repo", kAny, "completions stay in output_dir; see log_completions"},
    {"log_multimodal", kAny, "prompts are texts"},
    {"disable_tqdm", kAny, "see quiet"},
    {"final_model_save_enabled", kAny, "the finished model is always saved"},
    {"hub_always_push", kAny, "uploads wait for each other, and of those that wait the newest goes up"},
    {"push_to_hub_model_id", "null", "see hub_model_id"},
    {"push_to_hub_organization", "null", "see hub_model_id: organization/name"},
    {"wandb_*", kAny, "see report_to; wandb reads its own WANDB_* variables"},
    {"trackio_*", kAny, "metrics go to output_dir"},
});
// clang-format on

bool fits(std::string_view pattern, std::string_view name) {
  return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : pattern == name;
}

std::string plain(const Value& value) {
  const bool textual = value.kind == Value::Kind::string || value.kind == Value::Kind::text;
  if (!textual) return show(value);
  if (value.kind == Value::Kind::text && (value.string == "True" || value.string == "False")) {
    return value.string == "True" ? "true" : "false";
  }
  return value.kind == Value::Kind::text && value.string == "None" ? "null" : show_text(value.string);
}

bool is_neutral(std::string_view neutral, const std::string& value) {
  const std::string all = '|' + std::string(neutral) + '|';
  return value.find('|') == std::string::npos && all.find('|' + value + '|') != std::string::npos;
}

std::string neutral_text(std::string_view neutral) {
  std::string text;
  for (const char c : neutral) text += c == '|' ? std::string(" or ") : std::string(1, c);
  return text;
}

}  // namespace

std::optional<KnownKeyVerdict> judge_known_key(const std::string& name, const Value& value) {
  if (name == "hub_token" || name == "push_to_hub_token") {
    if (plain(value) == "null") return KnownKeyVerdict{};
    return KnownKeyVerdict{"", "secrets are not options: log in with `hf auth login` or set HF_TOKEN, and take it out", true};
  }
  const auto key =
      std::find_if(kKnownKeys.begin(), kKnownKeys.end(), [&name](const KnownKey& candidate) { return fits(candidate.name, name); });
  if (key == kKnownKeys.end()) return std::nullopt;
  if (key->neutral.empty() || is_neutral(key->neutral, plain(value))) {
    return KnownKeyVerdict{"has no meaning here, ignored (" + std::string(key->reason) + ")", "", false};
  }
  return KnownKeyVerdict{"", "not there yet (" + std::string(key->reason) + "); remove it or set it to " + neutral_text(key->neutral),
                         false};
}

}  // namespace grpo
