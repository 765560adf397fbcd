/// maxent_grpo_train: the same trainer, by MaxEnt-GRPO. Without arguments it trains the quick start.
#include "apps/train.hpp"
#include "quickstart.hpp"

int main(int argc, char** argv) {
  return grpo::app::run({"maxent_grpo_train",
                         "fine-tunes a causal language model by MaxEnt-GRPO (maxent_objective, listwise unless told otherwise); "
                         "without arguments it trains the quick start",
                         kMaxentQuickstartToml, "maxent_objective = \"listwise\"\n"},
                        argc, argv);
}
