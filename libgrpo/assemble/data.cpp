#include "libgrpo/assemble/data.hpp"

#include "libgrpo/assemble/find_model.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"

#include <filesystem>

namespace grpo {
namespace {

constexpr const char* kSums = "sums";

std::unique_ptr<PromptSource> open_source(const std::string& name, const std::string& prompt_column,
                                          const std::string& solution_column, SumsSplit split) {
  // The split of the sums is part of the task, not of the run: any two runs hold out the same ones.
  if (name == kSums) return make_sums(split, 0);
  return open_json_lines(name, prompt_column, solution_column);
}

}  // namespace

std::unique_ptr<PromptSource> open_train_source(const Recipe& recipe) {
  const DataOptions& data = recipe.data;
  if (data.dataset_name)
    return open_source(*data.dataset_name, data.dataset_prompt_column, data.dataset_solution_column, SumsSplit::train);
  if (!data.dataset_mixture) throw Error(ErrorKind::recipe, "dataset_name or dataset_mixture is required");
  std::vector<MixturePart> parts;
  for (const MixtureEntry& entry : data.dataset_mixture->datasets)
    parts.push_back({open_source(entry.id, entry.prompt_column.value_or(data.dataset_prompt_column),
                                 entry.solution_column.value_or(data.dataset_solution_column), SumsSplit::train),
                     entry.weight});
  return make_mixture(std::move(parts), static_cast<std::uint64_t>(data.dataset_mixture->seed));
}

std::unique_ptr<PromptSource> open_eval_source(const Recipe& recipe) {
  const DataOptions& data = recipe.data;
  if (data.eval_dataset_name)
    return open_source(*data.eval_dataset_name, data.dataset_prompt_column, data.dataset_solution_column, SumsSplit::held_out);
  if (data.dataset_name == kSums) return make_sums(SumsSplit::held_out, 0);
  return nullptr;
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
