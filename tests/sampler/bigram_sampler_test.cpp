// The contract kit on a sampler that is not the library's: the one of examples/040-own-sampler.
#include "examples/040-own-sampler/bigram_sampler.hpp"
#include "tests/contract/sampler_contract.hpp"

using namespace grpo;

TEST_CASE("the example's own sampler keeps the contract") {
  BigramSampler sampler("one two three four five six seven eight nine ten eleven twelve");
  std::vector<Prompt> prompts(3);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    prompts[i].id = 10 + i;
    prompts[i].ids = {static_cast<std::int32_t>(5 * i)};
  }
  contract::sampler_contract(sampler, prompts);
  SamplingParams params;
  params.top_k = 3;
  CHECK_THROWS_AS(sampler.generate(prompts, params), Error);
}
