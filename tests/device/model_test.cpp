// A model on a device against the same model on the CPU: scores, gradients, adapters, types, memory.
#include "libgrpo/sampler/engine.hpp"
#include "libgrpo/sampler/tensor_decoder.hpp"
#include "libgrpo/tensor/dropout.hpp"
#include "libgrpo/tensor/segment_attention.hpp"
#include "libgrpo/tensor/token_scores_by_rows.hpp"
#include "tests/device/under_test.hpp"
#include "tests/support/fake_device.hpp"
#include "tests/support/tensors.hpp"
#include "tests/support/some_ids.hpp"
#include "tests/support/tiny_model.hpp"

#include <ATen/core/grad_mode.h>
#include <catch2/catch.hpp>

#include <filesystem>

using namespace grpo;
using grpo::testing::device_under_test;
using grpo::testing::max_abs_difference;
using grpo::testing::some_ids;

namespace {

/// Two prompts that begin alike, three completions each.
Batch some_batch(std::int64_t vocabulary) {
  std::vector<Group> groups;
  for (std::int64_t g = 0; g < 2; ++g) {
    Group group;
    group.prompt.ids = some_ids(6, vocabulary, 1);
    for (const std::int32_t id : some_ids(3 + g, vocabulary, 7 + g)) group.prompt.ids.push_back(id);
    for (std::int64_t s = 0; s < 3; ++s) {
      Completion completion;
      completion.ids = some_ids(1 + 4 * s, vocabulary, 20 + 3 * g + s);
      completion.log_probs.assign(completion.ids.size(), -1.0F);
      group.completions.push_back(completion);
    }
    groups.push_back(group);
  }
  return Batch(groups);
}

Lora some_adapters(const CausalLm& model, double dropout = 0.0) {
  LoraOptions options;
  options.rank = 3;
  options.dropout = dropout;
  options.target_modules = {"all-linear"};
  Lora lora(options, model.config(), model.weights());
  for (const Parameter& p : lora.parameters())
    p.tensor.copy_(at::sin(at::arange(p.tensor.numel(), at::kFloat)).view(p.tensor.sizes()) * 0.2);
  return lora;
}

struct Scored {
  at::Tensor log_probs, entropies;
  std::vector<at::Tensor> gradients;  // on the CPU
};

Scored score(CausalLm& model, const Batch& batch) {
  model.require_grad();
  Scored all;
  std::vector<at::Tensor> log_probs, entropies;
  for (const Part& part : batch.parts(30)) {
    const TokenScores scores = model.score(part, 0.7);
    CHECK(scores.log_probs.is_cpu());
    (scores.log_probs * at::cos(part.tokens.to(at::kFloat)) + 0.3 * scores.entropies).sum().backward();
    log_probs.push_back(scores.log_probs.detach());
    entropies.push_back(scores.entropies.detach());
  }
  all.log_probs = at::cat(log_probs);
  all.entropies = at::cat(entropies);
  for (const Parameter& p : model.parameters()) all.gradients.push_back(p.tensor.grad().to(at::kCPU).clone());
  return all;
}

CausalLm on_device(const CausalLm& model) { return {model.config(), model.weights().to(device_under_test())}; }

void check_alike(const Scored& there, const Scored& here) {
  CHECK(max_abs_difference(there.log_probs, here.log_probs) < 1e-4);
  CHECK(max_abs_difference(there.entropies, here.entropies) < 1e-4);
  REQUIRE(there.gradients.size() == here.gradients.size());
  for (std::size_t i = 0; i < here.gradients.size(); ++i) {
    const double scale = std::max(1.0, here.gradients[i].abs().max().item<double>());
    CHECK(max_abs_difference(there.gradients[i], here.gradients[i]) < 2e-4 * scale);
  }
}

at::Tensor decoded(TokenDecoder& decoder, const std::vector<std::int32_t>& prompt, const std::vector<std::int32_t>& tokens,
                   std::int64_t vocabulary) {
  const auto copied = [&](const float* logits) { return at::from_blob(const_cast<float*>(logits), {1, vocabulary}, at::kFloat).clone(); };
  const auto parent = std::make_shared<TextRun>();
  std::vector<TokenDecoder::Input> inputs;
  for (const std::int32_t id : prompt) inputs.push_back({parent.get(), id, false});
  inputs.back().logits = true;
  std::vector<at::Tensor> all{copied(decoder.step(inputs))};
  TextRun run{parent};
  for (const std::int32_t id : tokens) all.push_back(copied(decoder.step({{&run, id}})));
  return at::cat(all);
}

at::Tensor engine_logits(const CausalLm& model, const std::vector<std::int32_t>& prompt, const std::vector<std::int32_t>& tokens) {
  Engine engine(model);
  std::vector<at::Tensor> all{engine.prefill({prompt}, 1)};
  for (const std::int32_t id : tokens) all.push_back(engine.decode({0}, {id}));
  return at::cat(all);
}

}  // namespace

