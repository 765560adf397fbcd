/// What grpo_train and maxent_grpo_train share: everything but the recipe they begin with.
#pragma once

#include <string_view>

namespace grpo::app {

struct TrainingProgram {
  const char* name;
  const char* what;             ///< one line for --help
  std::string_view quickstart;  ///< the recipe of somebody who names neither a recipe nor a dataset
  std::string_view defaults;    ///< TOML in front of anybody else's recipe
};

/// The whole program. Returns its exit code.
int run(const TrainingProgram& program, int argc, char** argv);

}  // namespace grpo::app
