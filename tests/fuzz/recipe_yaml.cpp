// A recipe in YAML.
#include "libgrpo/config/print.hpp"
#include "tests/fuzz/target.hpp"

using namespace grpo;

FUZZ_TARGET(recipe_yaml) {
  static const fuzz::Scratch kScratch;
  const auto path = kScratch.write("r.yaml", bytes);
  fuzz::may_refuse([&] {
    const LoadedRecipe loaded = load_recipe({}, path, {});
    if (!(load_recipe(to_toml(loaded, false), {}, {}).recipe == loaded.recipe)) __builtin_trap();
  });
}
