#include "libgrpo/assemble/assembly.hpp"

#include "libgrpo/assemble/data.hpp"
#include "libgrpo/assemble/device.hpp"
#include "libgrpo/assemble/make_sampler.hpp"
#include "libgrpo/assemble/objectives.hpp"
#include "libgrpo/assemble/streams.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/checkpoint/optimizer_shards.hpp"
#include "libgrpo/config/print.hpp"
#include "libgrpo/rollout/saved_groups.hpp"
#include "libgrpo/tensor/lists.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/trainer/gathered_sampler.hpp"
#include "libgrpo/trainer/schedule.hpp"

#include <algorithm>
#include <exception>
#include <fstream>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sstream>

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
  parts.tokenizer = load_tokenizer(model_place(recipe).text);
  parts.chat_template = open_chat_template(recipe);
  return parts;
}

void load_policy(Assembly& a, const ModelPlace& place, const ModelConfig& config, const Log& log) {
  a.model.policy = open_policy(place, config, a.loaded.recipe, a.device);
  a.model.sampler = make_sampler(a.loaded.recipe, *a.model.policy, *a.model.tokenizer, a.world, log);
}

void load_prompts(Assembly& a, const ModelConfig& config) {
  const Recipe& recipe = a.loaded.recipe;
  RunSources sources = open_sources(recipe, recipe.metrics.eval_on_start || recipe.metrics.eval_strategy != EvalStrategy::no);
  a.train_source = std::move(sources.train);
  a.eval_source = std::move(sources.eval);
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
  const auto steps = static_cast<std::uint64_t>(a.plan.total_steps - a.resumed.step);
  const auto per_batch = static_cast<std::uint64_t>(a.plan.updates_per_generation);
  const std::uint64_t batches = steps > 0 ? (steps + per_batch - 1) / per_batch : 0;
  const std::uint64_t rounds =
      a.loaded.recipe.sampling.dynamic_sampling ? static_cast<std::uint64_t>(a.loaded.recipe.sampling.dynamic_sampling_max_rounds) + 1 : 1;
  const std::uint64_t drawn = batches * a.order->batch_size() * rounds;  // at most
  const std::uint64_t wanted = std::min({kMost, std::uint64_t{a.train_prompts->size()}, drawn});
  for (std::uint64_t i = 0; i < wanted; ++i) rows.push_back(a.order->row(a.resumed.prompts_drawn + i));
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

TrainerState trainer_state(const Assembly& a) {
  const RunState& s = a.resumed;
  TrainerState state{s.step, s.tokens_seen, s.bad_steps, s.prompts_drawn, s.updates_done};
  const bool same_order = a.resumed_from && !a.loaded.recipe.checkpoint.ignore_data_skip;
  if (same_order) state.prompts = PromptAccount(load_prompt_account(*a.resumed_from));
  return state;
}

std::int64_t plan_warmup(const Recipe& recipe, const Plan& plan) { return warmup_length(recipe.optimizer, plan.total_steps); }

TrainerOptions trainer_options(const Recipe& recipe, const Plan& plan) {
  TrainerOptions options;
  options.total_steps = plan.total_steps;
  options.seed = static_cast<std::uint64_t>(recipe.run.seed);
  options.sampling = sampling_params(recipe);
  options.dynamic_sampling = recipe.sampling.dynamic_sampling;
  options.dynamic_sampling_max_rounds = recipe.sampling.dynamic_sampling_max_rounds;
  options.max_reward_failures = recipe.reward.max_reward_failures;
  options.num_iterations = recipe.optimizer.num_iterations;
  options.slices = plan.updates_per_generation / options.num_iterations;
  options.noisy_passes = recipe.policy.use_peft && recipe.policy.lora_dropout > 0.0;
  options.correct_sampler = recipe.objective.vllm_importance_sampling_correction;
  options.refresh_interval = recipe.server.uses_server() ? recipe.server.vllm_sync_interval_steps : 1;
  options.max_grad_norm = recipe.optimizer.max_grad_norm;
  options.token_budget = plan.token_budget;
  options.scoring_budget = plan.scoring_budget;
  options.max_bad_steps = recipe.optimizer.max_bad_steps;
  const std::int64_t warmup = plan_warmup(recipe, plan);
  options.learning_rate = [o = recipe.optimizer, warmup, total = plan.total_steps](std::int64_t step) {
    return o.learning_rate * schedule_factor(o.lr_scheduler_type, step, warmup, total);
  };
  return options;
}

/// The generation batch that the checkpoint kept, if it was taken between two updates of one.
std::optional<Rollout> load_rollout(const Assembly& a) {
  const auto path = a.resumed_from ? rollout_file(*a.resumed_from) : std::nullopt;
  if (!path) return std::nullopt;
  const ModelConfig& config = a.model.policy->config();
  SavedGroupsReader reader(reward_columns(a.loaded.recipe), config.vocab_size, config.context_length);
  std::ifstream file(*path, std::ios::binary);
  for_each_line(file, path->string(), [&](std::string_view line, std::size_t) { reader.read(line); });
  const SavedGroups& saved = reader.saved();
  const auto expected = static_cast<std::size_t>(a.plan.prompts_per_generation);
  if (saved.groups.size() != expected)
    throw Error(ErrorKind::data, fmt::format("{}: holds {} groups, but a generation batch of this recipe has {}; continue with the "
                                             "recipe the checkpoint was made with, or start anew with --overwrite_output_dir",
                                             path->string(), saved.groups.size(), expected));
  Rollout rollout({saved.groups, saved.rewards, {}});
  rollout.ref_log_probs = to_tensor(saved.ref_log_probs);
  rollout.old_log_probs = to_tensor(saved.old_log_probs);
  return rollout;
}

/// The sampler that a signal stops, with the groups that the checkpoint's step had finished.
void load_finished(Assembly& a) {
  a.stoppable = std::make_unique<StoppableSampler>(*a.model.sampler, a.world, *a.model.tokenizer);
  const auto path = a.resumed_from ? finished_file(*a.resumed_from) : std::nullopt;
  if (!path) return;
  const ModelConfig& config = a.model.policy->config();
  std::ifstream file(*path, std::ios::binary);
  for_each_line(file, path->string(),
                [&](std::string_view line, std::size_t) { a.stoppable->keep(line, config.vocab_size, config.context_length); });
}

/// How the reference follows the policy; nothing if it does not.
std::optional<ReferenceSchedule> reference_schedule(const ReferenceOptions& o) {
  if (o.sync_ref_model) return ReferenceSchedule{o.ref_model_mixup_alpha, o.ref_model_sync_steps, 0};
  if (!o.maxent_reference_ema_enabled) return std::nullopt;
  return ReferenceSchedule{1.0 - o.maxent_reference_ema_beta, o.maxent_reference_ema_update_interval, o.maxent_reference_ema_warmup_steps};
}

void load_reference_into(Assembly& a) {
  const Recipe& recipe = a.loaded.recipe;
  if (recipe.policy.use_peft && !recipe.reference.reference_model_name_or_path) {
    a.reference = std::make_unique<AdaptersOff>(*a.model.policy);
    return;
  }
  const auto schedule = reference_schedule(recipe.reference);
  if (!schedule) {
    a.reference = open_reference(reference_place(recipe), recipe.policy.torch_dtype, a.device);
    return;
  }
  a.moving_reference = open_model(reference_place(recipe), recipe.policy.torch_dtype, a.device);
  a.moving_reference->freeze(recipe.policy.freeze);
  a.reference_sync = std::make_unique<ReferenceSync>(a.model.policy->parameters(), a.moving_reference->parameters(), *schedule);
  if (a.resumed_from) restore_parameters(*a.moving_reference, load_reference(*a.resumed_from));
}

/// From here on this rank has its share of the weights alone.
void divide_weights(Assembly& a) {
  a.shards = std::make_shared<ShardedWeights>(a.world, *a.model.policy);
  a.model.sampler = std::make_unique<GatheredSampler>(*a.shards, *a.model.tokenizer);
  a.model.policy = a.shards->model(a.shards);
  a.gradients = std::make_unique<GradientSum>(a.world, *a.shards);
}

using StateNames = std::vector<std::pair<std::string, std::int64_t>>;

void build_training(Assembly& a) {
  const Recipe& recipe = a.loaded.recipe;
  const OptimizerOptions& o = recipe.optimizer;
  if (a.world.size() > 1 && recipe.dist.zero_stage == 3) divide_weights(a);
  a.model.policy->require_grad();
  const auto parameters = a.model.policy->parameters();
  if (a.world.size() > 1 && !a.gradients)
    a.gradients = std::make_unique<GradientSum>(a.world, parameters, recipe.dist.ddp_bucket_cap_mb << 20, recipe.dist.zero_stage);
  a.optimizer = std::make_unique<AdamW>(a.gradients ? a.gradients->own() : parameters,
                                        AdamWOptions{o.adam_beta1, o.adam_beta2, o.adam_epsilon, o.weight_decay,
                                                     o.optim_moments_dtype == MomentsDtype::bfloat16 ? at::kBFloat16 : at::kFloat});
  if (a.objective->needs_reference()) load_reference_into(a);
  if (a.resumed_from) {
    a.optimizer->restore(load_optimizer_state(*a.resumed_from, a.resumed.optimizer_steps > 0 ? a.optimizer->wants() : StateNames()),
                         a.resumed.optimizer_steps);
    a.objective->restore(a.resumed.objective_state);
  }
  const Scorer* reference = a.moving_reference ? a.moving_reference.get() : a.reference.get();
  load_finished(a);
  TrainerParts parts{*a.train_prompts, *a.order,     *a.stoppable,           a.reward, *a.objective, *a.model.policy,
                     reference,        *a.optimizer, a.reference_sync.get(), &a.world};
  parts.gradients = a.gradients.get();
  const TrainerOptions options = trainer_options(recipe, a.plan);
  if (recipe.server.async_generation) {
    a.ahead =
        std::make_unique<BatchesAhead>(*a.train_prompts, *a.order, *a.stoppable, a.reward,
                                       RolloutOptions{a.order->batch_size(), options.seed, options.sampling, options.dynamic_sampling,
                                                      options.dynamic_sampling_max_rounds, options.max_reward_failures},
                                       AheadOptions{recipe.server.max_staleness_steps, a.plan.updates_per_generation, options.total_steps});
    parts.ahead = &a.ahead->batches();
  }
  a.trainer = std::make_unique<Trainer>(parts, options, trainer_state(a), load_rollout(a));
}

/// The sum of all weights, to the last bit.
std::string weight_digest(const Policy& policy) {
  double sum = 0.0;
  for (const Parameter& p : policy.parameters()) sum += p.tensor.detach().sum(at::kDouble).item<double>();
  return fmt::format("{:a}", sum);
}

/// Ranks that start from different things would train apart without a word: a disk that they do not share, say.
void check_agreement(const Assembly& a, const std::string& weights) {
  if (a.world.size() == 1) return;
  std::vector<std::string> lines{"resumed step = " + std::to_string(a.resumed.step), "prompts = " + std::to_string(a.train_prompts->size()),
                                 "sum of weights = " + weights};
  std::istringstream recipe(to_toml(a.loaded, false));
  for (std::string line; std::getline(recipe, line);) lines.push_back(line);
  const auto ranks = a.world.gather_bytes(fmt::format("{}", fmt::join(lines, "\n")));
  for (std::size_t r = 1; r < ranks.size(); ++r) {
    std::istringstream first(ranks[0]), other(ranks[r]);
    std::string here, there;
    while (std::getline(first, here) && std::getline(other, there) && here == there) {
    }
    if (ranks[0] != ranks[r])
      throw Error(ErrorKind::recipe, fmt::format("the ranks do not start from the same: rank 0 has \"{}\", rank {} has \"{}\". Start all "
                                                 "with the same options, and with output_dir, model and data on a disk that all hosts see",
                                                 here, r, there));
  }
}

}  // namespace

