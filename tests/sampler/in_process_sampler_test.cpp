#include "libgrpo/sampler/in_process_sampler.hpp"

#include "libgrpo/base/error.hpp"
#include "tests/contract/sampler_contract.hpp"
#include "tests/support/tensors.hpp"
#include "tests/support/tiny_model.hpp"

#include <ATen/core/grad_mode.h>
#include <catch2/catch.hpp>
#include <set>

using namespace grpo;
using grpo::testing::ByteTokenizer;
using grpo::testing::make_prompt;
using grpo::testing::tiny_model;

namespace {

std::vector<Prompt> prompts() {
  return {make_prompt(1, "the same start: one"), make_prompt(2, "the same start: two"), make_prompt(3, "another thing entirely")};
}

}  // namespace

TEST_CASE("the in-process sampler keeps the contract, in one wave and in many") {
  const auto model = tiny_model();
  const ByteTokenizer tokenizer;
  InProcessSampler one(*model, tokenizer), many(*model, tokenizer, 3);
  contract::sampler_contract(one, prompts());
  contract::sampler_contract(many, prompts());
}

TEST_CASE("log-probs and entropies kept by the sampler equal the trainer's scores of the same tokens") {
  const auto model = tiny_model(3, 0.5);
  const ByteTokenizer tokenizer;
  InProcessSampler sampler(*model, tokenizer);
  SamplingParams params;
  params.num_generations = 4;
  params.max_completion_length = 80;  // beyond the first growth of the cache
  params.temperature = 0.7;
  params.top_p = 0.95;
  const auto groups = sampler.generate(prompts(), params);
  std::vector<float> entropies;
  for (const Group& g : groups)
    for (const Completion& c : g.completions) entropies.insert(entropies.end(), c.entropies.begin(), c.entropies.end());
  const Batch batch(groups);
  const at::NoGradGuard no_grad;
  for (const Part& part : batch.parts(100)) {
    const auto scores = model->score(part, params.temperature);
    CHECK(grpo::testing::max_abs_difference(scores.log_probs, batch.sampler_log_probs().index_select(0, part.tokens)) < 1e-4);
    CHECK(grpo::testing::max_abs_difference(scores.entropies, at::tensor(entropies).index_select(0, part.tokens)) < 1e-4);
  }
}

TEST_CASE("greedy decoding equals the argmax of whole-text scores, step by step") {
  const auto model = tiny_model(4, 0.5);
  const ByteTokenizer tokenizer;
  InProcessSampler sampler(*model, tokenizer);
  SamplingParams params;
  params.num_generations = 1;
  params.max_completion_length = 20;
  params.temperature = 0.0;
  const Prompt prompt = prompts()[0];
  const auto completion = sampler.generate({prompt}, params)[0].completions[0];
  std::vector<std::int64_t> ids(prompt.ids.begin(), prompt.ids.end());
  const at::NoGradGuard no_grad;
  for (const std::int32_t token : completion.ids) {
    SegmentTree tree;
    tree.add(static_cast<std::int64_t>(ids.size()), -1);
    TreeAttend attend(tree);
    const auto states = model->hidden(at::tensor(ids, at::kLong), at::arange(0, static_cast<std::int64_t>(ids.size())), attend);
    const auto logits = at::mv(model->weights().head, states[states.size(0) - 1]);
    CHECK(logits.argmax().item<std::int64_t>() == token);
    ids.push_back(token);
  }
}

TEST_CASE("completions end at any of the model's end tokens") {
  const auto model = tiny_model(5, 0.02);  // nearly uniform over 300 tokens: both end tokens turn up
  const ByteTokenizer tokenizer;
  InProcessSampler sampler(*model, tokenizer);
  SamplingParams params;
  params.num_generations = 64;
  params.max_completion_length = 100;
  std::set<std::int32_t> ends;
  for (const Group& g : sampler.generate(prompts(), params))
    for (const Completion& c : g.completions) {
      if (c.finish == FinishReason::stop) ends.insert(c.ids.back());
      for (std::size_t i = 0; i + 1 < c.ids.size(); ++i) CHECK((c.ids[i] != 257 && c.ids[i] != 258));
    }
  CHECK(ends == std::set<std::int32_t>{257, 258});
}

TEST_CASE("a prompt that leaves no room is refused with its source and both lengths") {
  const auto model = tiny_model();
  const ByteTokenizer tokenizer;
  InProcessSampler sampler(*model, tokenizer);
  SamplingParams params;
  params.max_completion_length = 100;
  CHECK_THROWS_WITH(sampler.generate({make_prompt(9, std::string(40, 'x'))}, params),
                    Catch::Contains("test:9") && Catch::Contains("40 tokens") && Catch::Contains("128"));
}

TEST_CASE("a stop sequence ends a completion with the token that completes it, and the text keeps it") {
  const auto model = tiny_model(3, 0.5);
  const ByteTokenizer tokenizer;
  InProcessSampler sampler(*model, tokenizer);
  SamplingParams params;
  params.num_generations = 8;
  params.max_completion_length = 40;
  const auto free = sampler.generate(prompts(), params);
  // Two bytes that some completion holds in the middle; a one-byte sequence as well.
  const std::string text = free[0].completions[0].text;
  REQUIRE(text.size() > 8);
  const std::string stop = text.substr(5, 2);
  params.stop_sequences = {"never written by bytes \x01\x02\x03", stop};
  const auto stopped = sampler.generate(prompts(), params);
  bool any = false;
  for (std::size_t g = 0; g < free.size(); ++g)
    for (std::size_t i = 0; i < 8; ++i) {
      const Completion &a = free[g].completions[i], &b = stopped[g].completions[i];
      const auto found = a.text.find(stop);
      if (found == std::string::npos) {
        CHECK(a.ids == b.ids);
        continue;
      }
      any = true;
      CHECK(b.finish == FinishReason::stop);
      CHECK(b.text == a.text.substr(0, found + stop.size()));
    }
  CHECK(any);
  params.min_completion_length = 20;
  for (const Group& group : sampler.generate(prompts(), params))
    for (const Completion& c : group.completions) CHECK(c.ids.size() >= 20);
}
