#include "libgrpo/assemble/card.hpp"

#include "libgrpo/assemble/find_model.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/base/peak_memory.hpp"
#include "libgrpo/config/print.hpp"
#include "libgrpo/hub/model_card.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <ATen/Parallel.h>

namespace grpo {
namespace {

namespace fs = std::filesystem;

/// Of the model that training began with; nothing if it has gone meanwhile.
BaseCard base_card(const Recipe& recipe) {
  try {
    return read_base_card(model_place(recipe).weights);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

void write_model_card(const fs::path& folder, const Assembly& a, std::int64_t step) {
  const Recipe& recipe = a.loaded.recipe;
  std::vector<std::string> names;
  for (const auto& [name, title] : card_curves()) names.push_back(name);
  const fs::path output = recipe.run.output_dir;
  const ModelCard card{recipe.run.run_name.value_or(output.filename().string()),
                       show_objective(recipe),
                       step,
                       a.plan.total_steps,
                       a.plan.prompts_per_step,
                       a.model.policy->config().num_parameters(),
                       a.world.size(),
                       at::get_num_threads(),
                       peak_resident_bytes(),
                       base_card(recipe),
                       to_toml(a.loaded, false),
                       read_run_record(output / "metrics.jsonl", names, step)};
  if (const std::string curves = draw_curves(card.record, card_curves()); !curves.empty()) write_file(folder / kCurvesFile, curves);
  write_file(folder / "README.md", write_card(card, recipe));
}

}  // namespace grpo
