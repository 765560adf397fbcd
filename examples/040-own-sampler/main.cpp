// Words from a sampler of your own (bigram_sampler.hpp), and the three promises that a trainer relies on, looked at.
// The contract kit tests/contract/sampler_contract.hpp asks more; tests/sampler/bigram_sampler_test.cpp runs it on this one.
#include "examples/040-own-sampler/bigram_sampler.hpp"
#include "libgrpo/reward/reward_fn.hpp"

#include <cstdio>
#include <exception>

namespace {

constexpr std::string_view kText =
    "policy reward sampler gradient group completion token advantage entropy reference learning temperature baseline "
    "prompt weight update answer question model batch step objective normaliser optimizer schedule checkpoint resume";

grpo::Prompt begins_with(char letter) {
  grpo::Prompt prompt;
  prompt.text = letter;
  prompt.ids = {static_cast<std::int32_t>(BigramSampler::letter(letter))};
  prompt.id = grpo::fnv1a(prompt.text);
  return prompt;
}

// The log-prob of a whole completion, from the table, and as the sampler reported it: how far apart?
double misreported(const BigramSampler& sampler, const grpo::Group& group, double temperature) {
  double off = 0.0;
  for (const grpo::Completion& completion : group.completions) {
    std::int32_t last = group.prompt.ids.back();
    for (std::size_t t = 0; t < completion.ids.size(); last = completion.ids[t++]) {
      const double told = static_cast<double>(completion.log_probs[t]);
      off = std::max(off, std::abs(told - sampler.log_probs(last, temperature)[static_cast<std::size_t>(completion.ids[t])]));
    }
  }
  return off;
}

}  // namespace

int main() try {
  BigramSampler sampler(kText);
  grpo::RewardSet rewards;
  rewards.add(grpo::make_reward("ends_by_itself", [](const grpo::Prompt&, const grpo::Completion& completion) {
    return grpo::Reward::of(completion.finish == grpo::FinishReason::stop ? 1.0 : 0.0);
  }));
  const std::vector<grpo::Prompt> prompts = {begins_with('p'), begins_with('r'), begins_with('s')};
  grpo::SamplingParams params;
  params.num_generations = 6;
  params.max_completion_length = 9;
  bool kept = true;
  for (const double temperature : {0.5, 1.0}) {
    params.temperature = temperature;
    const auto groups = sampler.generate(prompts, params);
    std::size_t ended = 0;
    for (const grpo::Reward& reward : rewards.score(groups).columns[0].rewards) ended += reward.value() > 0.5 ? 1 : 0;
    std::printf("temperature %.1f: %zu of 18 words end by themselves\n", temperature, ended);
    for (std::size_t g = 0; g < groups.size(); ++g) {
      std::printf(" ");
      for (const grpo::Completion& c : groups[g].completions) std::printf(" %s%s", prompts[g].text.c_str(), c.text.c_str());
      std::printf("\n");
      const auto alone = sampler.generate({prompts[g]}, params);  // the same, whatever is drawn beside it
      for (std::size_t i = 0; i < alone[0].completions.size(); ++i)
        kept = kept && alone[0].completions[i].ids == groups[g].completions[i].ids;
      kept = kept && misreported(sampler, groups[g], temperature) < 1e-6 && groups[g].prompt.id == prompts[g].id;
    }
  }
  std::printf(kept ? "order, draws and log-probs are as promised\n" : "a promise is broken\n");
  return kept ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
