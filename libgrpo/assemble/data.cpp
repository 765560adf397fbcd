#include "libgrpo/assemble/data.hpp"

#include "libgrpo/assemble/find_model.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"

#include <filesystem>
#include <fmt/format.h>

namespace grpo {
namespace {

// The split of a built-in task is part of the task, not of the run: any two runs hold out the same questions.
constexpr std::uint64_t kTaskSeed = 0;

int countdown_numbers(const std::string& config) {
  if (config.empty() || config == "3") return 3;
  if (config == "4") return 4;
  throw Error(ErrorKind::recipe, fmt::format("countdown: dataset_config is \"{}\", but it is how many numbers there are, 3 or 4", config));
}

/// Null if `name` is no built-in task.
std::unique_ptr<PromptSource> open_task(const std::string& name, const std::string& config, TaskSplit split) {
  if (name == "sums") return make_sums(split, kTaskSeed);
  if (name == "countdown") return make_countdown(split, countdown_numbers(config), kTaskSeed);
  if (name == "graph_colouring") return make_graph_colouring(split, kTaskSeed);
  if (name == "many_answers") return make_many_answers(split, kTaskSeed);
  return nullptr;
}

std::unique_ptr<PromptSource> open_source(const DatasetPlace& place, const DatasetView& view, TaskSplit split) {
  if (auto task = open_task(place.name, place.config, split)) return task;
  return open_dataset(place, view);
}

MixtureSides open_mixture(const DataOptions& data) {
  const DatasetMixture& mixture = *data.dataset_mixture;
  std::vector<MixturePart> parts;
  for (const MixtureEntry& entry : mixture.datasets) {
    const DatasetPlace place{entry.id, entry.config.value_or(""), entry.split, entry.revision};
    const DatasetView view{entry.prompt_column.value_or(data.dataset_prompt_column),
                           entry.solution_column.value_or(data.dataset_solution_column), entry.columns,
                           entry.filter ? *entry.filter : data.filter.value_or("")};
    parts.push_back({open_source(place, view, TaskSplit::train), entry.weight});
  }
  return make_mixture(std::move(parts), {static_cast<std::uint64_t>(mixture.seed), mixture.sampling, mixture.stopping_strategy,
                                         mixture.test_split_size.value_or(0.0)});
}

/// The evaluation rows where no mixture is needed for them; null if it is, or there are none.
std::unique_ptr<PromptSource> open_eval_dataset(const DataOptions& data) {
  if (data.eval_dataset_name)
    return open_source({*data.eval_dataset_name, data.eval_dataset_config.value_or(""), data.eval_dataset_split},
                       {data.eval_dataset_prompt_column.value_or(data.dataset_prompt_column),
                        data.eval_dataset_solution_column.value_or(data.dataset_solution_column)},
                       TaskSplit::held_out);
  return data.dataset_name ? open_task(*data.dataset_name, data.dataset_config.value_or(""), TaskSplit::held_out) : nullptr;
}

std::unique_ptr<PromptSource> open_train_dataset(const DataOptions& data) {
  return open_source({*data.dataset_name, data.dataset_config.value_or(""), data.dataset_train_split, data.dataset_revision},
                     {data.dataset_prompt_column, data.dataset_solution_column, {}, data.filter.value_or("")}, TaskSplit::train);
}

}  // namespace

RunSources open_sources(const Recipe& recipe, bool evaluates) {
  const DataOptions& data = recipe.data;
  if (!data.dataset_name && !data.dataset_mixture) throw Error(ErrorKind::recipe, "dataset_name or dataset_mixture is required");
  RunSources sources;
  if (evaluates) sources.eval = open_eval_dataset(data);
  if (data.dataset_name) {
    sources.train = open_train_dataset(data);
    return sources;
  }
  MixtureSides sides = open_mixture(data);
  sources.train = std::move(sides.train);
  if (evaluates && !sources.eval) sources.eval = std::move(sides.held_out);
  return sources;
}

std::unique_ptr<PromptSource> open_train_source(const Recipe& recipe) { return open_sources(recipe, false).train; }

std::unique_ptr<PromptSource> open_eval_source(const Recipe& recipe) {
  const DataOptions& data = recipe.data;
  if (auto source = open_eval_dataset(data)) return source;
  const bool holds_out = !data.eval_dataset_name && data.dataset_mixture && data.dataset_mixture->test_split_size;
  return holds_out ? open_mixture(data).held_out : nullptr;
}

std::optional<ChatTemplate> open_chat_template(const Recipe& recipe) {
  const auto& chosen = recipe.data.chat_template;
  if (!chosen) {
    auto own = find_chat_template(model_place(recipe).text);
    if (!own) return std::nullopt;
    return ChatTemplate(*own, recipe.policy.model_name_or_path + ": chat template");
  }
  if (*chosen == "none") return std::nullopt;
  if (chosen->find('{') != std::string::npos) return ChatTemplate(*chosen, "chat_template");
  return ChatTemplate(read_file(*chosen), *chosen);
}

}  // namespace grpo
