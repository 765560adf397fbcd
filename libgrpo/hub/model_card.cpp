#include "libgrpo/hub/model_card.hpp"

#include "libgrpo/base/repo_id.hpp"
#include "libgrpo/base/version.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

namespace grpo {
namespace {

/// Every JSON text is a YAML one, whatever stands in it.
std::string quoted(const std::string& text) { return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace); }

std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return text;
}

/// A name alone is a task of ours or a canonical repository that nobody can tell from it.
bool is_on_hub(const std::string& name) {
  std::error_code ignored;
  return name.find('/') != std::string::npos && is_repo_id(name) && !std::filesystem::exists(name, ignored);
}

std::string base_repo(const ModelCard& card, const Recipe& recipe) {
  return is_on_hub(recipe.policy.model_name_or_path) ? recipe.policy.model_name_or_path : card.base.repo;
}

std::vector<std::string> dataset_names(const Recipe& recipe) {
  std::vector<std::string> names;
  if (recipe.data.dataset_name) names.push_back(*recipe.data.dataset_name);
  if (recipe.data.dataset_mixture)
    for (const MixtureEntry& entry : recipe.data.dataset_mixture->datasets) names.push_back(entry.id);
  return names;
}

std::string head(const ModelCard& card, const Recipe& recipe) {
  std::string yaml = "---\n";
  const auto line = [&yaml](const char* key, const std::string& value) {
    if (!value.empty()) yaml += fmt::format("{}: {}\n", key, quoted(value));
  };
  const bool adapters = recipe.policy.use_peft;
  const std::string base = base_repo(card, recipe);
  line("base_model", base);
  if (!base.empty()) line("base_model_relation", adapters ? "adapter" : "finetune");
  line("license", card.base.licence);
  line("license_name", card.base.licence_name);
  line("license_link", card.base.licence_link);
  std::vector<std::string> datasets;
  for (const std::string& name : dataset_names(recipe))
    if (is_on_hub(name)) datasets.push_back(quoted(name));
  if (!datasets.empty()) yaml += fmt::format("datasets: [{}]\n", fmt::join(datasets, ", "));
  line("library_name", adapters ? "peft" : "transformers");
  line("pipeline_tag", "text-generation");
  line("model_name", card.name);
  const bool maxent = recipe.maxent.maxent_objective != MaxentObjective::none;
  yaml += fmt::format("tags: [{}\"grpo\", \"libgrpo\", \"reinforcement-learning\"]\n", maxent ? "\"maxent-grpo\", " : "");
  return yaml + "---\n";
}

std::string evaluation_table(const RunRecord& record) {
  if (record.evaluations.empty()) return {};
  const auto& [first_step, first] = *record.evaluations.begin();
  const auto& [last_step, last] = *record.evaluations.rbegin();
  const bool both = first_step != last_step;
  std::string text = "\n## Evaluation\n\nOn held-out prompts that were not trained on; greedy unless a name has an @.\n\n";
  text += both ? fmt::format("| metric | step {} | step {} |\n|---|---:|---:|\n", first_step, last_step)
               : fmt::format("| metric | step {} |\n|---|---:|\n", last_step);
  for (const auto& [name, value] : last) {
    if (name.ends_with("/low") || name.ends_with("/high")) continue;
    const std::string label = fmt::format("`{}`", name.substr(std::string_view("eval_").size()));
    const auto before = first.find(name);
    if (!both)
      text += fmt::format("| {} | {:.4g} |\n", label, value);
    else
      text += fmt::format("| {} | {} | {:.4g} |\n", label, before == first.end() ? "" : fmt::format("{:.4g}", before->second), value);
  }
  return text;
}

std::string training(const ModelCard& card, const Recipe& recipe) {
  std::string text = fmt::format(
      "\n## Training\n\n- algorithm: {}\n- steps: {} of {}, each with {} prompts x {} completions of at most {} tokens\n", card.objective,
      card.step, card.total_steps, card.prompts_per_step, recipe.sampling.num_generations, recipe.sampling.max_completion_length);
  text += fmt::format("- rewards: {}\n", one_line(fmt::format("{}", fmt::join(recipe.reward.reward_funcs, ", "))));
  text += fmt::format("- data: {}\n", one_line(fmt::format("{}", fmt::join(dataset_names(recipe), ", "))));
  if (card.parameters > 0) text += fmt::format("- size: {:.1f} million parameters\n", static_cast<double>(card.parameters) / 1e6);
  if (card.record.seconds_per_step > 0.0)
    text += fmt::format("- time: {:.3g} s a step, about {:.0f} s in all\n", card.record.seconds_per_step,
                        card.record.seconds_per_step * static_cast<double>(card.step));
  text += fmt::format("- machine: {} process{} with {} thread{}, {:.1f} GB of memory at most in the first\n", card.ranks,
                      card.ranks == 1 ? "" : "es", card.threads, card.threads == 1 ? "" : "s", card.peak_bytes / 1e9);
  return text;
}

}  // namespace

const std::vector<std::pair<std::string, std::string>>& card_curves() {
  static const std::vector<std::pair<std::string, std::string>> kCurves = {{"reward", "reward"},
                                                                           {"kl", "KL to the reference, nats per token"},
                                                                           {"completions/mean_length", "completion length, tokens"},
                                                                           {"entropy", "entropy, nats per token"}};
  return kCurves;
}

std::string write_card(const ModelCard& card, const Recipe& recipe) {
  const std::string base = base_repo(card, recipe);
  const std::string base_name = base.empty() ? std::filesystem::path(recipe.policy.model_name_or_path).filename().string() : base;
  std::string text = head(card, recipe);
  text +=
      fmt::format("\n# {}\n\nFine-tuned from {} by reinforcement learning from verifiable rewards, with libgrpo {}.\n", one_line(card.name),
                  base.empty() ? "`" + one_line(base_name) + "`" : fmt::format("[{0}](https://huggingface.co/{0})", base), LIBGRPO_VERSION);
  text += card.base.licence.empty()
              ? "The files of the base model do not tell its licence, which holds for this model too: look it up before you pass it on.\n"
              : "The licence is that of the base model.\n";
  text += training(card, recipe);
  if (!card.record.curves.empty()) text += fmt::format("\n![Curves of the training run]({})\n", kCurvesFile);
  text += evaluation_table(card.record);
  text += fmt::format(
      "\n## Recipe\n\nThe run again, with this text as `recipe.toml` and libgrpo {}:\n\n    grpo_train --config recipe.toml\n\n"
      "```toml\n{}```\n\n## Citations\n\n```bibtex\n{}```\n",
      LIBGRPO_VERSION, card.recipe_toml, citations(recipe));
  return text;
}

}  // namespace grpo
