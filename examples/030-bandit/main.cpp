// Which objectives keep several right answers alive? Prints the table of docs/objectives.md; with options of a recipe
// (--maxent_objective hybrid --maxent_hybrid_coef 3), their row instead. --check tries what the table claims.
#include "examples/030-bandit/bandits.hpp"
#include "libgrpo/assemble/objectives.hpp"
#include "libgrpo/config/load.hpp"
#include "libgrpo/trainer/passes.hpp"

#include <ATen/Parallel.h>

#include <cstdio>
#include <exception>
#include <string_view>

namespace {

constexpr std::uint64_t kSteps = 1000, kSeeds = 3;
constexpr double kLearningRate = 0.5;  // of plain gradient descent

// A recipe has to name a model and a dataset; nobody reads these. A completion is one token.
constexpr const char* kRecipe =
    "model_name_or_path = 'none'\ndataset_name = 'none'\nper_device_train_batch_size = 960\nnum_generations = 16\n"
    "max_completion_length = 1\nloss_type = 'dr_grpo'\nscale_rewards = 'none'\nmaxent_tau = 0.1\n";

using Method = std::vector<const char*>;  // a name, then options as on a command line
const std::vector<Method> kMethods = {
    {"GRPO"},
    {"xdr, tau 0.05", "--maxent_objective=xdr", "--maxent_tau=0.05"},
    {"listwise, tau 0.1", "--maxent_objective=listwise"},
    {"hybrid, coef 0.1", "--maxent_objective=hybrid", "--maxent_hybrid_coef=0.1"},
    {"hybrid, coef 0.3", "--maxent_objective=hybrid", "--maxent_hybrid_coef=0.3"},
    {"hybrid, coef 1", "--maxent_objective=hybrid", "--maxent_hybrid_coef=1"},
    {"hybrid, coef 3", "--maxent_objective=hybrid", "--maxent_hybrid_coef=3"},
    {"hybrid, coef 10", "--maxent_objective=hybrid", "--maxent_hybrid_coef=10"},
    {"hybrid, coef 1 to 0", "--maxent_objective=hybrid", "--maxent_hybrid_coef=1", "--maxent_hybrid_coef_final=0",
     "--maxent_hybrid_horizon=1000"},
    {"GRPO, entropy_coef 0.1", "--entropy_coef=0.1"},
    {"weighted_mle, tau 0.1", "--maxent_objective=weighted_mle"},
    {"clip, tau 0.1", "--maxent_objective=clip"},
};

at::Tensor train(const grpo::Recipe& recipe, std::uint64_t seed) {
  const auto objective = grpo::make_objective(recipe, grpo::objective_context(recipe, kAnswers, 0));
  Bandits policy(seed);
  for (std::uint64_t step = 0; step < kSteps; ++step) {
    const Answers answers = ask(policy, grpo::derive_seed(seed, step));
    const grpo::Batch batch(answers.groups);
    grpo::CreditInput input{answers.rewards, batch};
    input.log_probs = batch.sampler_log_probs();  // the policy that sampled is the one that is trained
    const grpo::Credit credit = objective->credit(input);
    auto metrics = grpo::accumulate_gradient(policy, *objective, batch, credit, {}, {1.0, kPrompts}).means();
    if (policy.logits.grad().defined()) {  // a loss is a mean over prompts, but a row shall move as if it were alone
      policy.logits.detach().sub_(policy.logits.grad(), kLearningRate * kPrompts);
      policy.logits.mutable_grad().reset();
    }
    metrics.insert(credit.metrics.begin(), credit.metrics.end());
    objective->observe(metrics);
  }
  return figures(policy.logits);
}

// One line of the table: mean (smallest-largest) over seeds. Returns the means.
at::Tensor show(const char* name, const std::vector<at::Tensor>& seeds) {
  const auto all = at::stack(seeds), mean = all.mean(0), low = all.amin(0), high = all.amax(0);
  std::printf("| %-22s |", name);
  for (const int i : {0, 1, 2}) std::printf(" %.3f (%.3f-%.3f) |", number(mean, i), number(low, i), number(high, i));
  std::printf("\n");
  return mean;
}

at::Tensor row(const Method& method, std::uint64_t seeds) {
  const auto line = grpo::parse_command_line(static_cast<int>(method.size()), method.data());
  const grpo::Recipe recipe = grpo::load_recipe(kRecipe, line.config, line.overrides).recipe;
  std::vector<at::Tensor> found;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) found.push_back(train(recipe, seed));
  return show(method.front(), found);
}

bool keeps_its_claims() {
  const auto plain = row(kMethods[0], 1), listwise = row(kMethods[2], 1), hybrid = row(kMethods[4], 1);
  return number(plain, 0) >= 0.97 && number(plain, 2) <= 1.2 && number(listwise, 2) >= 5.0 &&
         number(hybrid, 0) > number(listwise, 0) + 0.05 && number(hybrid, 2) > number(plain, 2) + 0.5 &&
         number(hybrid, 2) < number(listwise, 2) - 0.5;
}

}  // namespace

int main(int argc, char** argv) try {
  at::set_num_threads(1);  // the tensors are small
  std::printf("| method | accuracy | coverage@8 | right answers in use |\n|---|---|---|---|\n");
  if (argc == 2 && std::string_view(argv[1]) == "--check") return keeps_its_claims() ? 0 : 1;
  show("untrained", {figures(Bandits(1).logits), figures(Bandits(2).logits), figures(Bandits(3).logits)});
  show("uniform guess", {figures(at::zeros({kPrompts, kAnswers}))});
  Method yours(argv, argv + argc);
  yours.front() = "these options";
  for (const Method& method : argc > 1 ? std::vector<Method>{yours} : kMethods) row(method, kSeeds);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
