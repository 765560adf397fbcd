// The decoder against its plain twin, the engine, for every family of tests/oracle/families. Working directory: the repository root.
#include "libgrpo/sampler/decoder.hpp"

#include "libgrpo/sampler/engine.hpp"
#include "tests/support/tensors.hpp"
#include "tests/support/some_ids.hpp"
#include "tests/support/tiny_model.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <string>
#include <vector>

using namespace grpo;
using grpo::testing::some_ids;
using grpo::testing::tiny_model;

namespace {

at::Tensor copied(const float* logits, std::int64_t rows, std::int64_t vocabulary) {
  return at::from_blob(const_cast<float*>(logits), {rows, vocabulary}, at::kFloat).clone();
}

/// Logits behind a text, token by token after its beginning, from a decoder. shape: [1 + tokens, V]
at::Tensor decoded(Decoder& decoder, const std::vector<std::int32_t>& prompt, const std::vector<std::int32_t>& tokens,
                   std::int64_t vocabulary) {
  const auto parent = std::make_shared<TextRun>();
  std::vector<Decoder::Input> inputs;
  for (const std::int32_t id : prompt) inputs.push_back({parent.get(), id, false});
  inputs.back().logits = true;
  std::vector<at::Tensor> all{copied(decoder.step(inputs), 1, vocabulary)};
  TextRun run{parent};
  for (const std::int32_t id : tokens) all.push_back(copied(decoder.step({{&run, id}}), 1, vocabulary));
  return at::cat(all);
}

at::Tensor engine_logits(const CausalLm& model, const std::vector<std::int32_t>& prompt, const std::vector<std::int32_t>& tokens) {
  Engine engine(model);
  std::vector<at::Tensor> all{engine.prefill({prompt}, 1)};
  for (const std::int32_t id : tokens) all.push_back(engine.decode({0}, {id}));
  return at::cat(all);
}

void add_adapters(CausalLm& model) {
  LoraOptions options;
  options.rank = 3;
  options.target_modules = {"all-linear"};
  Lora lora(options, model.config(), model.weights());
  for (const Parameter& p : lora.parameters()) p.tensor.normal_(0.0, 0.2);
  model.adapt(std::move(lora));
}

}  // namespace

TEST_CASE("the decoder's logits equal the engine's for every family, with and without adapters") {
  int families = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/oracle/families")) {
    if (!entry.is_directory()) continue;
    ++families;
    INFO(entry.path().filename().string());
    const at::NoGradGuard no_grad;
    const auto model = CausalLm::load(entry.path());
    const std::int64_t vocabulary = model->config().vocab_size;
    const auto prompt = some_ids(9, vocabulary, 1), tokens = some_ids(12, vocabulary, 2);
    for (const bool adapted : {false, true}) {
      if (adapted) add_adapters(*model);
      Decoder decoder(*model);
      const auto ours = decoded(decoder, prompt, tokens, vocabulary), expected = engine_logits(*model, prompt, tokens);
      CHECK(grpo::testing::max_abs_difference(ours, expected) < 1e-4);
    }
  }
  CHECK(families >= 18);
}

TEST_CASE("texts longer than a page, and weights in half precision") {
  const at::NoGradGuard no_grad;
  for (const WeightType type : {WeightType::float32, WeightType::bfloat16, WeightType::float16}) {
    ModelConfig config = grpo::testing::tiny_config();
    config.context_length = 400;
    config.dtype = type;
    at::manual_seed(7);
    CausalLm model(config, Weights::allocate(config));
    for (const Parameter& p : model.parameters()) p.decays ? p.tensor.normal_(0.0, 0.3) : p.tensor.fill_(1.0);
    const auto prompt = some_ids(150, 300, 3), tokens = some_ids(140, 300, 4);
    Decoder decoder(model);
    CHECK(grpo::testing::max_abs_difference(decoded(decoder, prompt, tokens, 300), engine_logits(model, prompt, tokens)) < 1e-4);
  }
}

TEST_CASE("logits do not depend on what is computed beside a row, nor on threads, to the last bit") {
  const at::NoGradGuard no_grad;
  const auto model = tiny_model(11, 0.5);
  const auto prompt = some_ids(70, 300, 5), tokens = some_ids(5, 300, 6);
  Decoder alone(*model);
  const auto expected = decoded(alone, prompt, tokens, 300);
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    Decoder decoder(*model);
    std::vector<std::shared_ptr<TextRun>> others(40);
    std::vector<Decoder::Input> crowd;
    for (auto& other : others) {
      other = std::make_shared<TextRun>();
      for (const std::int32_t id : some_ids(4, 300, static_cast<std::int64_t>(crowd.size()))) crowd.push_back({other.get(), id, false});
    }
    const auto parent = std::make_shared<TextRun>();
    for (const std::int32_t id : prompt) crowd.push_back({parent.get(), id, false});
    crowd.back().logits = true;
    std::vector<at::Tensor> all{copied(decoder.step(crowd), 1, 300)};
    TextRun run{parent};
    std::int64_t beside = 0;
    for (const std::int32_t id : tokens) {
      std::vector<Decoder::Input> inputs;
      beside += 7;  // others grow beside it, one more lane block each time
      for (std::int64_t i = 0; i < beside; ++i) inputs.push_back({others[static_cast<std::size_t>(i)].get(), id});
      inputs.push_back({&run, id});
      all.push_back(copied(decoder.step(inputs) + beside * 300, 1, 300));
    }
    CHECK(at::equal(at::cat(all), expected));
  }
  at::set_num_threads(1);
}

TEST_CASE("AVX2 and portable code decode alike") {
  const at::NoGradGuard no_grad;
  const auto model = tiny_model(12, 0.5);
  const auto prompt = some_ids(20, 300, 7), tokens = some_ids(6, 300, 8);
  Decoder best(*model);
  const auto expected = decoded(best, prompt, tokens, 300);
  for (const Isa isa : {Isa::portable, Isa::avx2}) {
    if (isa > best_isa()) continue;
    Decoder other(*model, isa);
    CHECK(grpo::testing::max_abs_difference(decoded(other, prompt, tokens, 300), expected) < 1e-4);
  }
}

TEST_CASE("pages go back to the pool with the last text that holds them") {
  PagePool pool({1, 1, 8});
  Page a = pool.take(), shared = a;
  a.reset();
  const Page b = pool.take();
  CHECK(pool.made() == 2);
  shared.reset();
  const Page c = pool.take();
  CHECK(pool.made() == 2);
  CHECK(c != b);
}

TEST_CASE("ids outside the vocabulary are refused") {
  const auto model = tiny_model();
  Decoder decoder(*model);
  TextRun run;
  CHECK_THROWS(decoder.step({{&run, 300}}));
  CHECK_THROWS(decoder.step({{&run, -1}}));
}
