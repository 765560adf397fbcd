/// What every Sampler must do. Run it on your own: sampler_contract(sampler, prompts).
#pragma once

#include "libgrpo/sampler/sampler.hpp"

#include <catch2/catch.hpp>

namespace grpo::contract {

/// `prompts`: at least three different ones that fit the model.
inline void sampler_contract(Sampler& sampler, const std::vector<Prompt>& prompts) {
  REQUIRE(prompts.size() >= 3);
  SamplingParams params;
  params.num_generations = 3;
  params.max_completion_length = 12;
  params.seed = 11;
  const auto groups = sampler.generate(prompts, params);
  REQUIRE(groups.size() == prompts.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    CHECK(groups[g].prompt.id == prompts[g].id);
    REQUIRE(groups[g].completions.size() == 3);
    for (const Completion& c : groups[g].completions) {
      CHECK(c.ids.size() >= 1);
      CHECK(c.ids.size() <= 12);
      CHECK(c.log_probs.size() == c.ids.size());
      if (c.finish == FinishReason::length) CHECK(c.ids.size() == 12);
      for (const float lp : c.log_probs) CHECK(lp <= 1e-6F);
    }
  }
  // The same prompt draws the same completions alone, in another order and among others; another seed draws others.
  const auto reversed = sampler.generate({prompts[2], prompts[1], prompts[0]}, params);
  const auto alone = sampler.generate({prompts[1]}, params);
  for (std::size_t s = 0; s < 3; ++s) {
    CHECK(reversed[2].completions[s].ids == groups[0].completions[s].ids);
    CHECK(reversed[1].completions[s].ids == groups[1].completions[s].ids);
    CHECK(alone[0].completions[s].ids == groups[1].completions[s].ids);
  }
  SamplingParams other = params;
  other.seed = 12;
  const auto different = sampler.generate(prompts, other);
  bool any = false;
  for (std::size_t g = 0; g < groups.size(); ++g)
    for (std::size_t s = 0; s < 3; ++s) any = any || different[g].completions[s].ids != groups[g].completions[s].ids;
  CHECK(any);
  // A forced length is kept exactly.
  params.min_completion_length = params.max_completion_length = 5;
  for (const Group& group : sampler.generate(prompts, params))
    for (const Completion& c : group.completions) CHECK(c.ids.size() == 5);
}

}  // namespace grpo::contract
