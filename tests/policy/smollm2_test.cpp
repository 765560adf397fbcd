// The quick start's real model on real GSM8K questions against transformers (tests/oracle/smollm2.json), and the sampler
// against the trainer. Working directory: the repository root.
#include "libgrpo/base/error.hpp"
#include "libgrpo/checkpoint/checkpoint.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/sampler/engine.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <ATen/core/grad_mode.h>
#include <catch2/catch.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace {

using namespace grpo;
using nlohmann::json;

constexpr const char* kModel = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

/// The model, loaded once for all cases.
struct Smol {
  std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(kModel);
  std::unique_ptr<CausalLm> policy = CausalLm::load(kModel);
  json oracle = json::parse(std::ifstream("tests/oracle/smollm2.json"));
};

Smol* smol() {
  if (!std::filesystem::exists(kModel)) {
    WARN("skipped: " << kModel << " is not there; bash training.sh --setup-only brings it");
    return nullptr;
  }
  static Smol one;
  return &one;
}

Prompt prompt_of(const json& test, std::uint64_t id) {
  Prompt prompt;
  prompt.id = id;
  prompt.ids = test["prompt_ids"].get<std::vector<std::int32_t>>();
  return prompt;
}

/// What the trainer says of the groups' tokens. shape: [T]
std::vector<float> trainer_log_probs(const Policy& policy, const std::vector<Group>& groups, std::int64_t token_budget) {
  const at::NoGradGuard no_grad;
  const Batch batch(groups);
  auto all = at::full({batch.num_tokens()}, std::nan(""), at::kFloat);
  for (const Part& part : batch.parts(token_budget)) all.index_copy_(0, part.tokens, policy.score(part, 1.0).log_probs);
  return {all.const_data_ptr<float>(), all.const_data_ptr<float>() + all.numel()};
}

}  // namespace

TEST_CASE("SmolLM2: logits after real prompts equal those of transformers") {
  Smol* s = smol();
  if (s == nullptr) return;
  const json& cases = s->oracle["logits"];
  REQUIRE(cases.size() == 8);
  std::vector<std::vector<std::int32_t>> prompts;
  for (const json& test : cases) prompts.push_back(test["prompt_ids"]);
  Engine engine(*s->policy);
  const at::Tensor logits = engine.prefill(prompts, 1).to(at::kDouble);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    INFO("prompt " << i);
    const at::Tensor row = logits[static_cast<std::int64_t>(i)];
    double worst = 0.0;
    for (std::size_t v = 0; v < s->oracle["vocabulary"].size(); ++v)
      worst = std::max(worst,
                       std::abs(row[s->oracle["vocabulary"][v].get<std::int64_t>()].item<double>() - cases[i]["logits"][v].get<double>()));
    CHECK(worst < 2e-3);
    CHECK(std::abs(row.max().item<double>() - cases[i]["max"].get<double>()) < 2e-3);
    CHECK(std::abs(row.logsumexp(0).item<double>() - cases[i]["logsumexp"].get<double>()) < 2e-3);
    CHECK(row.argmax().item<std::int64_t>() == cases[i]["argmax"].get<std::int64_t>());
  }
}

TEST_CASE("SmolLM2: log-probs of gold answers equal those of transformers") {
  Smol* s = smol();
  if (s == nullptr) return;
  std::vector<Group> groups;
  for (const json& test : s->oracle["logits"]) {
    Completion completion;
    completion.ids = test["completion_ids"].get<std::vector<std::int32_t>>();
    completion.log_probs.resize(completion.ids.size());
    groups.push_back({prompt_of(test, groups.size()), {completion}});
  }
  const std::vector<float> ours = trainer_log_probs(*s->policy, groups, 400);  // small enough for several parts
  std::size_t at = 0;
  for (const json& test : s->oracle["logits"]) {
    double worst = 0.0;
    for (const json& expected : test["logprobs"])
      worst = std::max(worst, std::abs(static_cast<double>(ours.at(at++)) - expected.get<double>()));
    CHECK(worst < 1e-3);
  }
  CHECK(at == ours.size());
}

TEST_CASE("SmolLM2: greedy completions equal those of transformers") {
  Smol* s = smol();
  if (s == nullptr) return;
  std::vector<Prompt> prompts;
  for (const json& test : s->oracle["greedy"]) prompts.push_back(prompt_of(test, prompts.size()));
  REQUIRE(prompts.size() == 20);
  InProcessSampler sampler(*s->policy, *s->tokenizer);
  SamplingParams params;
  params.num_generations = 1;
  params.max_completion_length = 64;
  params.temperature = 0.0;
  const std::vector<Group> groups = sampler.generate(prompts, params);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto expected = s->oracle["greedy"][i]["completion_ids"].get<std::vector<std::int32_t>>();
    const auto gaps = s->oracle["greedy"][i]["gaps"].get<std::vector<double>>();
    const std::vector<std::int32_t>& ours = groups[i].completions[0].ids;
    std::size_t same = 0;
    while (same < expected.size() && same < ours.size() && expected[same] == ours[same]) ++same;
    INFO("prompt " << i << ": equal up to token " << same << " of " << expected.size());
    const bool tie = same < gaps.size() && gaps[same] < 1e-4;  // nobody knows which of two equals comes first
    CHECK((tie || (same == expected.size() && same == ours.size())));
  }
}

TEST_CASE("SmolLM2: log-probs kept by the sampler equal the trainer's scores") {
  Smol* s = smol();
  if (s == nullptr) return;
  std::vector<Prompt> prompts;
  for (std::size_t i = 0; i < 4; ++i) prompts.push_back(prompt_of(s->oracle["greedy"][i], i));
  InProcessSampler sampler(*s->policy, *s->tokenizer);
  SamplingParams params;
  params.num_generations = 4;
  params.max_completion_length = 48;
  const std::vector<Group> groups = sampler.generate(prompts, params);
  const std::vector<float> scores = trainer_log_probs(*s->policy, groups, 700);
  std::size_t at = 0;
  double worst = 0.0, sum = 0.0;
  for (const Group& group : groups)
    for (const Completion& completion : group.completions)
      for (const float kept : completion.log_probs) {
        worst = std::max(worst, static_cast<double>(std::abs(kept - scores.at(at++))));
        sum += static_cast<double>(kept);
      }
  CHECK(at == scores.size());
  CHECK(at > 400);
  CHECK(sum / static_cast<double>(at) < -0.1);  // really sampled: greedy tokens would all be near 0
  CHECK(worst < 1e-4);
}

TEST_CASE("SmolLM2: the saved folder is the model, bit by bit") {
  Smol* s = smol();
  if (s == nullptr) return;
  const auto folder = std::filesystem::temp_directory_path() / ("grpo_smollm2_" + std::to_string(::getpid()));
  save_model(folder, *s->policy, *s->tokenizer);
  {
    const auto policy = CausalLm::load(folder);
    const auto tokenizer = load_tokenizer(folder);
    const auto before = s->policy->parameters(), after = policy->parameters();
    REQUIRE(before.size() == after.size());
    for (std::size_t i = 0; i < before.size(); ++i) {
      INFO(before[i].name);
      CHECK(before[i].tensor.equal(after[i].tensor));
    }
    CHECK(policy->config().eos_token_ids == s->policy->config().eos_token_ids);
    const std::string text = "<|im_start|>user\nJanet\u2019s ducks lay 16 eggs  per day.\n\n\t\u00e9<|im_end|>\n";
    CHECK(tokenizer->encode(text) == s->tokenizer->encode(text));
  }
  std::filesystem::remove_all(folder);
}
