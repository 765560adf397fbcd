#include "libgrpo/config/print.hpp"

#include "libgrpo/config/field.hpp"
#include "libgrpo/config/validate.hpp"
#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace grpo;
using namespace grpo::test;
using Values = std::map<std::string, std::string>;

namespace {

// For each option a TOML value that is not its default and stands with the others of the table.
const Values kOther = {
    {"output_dir", "\"o \\\"q\\\" \\\\ \\u0001\""},
    {"run_name", "\"night run\""},
    {"seed", "9007199254740993"},  // no double holds it
    {"max_steps", "100"},
    {"num_train_epochs", "0.1"},
    {"num_threads", "2"},
    {"device", "\"cuda\""},
    {"quiet", "true"},
    {"dataset_prompt_column", "\"q\""},
    {"dataset_solution_column", "\"a\""},
    {"dataset_mixture",
     "{seed = 1, sampling = \"proportional\", stopping_strategy = \"all_exhausted\", test_split_size = 0.1, datasets = [{id = \"a\", "
     "weight = 2.5, config = \"c\", split = \"t\", revision = \"r\", filter = \"x > 1\", columns = [\"x\"]}, {id = \"b\", weight = 1.0, "
     "prompt_column = \"p\", solution_column = \"s\"}]}"},
    {"dataset_config", "\"main\""},
    {"dataset_train_split", "\"train_sft\""},
    {"dataset_revision", "\"v2\""},
    {"filter", "\"level <= 3\""},
    {"filter_overlong_prompts", "true"},
    {"eval_dataset_config", "\"main\""},
    {"eval_dataset_split", "\"validation\""},
    {"eval_dataset_prompt_column", "\"q\""},
    {"eval_dataset_solution_column", "\"a\""},
    {"shuffle_dataset", "false"},
    {"system_prompt", "\"two\\nlines\\tand … more\""},
    {"few_shot", "[\"1+1\", \"2\"]"},
    {"chat_template", "\"none\""},
    {"chat_template_kwargs", R"("{\"enable_thinking\":false,\"n\":[1,null]}")"},
    {"chat_template_time", "1700000000"},
    {"max_prompt_length", "256"},
    {"eval_dataset_name", "\"sums\""},
    {"eval_num_prompts", "10"},
    {"model_name_or_path", "\"models/m\""},
    {"model_revision", "\"v1.2\""},
    {"torch_dtype", "\"bfloat16\""},
    {"gradient_checkpointing", "true"},
    {"freeze", "[\"model.layers.0.*\"]"},
    {"lora_r", "8"},
    {"lora_alpha", "16.0"},
    {"lora_dropout", "0.0"},
    {"lora_target_modules", "[\"q_proj\", \"down_proj\"]"},
    {"lora_modules_to_save", "[\"lm_head\"]"},
    {"use_rslora", "true"},
    {"reference_model_name_or_path", "\"models/r\""},
    {"sync_ref_model", "true"},
    {"ref_model_mixup_alpha", "0.5"},
    {"ref_model_sync_steps", "64"},
    {"maxent_reference_ema_beta", "0.9"},
    {"maxent_reference_ema_update_interval", "5"},
    {"maxent_reference_ema_warmup_steps", "0"},
    {"num_generations", "4"},
    {"max_completion_length", "64"},
    {"min_completion_length", "64"},
    {"temperature", "0.7"},
    {"top_p", "0.95"},
    {"top_k", "50"},
    {"min_p", "0.05"},
    {"stop_sequences", "[\"</answer>\\n\", \"a, b\"]"},
    {"dynamic_sampling", "true"},
    {"dynamic_sampling_max_rounds", "2"},
    {"use_vllm", "true"},
    {"vllm_mode", "\"server\""},
    {"vllm_server_base_url", "[\"http://a:1\", \"http://b/c\"]"},
    {"vllm_server_host", "\"10.0.0.1\""},
    {"vllm_server_port", "8100"},
    {"vllm_server_timeout", "30.0"},
    {"vllm_url", "\"http://localhost:8000/generate\""},
    {"vllm_request_timeout", "90.0"},
    {"vllm_retry_sleep", "0.1"},
    {"vllm_max_completion_rounds", "2"},
    {"vllm_backfill_with_model", "false"},
    {"vllm_sync_interval_steps", "3"},
    {"vllm_sync_method", "\"memory\""},
    {"vllm_group_port", "51000"},
    {"vllm_sync_dir", "\"/dev/shm/w\""},
    {"async_generation", "true"},
    {"max_staleness_steps", "2"},
    {"reward_funcs", "[\"a\", \"b\"]"},
    {"reward_weights", "[1.0, 1e-3]"},
    {"soft_punish_cache", "16"},
    {"reward_args", R"("{\"cosine\":{\"max_len\":800}}")"},
    {"reward_command", R"("{\"a\":\"python3 a.py\"}")"},
    {"reward_url", R"("{\"b\":\"http://127.0.0.1:8000/b\"}")"},
    {"reward_library", R"("{\"b\":\"./libb.so\"}")"},
    {"reward_workers", "2"},
    {"reward_timeout", "2.5"},
    {"reward_retries", "0"},
    {"max_reward_failures", "0.25"},
    {"loss_type", "\"vespo\""},
    {"importance_sampling_level", "\"sequence\""},
    {"epsilon", "0.3"},
    {"epsilon_high", "0.28"},
    {"delta", "4.0"},
    {"sapo_temperature_neg", "1.5"},
    {"sapo_temperature_pos", "1.25"},
    {"vespo_k_pos", "1.0"},
    {"vespo_lambda_pos", "2.5"},
    {"vespo_k_neg", "0.0"},
    {"vespo_lambda_neg", "0.5"},
    {"advantage_estimator", "\"reinforce_plus_plus_baseline\""},
    {"scale_rewards", "\"batch\""},
    {"beta", "0.04"},
    {"kl_estimator", "\"k1\""},
    {"kl_in_reward", "true"},
    {"use_bias_correction_kl", "false"},
    {"kl_target", "0.07"},
    {"kl_horizon", "50000.0"},
    {"kl_ctl_step_size", "0.15"},
    {"top_entropy_quantile", "0.2"},
    {"mask_truncated_completions", "true"},
    {"exclude_zero_std_groups", "true"},
    {"off_policy_mask_threshold", "0.5"},
    {"entropy_coef", "1e-3"},
    {"use_adaptive_entropy", "true"},
    {"entropy_target", "0.3"},
    {"entropy_coef_delta", "1e-4"},
    {"entropy_coef_min", "-0.01"},
    {"entropy_coef_max", "0.05"},
    {"vllm_importance_sampling_correction", "false"},
    {"vllm_importance_sampling_mode", "\"token_truncate\""},
    {"vllm_importance_sampling_clip_max", "2.0"},
    {"vllm_importance_sampling_clip_min", "0.5"},
    {"maxent_objective", "\"hybrid\""},
    {"maxent_tau", "inf"},
    {"maxent_q_temperature", "0.9"},
    {"maxent_q_epsilon", "1e-4"},
    {"maxent_length_normalize_ref", "false"},
    {"maxent_length_normalize_policy", "true"},
    {"maxent_tau_only_denominator", "true"},
    {"maxent_listwise_skip_zero_variance_groups", "false"},
    {"maxent_target_weight_entropy", "1.2"},
    {"maxent_target_weight_entropy_final", "0.5"},
    {"maxent_target_weight_entropy_horizon", "300"},
    {"maxent_tau_lr", "0.05"},
    {"maxent_tau_min", "0.05"},
    {"maxent_tau_max", "2.0"},
    {"maxent_tau_warmup_steps", "0"},
    {"maxent_clip_objective_coef", "0.5"},
    {"maxent_clip_adv_baseline", "0.125"},
    {"maxent_clip_range", "0.1"},
    {"maxent_xdr_mode_adaptive", "true"},
    {"maxent_alpha", "5e-3"},
    {"maxent_alpha_raise_on_low_kl", "true"},
    {"maxent_alpha_lower_on_high_kl", "true"},
    {"maxent_alpha_kl_threshold", "0.07"},
    {"maxent_alpha_kl_gain", "0.25"},
    {"maxent_alpha_kl_max_multiplier", "3.0"},
    {"maxent_alpha_kl_min_multiplier", "0.25"},
    {"maxent_alpha_disable_outside_trust_zone", "true"},
    {"maxent_hybrid_coef", "0.4"},
    {"maxent_hybrid_coef_final", "0.0"},
    {"maxent_hybrid_horizon", "40"},
    {"learning_rate", "2.5e-7"},
    {"lr_scheduler_type", "\"constant_with_warmup\""},
    {"warmup_steps", "10"},
    {"warmup_ratio", "0.1"},
    {"adam_beta1", "0.8"},
    {"adam_beta2", "0.99"},
    {"adam_epsilon", "1e-6"},
    {"weight_decay", "0.01"},
    {"optim_moments_dtype", "\"bfloat16\""},
    {"max_grad_norm", "0.2"},
    {"per_device_train_batch_size", "6"},
    {"gradient_accumulation_steps", "2"},
    {"generation_batch_size", "24"},
    {"num_iterations", "2"},
    {"token_budget", "4096"},
    {"max_bad_steps", "3"},
    {"ddp_backend", "\"gloo\""},
    {"ddp_timeout", "60"},
    {"ddp_bucket_cap_mb", "4"},
    {"zero_stage", "2"},
    {"save_strategy", "\"no\""},
    {"save_steps", "25"},
    {"save_interval_minutes", "2.5"},
    {"save_on_signal", "false"},
    {"save_total_limit", "2"},
    {"resume_from_checkpoint", "\"no\""},
    {"ignore_data_skip", "true"},
    {"overwrite_output_dir", "true"},
    {"logging_steps", "10"},
    {"log_completions", "true"},
    {"eval_strategy", "\"steps\""},
    {"eval_steps", "50"},
    {"eval_on_start", "true"},
    {"num_generations_eval", "4"},
    {"profile", "true"},
    {"report_to", "[\"tensorboard\", \"wandb\"]"},
    {"html_report", "false"},
    {"html_report_interval", "5.0"},
    {"html_report_max_mb", "4"},
    {"num_completions_to_print", "2"},
    {"log_unique_prompts", "true"},
    {"wandb_project", "\"p\""},
    {"wandb_entity", "\"e\""},
    {"wandb_run_group", "\"g\""},
    {"wandb_tags", "[\"a\", \"b\"]"},
    {"push_to_hub", "true"},
    {"hub_model_id", "\"org/m\""},
    {"hub_strategy", "\"all_checkpoints\""},
    {"hub_model_revision", "\"v01.00\""},
    {"hub_private_repo", "true"},
    {"push_to_hub_revision", "true"},
    {"overwrite_hub_revision", "true"},
};

// What some options of that table rule out, or a second value worth a look, with the options that give way.
const Values kInstead = {
    {"dataset_name", "\"d.jsonl\""},
    {"steps_per_generation", "6"},
    {"maxent_reference_ema_enabled", "true"},
    {"maxent_target_weight_entropy_fraction", "0.7"},
    {"maxent_tau", "0.5"},
    {"maxent_tau_final", "0.01"},
    {"maxent_tau_horizon", "100"},
    {"maxent_objective", "\"weighted_mle\""},
    {"maxent_use_clip_objective", "true"},
    {"multi_objective_aggregation", "\"normalize_then_sum\""},
    {"vllm_importance_sampling_clip_max", "\"none\""},
};
const std::set<std::string> kGivesWay = {
    "dataset_mixture", "generation_batch_size", "sync_ref_model", "maxent_target_weight_entropy", "maxent_tau_lr",
    "kl_in_reward",    "top_entropy_quantile",  "entropy_coef",   "use_adaptive_entropy",         "entropy_coef_min"};

Values second_table() {
  Values values = kInstead;
  for (const auto& [name, value] : kOther) {
    if (kGivesWay.count(name) == 0) values.try_emplace(name, value);
  }
  return values;
}

// What stands with neither of them.
const Values kAdapters = {{"model_name_or_path", "\"m\""}, {"dataset_name", "\"d.jsonl\""}, {"use_peft", "true"}, {"num_processes", "2"}};

std::vector<Values> tables() { return {kOther, second_table(), kAdapters}; }

std::string recipe_of(const Values& values) {
  std::string text;
  for (const auto& [name, value] : values) text += name + " = " + value + "\n";
  return text;
}

}  // namespace

TEST_CASE("every option goes from TOML into the recipe and back", "[config]") {
  Recipe defaults;
  const auto default_list = fields(defaults);
  std::set<std::string> tried;
  for (const Values& values : tables()) {
    const LoadedRecipe loaded = load_text("r.toml", recipe_of(values), "");
    Recipe read = loaded.recipe;
    const auto list = fields(read);
    for (std::size_t i = 0; i < list.size(); ++i) {
      INFO(list[i].name);
      if (values.count(list[i].name) == 0) continue;
      CHECK(to_toml_value(list[i]) != to_toml_value(default_list[i]));  // it was read
      CHECK(loaded.origin.at(list[i].name).find("r.toml:") != std::string::npos);
      tried.insert(list[i].name);
    }
    for (const bool origins : {false, true}) {
      CHECK(load_text("again.toml", to_toml(loaded, origins), "").recipe == loaded.recipe);
    }
  }
  for (const Field& field : default_list) {
    INFO(field.name);
    CHECK(tried.count(field.name) == 1);
  }
}

TEST_CASE("each option alone reads into its own member and no other", "[config]") {
  Recipe defaults;
  const auto default_list = fields(defaults);
  for (const Values& values : tables()) {
    Recipe source = load_text("r.toml", recipe_of(values), "").recipe;
    const auto source_list = fields(source);
    for (std::size_t target = 0; target < default_list.size(); ++target) {
      if (values.count(default_list[target].name) == 0) continue;
      INFO(default_list[target].name);
      Recipe recipe;
      const auto list = fields(recipe);
      copy_value(source_list[target], list[target]);
      std::vector<std::string> changed;
      for (std::size_t i = 0; i < list.size(); ++i) {
        if (to_toml_value(list[i]) != to_toml_value(default_list[i])) changed.push_back(list[i].name);
      }
      CHECK(changed == std::vector<std::string>{default_list[target].name});
      CHECK_FALSE(recipe == defaults);
    }
  }
}

TEST_CASE("the same recipe over the command line", "[config]") {
  for (const Values& values : tables()) {
    const LoadedRecipe from_file = load_text("r.toml", recipe_of(values), "");
    std::vector<std::string> words;
    for (const auto& [name, value] : values) {
      std::string word = value.front() == '"' ? value.substr(1, value.size() - 2) : value;
      if (name == "output_dir") word = from_file.recipe.run.output_dir;
      if (name == "system_prompt") word = *from_file.recipe.data.system_prompt;
      if (name == "chat_template_kwargs") word = from_file.recipe.data.chat_template_kwargs->json;
      if (name == "reward_args") word = from_file.recipe.reward.reward_args->json;
      if (name == "reward_command") word = from_file.recipe.reward.reward_command->json;
      if (name == "reward_url") word = from_file.recipe.reward.reward_url->json;
      if (name == "reward_library") word = from_file.recipe.reward.reward_library->json;
      if (name == "dataset_mixture") {
        word = R"({"seed": 1, "sampling": "proportional", "stopping_strategy": "all_exhausted", "test_split_size": 0.1,
                  "datasets": [{"id": "a", "weight": 2.5, "config": "c", "split": "t", "revision": "r", "filter": "x > 1", "columns": ["x"]},
                  {"id": "b", "prompt_column": "p", "solution_column": "s"}]})";
      }
      words.push_back("--" + name + "=" + word);
    }
    CHECK(load_words(words, "").recipe == from_file.recipe);
  }
}

TEST_CASE("the same recipe in YAML", "[config]") {
  for (const Values& values : tables()) {
    Values flow = values;
    if (flow.count("dataset_mixture") > 0) {
      flow["dataset_mixture"] =
          "{seed: 1, sampling: proportional, stopping_strategy: all_exhausted, test_split_size: 0.1, datasets: [{id: a, weight: 2.5, "
          "config: c, split: t, revision: r, filter: x > 1, columns: [x]}, {id: b, prompt_column: p, solution_column: s}]}";
    }
    std::string yaml;
    for (const auto& [name, value] : flow) yaml += name + ": " + value + "\n";
    CHECK(load_text("r.yaml", yaml, "").recipe == load_text("r.toml", recipe_of(values), "").recipe);
  }
}

TEST_CASE("the resolved recipe says where values came from", "[config]") {
  const std::string text = to_toml(load_words({"--seed=3"}), true);
  CHECK(text.find("[run]\n") == 0);
  CHECK(text.find("\nseed = 3 ") != std::string::npos);
  CHECK(text.find("# command line\n") != std::string::npos);
  CHECK(text.find("# run_name is unset") != std::string::npos);
  CHECK(text.find("learning_rate = 1e-6 ") != std::string::npos);
  CHECK(to_toml(load_words({}), false).find(" # default") == std::string::npos);
}

TEST_CASE("names and aliases are unique, sections are in order", "[config]") {
  Recipe recipe;
  std::set<std::string> names;
  const auto list = fields(recipe);
  for (const Field& field : list) {
    INFO(field.name);
    CHECK(names.insert(field.name).second);
    for (const std::string& alias : field.aliases) {
      INFO(alias);
      CHECK(names.insert(alias).second);
    }
  }
  CHECK(sections(list) == std::vector<std::string>{"run", "data", "policy", "reference", "sampling", "server", "reward", "objective",
                                                   "maxent", "optimizer", "dist", "checkpoint", "metrics", "hub"});
}

TEST_CASE("the defaults are within their ranges; a recipe filled in by code is checked", "[config]") {
  Recipe recipe;
  for (const Field& field : fields(recipe)) {
    INFO(field.name);
    CHECK(range_error(field).empty());
  }
  CHECK_THROWS_AS(validate(recipe), Error);
  recipe.policy.model_name_or_path = "m";
  recipe.data.dataset_name = "sums";
  CHECK_NOTHROW(validate(recipe));
  recipe.sampling.temperature = -1;
  CHECK_THROWS_WITH(validate(recipe), "temperature = -1.0: must be > 0");
}
