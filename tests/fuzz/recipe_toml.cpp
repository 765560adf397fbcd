// A recipe in TOML, as far as load_recipe goes: read, assigned, checked, printed and read again.
#include "libgrpo/config/print.hpp"
#include "tests/fuzz/target.hpp"

using namespace grpo;

FUZZ_TARGET(recipe_toml) {
  fuzz::may_refuse([&] {
    const LoadedRecipe loaded = load_recipe(bytes, {}, {});
    const std::string text = to_toml(loaded, true);
    if (!(load_recipe(text, {}, {}).recipe == loaded.recipe)) __builtin_trap();  // what is printed is what was read
  });
}
