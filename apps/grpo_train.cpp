/// grpo_train: fine-tune a causal language model by GRPO. Without arguments it trains the quick start.
#include "apps/train.hpp"
#include "quickstart.hpp"

int main(int argc, char** argv) {
  return grpo::app::run(
      {"grpo_train", "fine-tunes a causal language model by GRPO; without arguments it trains the quick start", kQuickstartToml, ""}, argc,
      argv);
}