TEST_CASE("every family scores, differentiates and decodes on a device as on the CPU, with and without adapters") {
  int families = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/oracle/families")) {
    if (!entry.is_directory()) continue;
    ++families;
    INFO(entry.path().filename().string());
    const auto here = CausalLm::load(entry.path());
    const std::int64_t vocabulary = here->config().vocab_size;
    const Batch batch = some_batch(vocabulary);
    const auto prompt = some_ids(9, vocabulary, 1), tokens = some_ids(12, vocabulary, 2);
    for (const bool adapted : {false, true}) {
      CausalLm there = on_device(*here);
      if (adapted) {
        const at::NoGradGuard no_grad;
        here->adapt(some_adapters(*here));
        there.adapt(some_adapters(there));
      }
      {
        const at::NoGradGuard no_grad;
        TensorDecoder decoder(there);
        CHECK(max_abs_difference(decoded(decoder, prompt, tokens, vocabulary), engine_logits(*here, prompt, tokens)) < 2e-4);
      }
      check_alike(score(there, batch), score(*here, batch));
    }
  }
  CHECK(families >= 18);
}

TEST_CASE("layers that are computed again, and adapters with dropout, give the same gradients on a device") {
  const auto here = grpo::testing::tiny_model(3);
  CausalLm there = on_device(*here);
  const Batch batch = some_batch(here->config().vocab_size);
  there.set_gradient_checkpointing(true);
  check_alike(score(there, batch), score(*here, batch));
  {
    const at::NoGradGuard no_grad;
    here->adapt(some_adapters(*here, 0.2));
    there.adapt(some_adapters(there, 0.2));
  }
  here->set_noise(5);
  there.set_noise(5);
  check_alike(score(there, batch), score(*here, batch));
}

TEST_CASE("dropout drops the same entries on a device, to the bit") {
  const auto x = at::sin(at::arange(3 * 331, at::kFloat)).view({3, 331}) + 2.0;
  const Dropout dropout{0.3, 0x9E3779B97F4A7C15ULL};
  const auto there = drop(x.to(device_under_test()), dropout).to(at::kCPU), here = drop(x, dropout);
  CHECK(at::equal(there.eq(0.0), here.eq(0.0)));
  CHECK(max_abs_difference(there, here) < 1e-6);
}

TEST_CASE("weights in bfloat16 compute in bfloat16 on a device, and tell log-probs in float32") {
  const auto wide = grpo::testing::tiny_model(3);
  ModelConfig config = wide->config();
  config.dtype = WeightType::bfloat16;
  const auto narrow = [&](at::Device device) {
    const at::NoGradGuard no_grad;
    auto model = std::make_unique<CausalLm>(config, Weights::allocate(config, device));
    const auto from = wide->parameters(), to = model->parameters();
    for (std::size_t i = 0; i < from.size(); ++i) to[i].tensor.copy_(from[i].tensor);
    return model;
  };
  const auto here = narrow(at::kCPU), there = narrow(device_under_test());
  class Look final : public Attend {
   public:
    at::Tensor operator()(std::int64_t, const AttentionRule&, const at::Tensor& q, const at::Tensor&, const at::Tensor&) override {
      type = q.scalar_type();
      return q;
    }
    at::ScalarType type = at::kDouble;
  } look;
  CHECK(there->hidden(at::tensor({1, 2}, at::kLong), at::tensor({0, 1}, at::kLong), look).scalar_type() == at::kBFloat16);
  CHECK(look.type == at::kBFloat16);
  const Batch batch = some_batch(config.vocab_size);
  const Scored ours = score(*there, batch), expected = score(*here, batch);
  CHECK(ours.log_probs.scalar_type() == at::kFloat);
  CHECK(max_abs_difference(ours.log_probs, expected.log_probs) < 0.3);
  CHECK((ours.log_probs - expected.log_probs).abs().mean().item<double>() < 0.05);
  for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
    CHECK(ours.gradients[i].scalar_type() == at::kBFloat16);
    const auto a = ours.gradients[i].to(at::kDouble).flatten(), b = expected.gradients[i].to(at::kDouble).flatten();
    CHECK(a.dot(b).item<double>() > 0.99 * a.norm().item<double>() * b.norm().item<double>());
  }
}