std::shared_ptr<const Policy> whole_policy(const Assembly& a) {
  if (a.shards) return a.shards->whole();
  return {std::shared_ptr<const Policy>(), a.model.policy.get()};
}

std::string chosen_template(const Assembly& a) {
  return a.loaded.recipe.data.chat_template && a.model.chat_template ? a.model.chat_template->source() : std::string();
}

PromptStyle prompt_style(const Recipe& recipe, const ModelConfig& config, const Tokenizer& tokenizer) {
  PromptStyle style;
  style.system_prompt = recipe.data.system_prompt;
  style.few_shot = recipe.data.few_shot;
  if (recipe.data.chat_template_kwargs) style.chat_template_kwargs = recipe.data.chat_template_kwargs->json;
  style.now = recipe.data.chat_template_time;
  style.drop_overlong = recipe.data.filter_overlong_prompts;
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

RewardTable reward_columns(const Recipe& recipe) {
  const RewardOptions& o = recipe.reward;
  RewardTable table;
  for (std::size_t i = 0; i < o.reward_funcs.size(); ++i)
    table.columns.push_back({o.reward_funcs[i], o.reward_weights.empty() ? 1.0 : o.reward_weights[i], {}, 0.0});
  return table;
}

RewardSettings reward_settings(const Recipe& recipe) {
  const RewardOptions& o = recipe.reward;
  const auto json = [](const std::optional<JsonTable>& table) { return table.value_or(JsonTable()).json; };
  return {recipe.sampling.max_completion_length,
          o.soft_punish_cache,
          json(o.reward_args),
          json(o.reward_command),
          json(o.reward_url),
          json(o.reward_library),
          o.reward_workers,
          o.reward_timeout,
          o.reward_retries};
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
  params.stop_sequences = s.stop_sequences;
  params.seed = static_cast<std::uint64_t>(recipe.run.seed);
  return params;
}

SamplingParams greedy_params(const Recipe& recipe) {
  SamplingParams params = sampling_params(recipe);
  params.num_generations = 1;
  params.temperature = 0.0;
  return params;
}

std::unique_ptr<Assembly> assemble(LoadedRecipe loaded, const Log& log, World& world) {
  auto a = std::make_unique<Assembly>(world);
  a->loaded = std::move(loaded);
  world.enter_phase("load");
  const Recipe& recipe = a->loaded.recipe;
  if (recipe.run.num_threads > 0) at::set_num_threads(static_cast<int>(recipe.run.num_threads));

  a->device = device_of(recipe);
  if (!a->device.is_cpu()) log.info("computing on " + a->device.str());

  // Cheap checks first: a typing error in a dataset's name must not cost the loading of a model.
  a->reward = RewardSet(recipe.reward.reward_funcs, recipe.reward.reward_weights, reward_settings(recipe));
  for (const std::string& note : a->reward.notes()) log.warning(note);
  a->resumed_from = choose_checkpoint(recipe, log);
  if (a->resumed_from) {
    const OptimizerOptions& o = recipe.optimizer;
    a->resumed = load_run_state(
        *a->resumed_from, static_cast<std::uint64_t>(o.completions_per_step(recipe.dist.num_processes) / recipe.sampling.num_generations));
  }
  const ModelPlace place = a->resumed_from ? checkpoint_place(recipe, *a->resumed_from) : model_place(recipe);
  const ModelConfig config = open_config(place, recipe.policy.torch_dtype);
  a->model = load_text(recipe);
  load_prompts(*a, config);
  if (const auto& left_out = a->train_prompts->dropped(); !left_out.empty())
    log.info(fmt::format("{} prompts are longer than allowed and left out: {}{}", left_out.size(),
                         fmt::join(left_out.begin(), left_out.begin() + std::min<std::ptrdiff_t>(10, std::ssize(left_out)), ", "),
                         left_out.size() > 10 ? ", ..." : ""));
  a->plan = make_plan(recipe, config, count_trainable(place, config, recipe), stored_reference_bytes(recipe),
                      static_cast<std::int64_t>(a->train_prompts->size()), static_cast<std::int64_t>(a->eval_prompts.size()));
  a->plan.first_step = a->resumed.step;
  a->objective = make_objective(recipe, objective_context(recipe, config.vocab_size, plan_warmup(recipe, a->plan)));
  a->order = std::make_unique<PromptOrder>(a->train_prompts->size(), static_cast<std::size_t>(a->plan.prompts_per_generation),
                                           static_cast<std::uint64_t>(recipe.run.seed), recipe.data.shuffle_dataset);
  if (recipe.checkpoint.ignore_data_skip) a->resumed.prompts_drawn -= a->resumed.prompts_drawn % a->order->prompts_per_epoch();
  check_prompts(*a);
  load_policy(*a, place, config, log);
  const std::string weights = world.size() > 1 ? weight_digest(*a->model.policy) : std::string();
  build_training(*a);
  check_agreement(*a, weights);
  return a;
}

}  // namespace grpo
