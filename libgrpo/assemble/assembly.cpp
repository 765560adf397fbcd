#include "libgrpo/assemble/assembly.hpp"

#include "libgrpo/assemble/data.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/objective/grpo.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/trainer/schedule.hpp"

#include <algorithm>
#include <exception>
#include <fmt/format.h>

namespace grpo {
namespace {

namespace fs = std::filesystem;

/// The checkpoint to go on from: the last complete one ("auto"), none, or the one named.
std::optional<fs::path> choose_checkpoint(const Recipe& recipe, const Log& log) {
  const std::string& wish = recipe.checkpoint.resume_from_checkpoint;
  if (wish == "no" || wish == "false" || recipe.checkpoint.overwrite_output_dir) return std::nullopt;
  if (wish == "auto" || wish == "true") return last_checkpoint(recipe.run.output_dir, log);
  if (const std::string damage = fs::exists(wish) ? checkpoint_damage(wish) : "no such folder"; !damage.empty())
    throw Error(ErrorKind::data, fmt::format("resume_from_checkpoint {}: {}", wish, damage));
  return wish;
}

ModelParts load_text(const Recipe& recipe) {
  ModelParts parts;
  parts.tokenizer = load_tokenizer(recipe.policy.model_name_or_path);
  parts.chat_template = open_chat_template(recipe);
  return parts;
}

void load_weights_into(ModelParts& parts, const fs::path& weights, const ModelConfig& config) {
  parts.policy = std::make_unique<CausalLm>(config, load_weights(weights, config));
  parts.sampler = std::make_unique<InProcessSampler>(*parts.policy, *parts.tokenizer);
}

void load_prompts(Assembly& a, const ModelConfig& config) {
  const Recipe& recipe = a.loaded.recipe;
  a.train_source = open_train_source(recipe);
  const bool evaluates = recipe.metrics.eval_on_start || recipe.metrics.eval_strategy != EvalStrategy::no;
  if (evaluates) a.eval_source = open_eval_source(recipe);
  const PromptStyle style = prompt_style(recipe, config, *a.model.tokenizer);
  const ChatTemplate* chat = a.model.chat_template ? &*a.model.chat_template : nullptr;
  a.train_prompts = std::make_unique<PromptSet>(*a.train_source, *a.model.tokenizer, chat, style);
  if (!a.eval_source) return;
  const PromptSet eval(*a.eval_source, *a.model.tokenizer, chat, style);
  const auto wanted = static_cast<std::size_t>(recipe.data.eval_num_prompts);
  const std::size_t count = wanted == 0 ? eval.size() : std::min(wanted, eval.size());
  for (std::size_t i = 0; i < count; ++i) a.eval_prompts.push_back(eval.prompt(i));
}

/// Renders the prompts this run will use (of one epoch, the first 100,000), so that a row that is damaged or too long ends the run
/// before it begins, not after a night.
void check_prompts(Assembly& a) {
  constexpr std::uint64_t kMost = 100000;
  std::vector<std::size_t> rows;
  const auto last = static_cast<std::uint64_t>(a.plan.total_steps);
  for (auto step = static_cast<std::uint64_t>(a.resumed.step); step < last && rows.size() < std::min<std::uint64_t>(kMost, a.train_prompts->size());
       ++step)
    for (const std::size_t row : a.order->batch(step)) rows.push_back(row);
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  std::vector<std::exception_ptr> failures(rows.size());
  at::parallel_for(0, static_cast<std::int64_t>(rows.size()), 32, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      try {
        static_cast<void>(a.train_prompts->prompt(rows[static_cast<std::size_t>(i)]));
      } catch (...) {
        failures[static_cast<std::size_t>(i)] = std::current_exception();
      }
    }
  });
  for (const auto& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

TrainerState trainer_state(const RunState& s) { return {s.step, s.tokens_seen, s.bad_steps}; }

TrainerOptions trainer_options(const Recipe& recipe, const Plan& plan) {
  TrainerOptions options;
  options.total_steps = plan.total_steps;
  options.seed = static_cast<std::uint64_t>(recipe.run.seed);
  options.sampling = sampling_params(recipe);
  options.max_grad_norm = recipe.optimizer.max_grad_norm;
  options.token_budget = plan.token_budget;
  options.max_bad_steps = recipe.optimizer.max_bad_steps;
  const std::int64_t warmup = warmup_length(recipe.optimizer, plan.total_steps);
  options.learning_rate = [o = recipe.optimizer, warmup, total = plan.total_steps](std::int64_t step) {
    return o.learning_rate * schedule_factor(o.lr_scheduler_type, step, warmup, total);
  };
  return options;
}

void build_training(Assembly& a) {
  const Recipe& recipe = a.loaded.recipe;
  const OptimizerOptions& o = recipe.optimizer;
  a.model.policy->require_grad();
  a.optimizer = std::make_unique<AdamW>(a.model.policy->parameters(),
                                        AdamWOptions{o.adam_beta1, o.adam_beta2, o.adam_epsilon, o.weight_decay});
  if (a.objective->needs_reference()) a.reference = CausalLm::load(recipe.policy.model_name_or_path);
  if (a.resumed_from) {
    a.optimizer->restore(load_optimizer_state(*a.resumed_from), a.resumed.optimizer_steps);
    a.objective->restore(a.resumed.objective_state);
  }
  const TrainerParts parts{*a.train_prompts, *a.order,         *a.model.sampler,  a.reward,
                           *a.objective,     *a.model.policy, a.reference.get(), *a.optimizer};
  a.trainer = std::make_unique<Trainer>(parts, trainer_options(recipe, a.plan), trainer_state(a.resumed));
}

}  // namespace

ModelParts load_model(const Recipe& recipe, const fs::path& weights) {
  const ModelConfig config = read_model_config(weights);
  ModelParts parts = load_text(recipe);
  load_weights_into(parts, weights, config);
  return parts;
}

PromptStyle prompt_style(const Recipe& recipe, const ModelConfig& config, const Tokenizer& tokenizer) {
  PromptStyle style;
  style.system_prompt = recipe.data.system_prompt;
  style.few_shot = recipe.data.few_shot;
  const auto token_text = [&](std::int32_t id) { return id < 0 ? std::string() : tokenizer.token_bytes(id); };
  style.bos_token = token_text(config.bos_token_id);
  style.eos_token = token_text(config.eos_token_ids.front());
  const std::int64_t room = config.context_length - recipe.sampling.max_completion_length;
  if (room < 1)
    throw Error(ErrorKind::recipe, fmt::format("max_completion_length {} leaves no room for a prompt in the model's context of {}",
                                               recipe.sampling.max_completion_length, config.context_length));
  style.max_prompt_tokens = std::min(room, recipe.data.max_prompt_length.value_or(room));
  return style;
}

SamplingParams sampling_params(const Recipe& recipe) {
  const SamplingOptions& s = recipe.sampling;
  SamplingParams params;
  params.num_generations = s.num_generations;
  params.max_completion_length = s.max_completion_length;
  params.min_completion_length = s.min_completion_length;
  params.temperature = s.temperature;
  params.top_p = s.top_p;
  params.top_k = s.top_k;
  params.min_p = s.min_p;
  params.seed = static_cast<std::uint64_t>(recipe.run.seed);
  return params;
}

SamplingParams greedy_params(const Recipe& recipe) {
  SamplingParams params = sampling_params(recipe);
  params.num_generations = 1;
  params.temperature = 0.0;
  return params;
}

std::unique_ptr<Assembly> assemble(LoadedRecipe loaded, const Log& log) {
  auto a = std::make_unique<Assembly>();
  a->loaded = std::move(loaded);
  const Recipe& recipe = a->loaded.recipe;
  if (recipe.run.num_threads > 0) at::set_num_threads(static_cast<int>(recipe.run.num_threads));

  // Cheap checks first: a typing error in a dataset's name must not cost the loading of a model.
  a->reward = RewardSet(recipe.reward.reward_funcs, recipe.reward.reward_weights);
  a->objective = std::make_unique<Grpo>(recipe.objective);
  a->resumed_from = choose_checkpoint(recipe, log);
  if (a->resumed_from) a->resumed = load_run_state(*a->resumed_from);
  const fs::path weights = a->resumed_from.value_or(fs::path(recipe.policy.model_name_or_path));
  const ModelConfig config = read_model_config(weights);
  a->model = load_text(recipe);
  load_prompts(*a, config);
  a->plan = make_plan(recipe, config, static_cast<std::int64_t>(a->train_prompts->size()),
                      static_cast<std::int64_t>(a->eval_prompts.size()));
  a->plan.first_step = a->resumed.step;
  a->order = std::make_unique<PromptOrder>(a->train_prompts->size(), static_cast<std::size_t>(a->plan.prompts_per_step),
                                           static_cast<std::uint64_t>(recipe.run.seed), recipe.data.shuffle_dataset);
  check_prompts(*a);
  load_weights_into(a->model, weights, config);
  build_training(*a);
  return a;
}

}  // namespace grpo