TEST_CASE("attention by segments is the reference's, values and gradients, with windows and softcaps") {
  SegmentTree tree;
  const auto root = tree.add(5, -1), question = tree.add(4, root);
  tree.add(6, question);
  tree.add(1, question);
  tree.add(3, tree.add(2, root));
  tree.add(7, -1);
  at::manual_seed(3);
  const auto q = at::randn({tree.rows, 6, 8}, at::kDouble), k = at::randn({tree.rows, 2, 8}, at::kDouble),
             v = at::randn({tree.rows, 2, 8}, at::kDouble);
  const auto weights = at::randn({tree.rows, 6, 8}, at::kDouble);
  for (const AttentionRule& rule : {AttentionRule(0.3), AttentionRule(0.3, 4), AttentionRule(0.9, 0, 2.0), AttentionRule(0.9, 3, 2.0)}) {
    const auto ours = [&](const std::vector<at::Tensor>& in) { return tree_attention_by_segments(in[0], in[1], in[2], tree, rule); };
    const auto plain = [&](const std::vector<at::Tensor>& in) { return tree_attention_reference(in[0], in[1], in[2], tree, rule); };
    CHECK(max_abs_difference(ours({q, k, v}), plain({q, k, v})) < 1e-10);
    const auto found = grpo::testing::gradients(ours, {q, k, v}, weights), expected = grpo::testing::gradients(plain, {q, k, v}, weights);
    for (std::size_t i = 0; i < 3; ++i) CHECK(max_abs_difference(found[i], expected[i]) < 1e-10);
  }
}

TEST_CASE("token scores by rows are the reference's, values and gradients, whatever rows are taken at once") {
  at::manual_seed(4);
  const auto hidden = at::randn({7, 6}, at::kDouble), weight = at::randn({19, 6}, at::kDouble), targets = at::arange(7, at::kLong);
  const auto weights = at::randn({2, 7}, at::kDouble);
  for (const double softcap : {0.0, 3.0})
    for (const std::int64_t at_once : {1, 3, 7, 100}) {
      const auto stacked = [](const TokenScores& s) { return at::stack({s.log_probs, s.entropies}); };
      const auto ours = [&](const std::vector<at::Tensor>& in) {
        return stacked(token_scores_by_rows(in[0], in[1], targets, 0.8, softcap, at_once));
      };
      const auto plain = [&](const std::vector<at::Tensor>& in) {
        return stacked(token_scores_reference(in[0], in[1], targets, 0.8, softcap));
      };
      CHECK(max_abs_difference(ours({hidden, weight}), plain({hidden, weight})) < 1e-10);
      const auto found = grpo::testing::gradients(ours, {hidden, weight}, weights),
                 expected = grpo::testing::gradients(plain, {hidden, weight}, weights);
      for (std::size_t i = 0; i < 2; ++i) CHECK(max_abs_difference(found[i], expected[i]) < 1e-6);  // the weight's gradient is float32
    }
}

TEST_CASE("attention on a device needs memory for a segment's path at a time, not for all pairs of rows", "[fake]") {
  SegmentTree tree;
  const auto prompt = tree.add(64, -1);
  for (int i = 0; i < 62; ++i) tree.add(32, prompt);
  const auto q = at::randn({tree.rows, 4, 8}).to(grpo::testing::kFake), k = at::randn({tree.rows, 2, 8}).to(grpo::testing::kFake);
  const at::NoGradGuard no_grad;
  const std::int64_t before = grpo::testing::fake_bytes();
  grpo::testing::reset_fake_peak();
  static_cast<void>(tree_attention(q, k, k, tree, 0.5));
  CHECK(grpo::testing::fake_peak() - before < tree.rows * tree.rows);  // bytes: a mask of all pairs alone would take as many
}
