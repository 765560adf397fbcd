#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/assemble/inspect.hpp"
#include "libgrpo/assemble/objectives.hpp"
#include "libgrpo/assemble/open_model.hpp"
#include "libgrpo/assemble/streams.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/rollout/saved_groups.hpp"
#include "libgrpo/tensor/lists.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/trainer/group_metrics.hpp"
#include "libgrpo/trainer/passes.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

/// The file's reference log-probs, else those of the recipe's reference model; undefined if the objective reads none.
at::Tensor reference_log_probs(const SavedGroups& saved, const Objective& objective, const CausalLm& policy, const Recipe& recipe,
                               const Batch& batch, const PassOptions& pass) {
  if (!objective.needs_reference()) return {};
  if (!saved.ref_log_probs.empty()) return to_tensor(saved.ref_log_probs);
  if (recipe.policy.use_peft && !recipe.reference.reference_model_name_or_path)
    return score_batch(AdaptersOff(policy), batch, pass).log_probs;
  const auto reference = open_reference(reference_place(recipe), recipe.policy.torch_dtype);
  return score_batch(*reference, batch, pass).log_probs;
}

/// One list per group.
Json by_group(const std::vector<double>& values, const Batch& batch) {
  Json groups = Json::array();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto group = static_cast<std::size_t>(batch.group_of()[i]);
    while (groups.size() <= group) groups.push_back(Json::array());
    groups[group].push_back(number(values[i]));
  }
  return groups;
}

SavedGroups read_groups(const Recipe& recipe, const ModelConfig& config, std::istream& in, const std::string& name, bool& has_old) {
  SavedGroupsReader reader(reward_columns(recipe), config.vocab_size, config.context_length);
  for_each_line(in, name, [&](std::string_view line, std::size_t) { reader.read(line); });
  if (reader.saved().groups.empty()) throw Error(ErrorKind::data, name + ": holds no groups");
  has_old = reader.has_old_log_probs();
  return reader.saved();
}

}  // namespace

void inspect_loss(const Recipe& recipe, std::istream& in, const std::string& name, std::ostream& out) {
  if (recipe.run.num_threads > 0) at::set_num_threads(static_cast<int>(recipe.run.num_threads));
  const ModelPlace model = model_place(recipe);
  const ModelConfig config = open_config(model, recipe.policy.torch_dtype);
  bool has_old = false;
  const SavedGroups saved = read_groups(recipe, config, in, name, has_old);
  const Batch batch(saved.groups);
  const auto policy = open_policy(model, config, recipe);
  policy->require_grad();
  const PassOptions pass{recipe.sampling.temperature,
                         recipe.optimizer.token_budget > 0 ? recipe.optimizer.token_budget : kDefaultTokenBudget};
  const auto objective = make_objective(recipe, objective_context(recipe, config.vocab_size, 0));

  Comparison comparison{reference_log_probs(saved, *objective, *policy, recipe, batch, pass), {}, {}};
  if (has_old) comparison.old_log_probs = saved.old_log_probs.empty() ? batch.sampler_log_probs() : to_tensor(saved.old_log_probs);
  if (!saved.old_log_probs.empty() && recipe.objective.vllm_importance_sampling_correction)
    comparison.sampler_log_probs = batch.sampler_log_probs();
  CreditInput input{saved.rewards, batch, comparison.ref_log_probs, comparison.old_log_probs};
  if (objective->needs_current_scores() || (objective->needs_old_log_probs() && !has_old)) {
    const TokenScores now = score_batch(*policy, batch, pass);
    input.log_probs = now.log_probs;
    input.entropies = now.entropies;
    if (!has_old) input.old_log_probs = now.log_probs;
  }
  const Credit credit = objective->credit(input);
  const Meters meters = accumulate_gradient(*policy, *objective, batch, credit, comparison, pass);

  auto metrics = credit.metrics;
  metrics.merge(group_metrics(saved.groups, saved.rewards));
  metrics.merge(meters.means());
  Json shown = Json::object();
  for (const auto& [key, value] : metrics)
    if (key != "loss") shown[key] = number(value);
  const bool weights = recipe.maxent.maxent_objective == MaxentObjective::listwise ||
                       recipe.maxent.maxent_objective == MaxentObjective::weighted_mle ||
                       recipe.maxent.maxent_objective == MaxentObjective::clip;
  out << Json{{"loss", number(metrics["loss"])},
              {"grad_norm", number(AdamW(policy->parameters(), {}).grad_norm())},
              {"groups", batch.num_groups()},
              {"completions", batch.num_completions()},
              {"tokens", batch.num_tokens()},
              {weights ? "weights" : "advantages", by_group(credit.coefficients, batch)},
              {"metrics", shown}}
             .dump(-1, ' ', false, Json::error_handler_t::replace)
      << "\n";
  finish(out);
}

}  // namespace grpo
