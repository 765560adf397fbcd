// .gguf files of the architectures other than Llama's, and rotary scaling in them: read, or refused by name.
#include "libgrpo/policy/causal_lm.hpp"

#include "tests/format/gguf_builder.hpp"

#include <ATen/ATen.h>
#include <catch2/catch.hpp>

#include <functional>
#include <limits>

using namespace grpo;
using test::GgufBuilder;
using test::ScratchFile;

namespace {

constexpr std::uint32_t kU32 = 4, kF32 = 6, kTypeF32 = 0;

/// A model as a .gguf file of float32 tensors, named as llama.cpp names them. Qwen2's q and k are stored as they are.
GgufBuilder as_gguf(const CausalLm& model, const std::string& architecture) {
  const ModelConfig& c = model.config();
  const auto key = [&](const char* name) { return architecture + "." + name; };
  const auto whole = [](std::int64_t value) { return static_cast<std::uint32_t>(value); };
  GgufBuilder gguf;
  gguf.text_key("general.architecture", architecture)
      .key<std::uint32_t>(key("vocab_size"), kU32, whole(c.vocab_size))
      .key<std::uint32_t>(key("embedding_length"), kU32, whole(c.hidden_size))
      .key<std::uint32_t>(key("feed_forward_length"), kU32, whole(c.intermediate_size))
      .key<std::uint32_t>(key("block_count"), kU32, whole(c.num_layers))
      .key<std::uint32_t>(key("context_length"), kU32, whole(c.context_length))
      .key<std::uint32_t>(key("attention.head_count"), kU32, whole(c.num_heads))
      .key<std::uint32_t>(key("attention.head_count_kv"), kU32, whole(c.num_kv_heads))
      .key<float>(key("attention.layer_norm_rms_epsilon"), kF32, static_cast<float>(c.rms_norm_eps))
      .key<float>(key("rope.freq_base"), kF32, static_cast<float>(c.rope_theta))
      .key<std::uint32_t>("tokenizer.ggml.eos_token_id", kU32, whole(c.eos_token_ids.at(0)));
  for (const NamedSlice& slice : named_slices(model.weights(), c)) {
    std::vector<std::int64_t> extents(slice.slice.sizes().rbegin(), slice.slice.sizes().rend());
    gguf.tensor(slice.gguf_name, extents, kTypeF32, gguf.data.size());
    const auto values = slice.slice.contiguous();
    gguf.data.append(static_cast<const char*>(values.const_data_ptr()), values.nbytes());
    gguf.data.resize((gguf.data.size() + 31) / 32 * 32);
  }
  return gguf;
}

}  // namespace

TEST_CASE("a Qwen2 .gguf file is the model, biases and all, and saves as a Qwen2 folder") {
  const auto model = CausalLm::load("tests/oracle/families/qwen2");
  const ScratchFile file(as_gguf(*model, "qwen2").bytes(), ".gguf");
  const auto loaded = CausalLm::load(file.path());
  const std::filesystem::path folder = file.path().string() + ".folder";
  std::filesystem::create_directories(folder);
  loaded->save(folder);
  const auto again = CausalLm::load(folder);
  CHECK(again->config().model_type == "qwen2");
  const auto a = model->parameters(), b = loaded->parameters(), c = again->parameters();
  REQUIRE((a.size() == b.size() && a.size() == c.size()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO(a[i].name);
    CHECK((at::equal(a[i].tensor, b[i].tensor) && at::equal(a[i].tensor, c[i].tensor)));
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("other .gguf architectures are refused by name") {
  const auto model = CausalLm::load("tests/oracle/families/qwen2");
  const ScratchFile gemma(as_gguf(*model, "gemma2").bytes(), ".gguf");
  CHECK_THROWS_WITH(CausalLm::load(gemma.path()), Catch::Contains("'gemma2' is not supported in .gguf files"));
  GgufBuilder experts = as_gguf(*model, "qwen2");
  experts.key<std::uint32_t>("qwen2.expert_count", kU32, 8);
  const ScratchFile mixture(experts.bytes(), ".gguf");
  CHECK_THROWS_WITH(CausalLm::load(mixture.path()), Catch::Contains("mixture-of-experts models are out of scope"));
}

TEST_CASE("rotary scaling that a .gguf file should not have is refused by key") {
  const auto model = CausalLm::load("tests/oracle/families/qwen2");
  const auto half = static_cast<std::uint64_t>(model->config().head_dim / 2);
  const auto refusal = [&](const std::function<void(GgufBuilder&)>& change) {
    GgufBuilder gguf = as_gguf(*model, "qwen2");
    change(gguf);
    const ScratchFile file(gguf.bytes(), ".gguf");
    return test::message_of(ErrorKind::data, [&] { CausalLm::load(file.path()); }).value_or("");
  };
  const auto factors = [](std::uint64_t count, float value) {
    return [count, value](GgufBuilder& gguf) {
      gguf.tensor("rope_freqs.weight", {static_cast<std::int64_t>(count)}, kTypeF32, gguf.data.size());
      for (std::uint64_t i = 0; i < count; ++i) gguf.data += test::raw(value);
    };
  };
  using Catch::Contains;
  CHECK(refusal([](GgufBuilder&) {}).empty());
  CHECK(refusal(factors(half, 1.5F)).empty());
  CHECK_THAT(refusal(factors(half + 1, 1.0F)), Contains("rope_freqs.weight must have"));
  for (const float bad : {0.0F, -1.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    CHECK_THAT(refusal(factors(half, bad)), Contains("rope_freqs.weight holds") && Contains("above 0"));
  const auto text = [](const char* value) { return [value](GgufBuilder& gguf) { gguf.text_key("qwen2.rope.scaling.type", value); }; };
  const auto number = [](const char* key, float value) {
    return [key, value](GgufBuilder& gguf) { gguf.key<float>(std::string("qwen2.rope.") + key, kF32, value); };
  };
  CHECK_THAT(refusal(text("longrope")), Contains("'longrope'") && Contains("none, linear and yarn are"));
  CHECK(refusal(text("none")).empty());
  CHECK_THAT(refusal(number("scaling.factor", -2.0F)), Contains("factor must be above 0"));
  CHECK_THAT(refusal(number("scaling.yarn_log_multiplier", 0.1F)), Contains("yarn_log_multiplier' is set"));
  CHECK_THAT(refusal([&](GgufBuilder& gguf) {
               number("scaling.factor", 2.0F)(gguf);
               factors(half, 1.5F)(gguf);
             }),
             Contains("together with"));
  CHECK_THAT(refusal([](GgufBuilder& gguf) { gguf.key<std::uint32_t>("qwen2.rope.dimension_count", kU32, 4); }),
             Contains("part of each head"));
  CHECK_THAT(refusal([](GgufBuilder& gguf) { gguf.key<std::uint32_t>("qwen2.attention.value_length", kU32, 4); }), Contains("two widths"));
}
