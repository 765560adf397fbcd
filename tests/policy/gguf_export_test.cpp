// Exported .gguf files, read again: the same model. llama.cpp reads them in tests/oracle/gguf_llama_cpp.py.
#include "libgrpo/policy/export_gguf.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/format/ggml_types.hpp"
#include "libgrpo/format/gguf.hpp"
#include "libgrpo/policy/config_gguf.hpp"
#include "libgrpo/sampler/engine.hpp"
#include "tests/format/scratch_file.hpp"

#include <ATen/ATen.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <functional>
#include <unistd.h>

using namespace grpo;
using Catch::Contains;
using test::message_of;
using test::ScratchFile;

namespace {

std::unique_ptr<CausalLm> family(const std::string& name) { return CausalLm::load("tests/oracle/families/" + name); }

std::unique_ptr<CausalLm> changed(const std::string& name, const std::function<void(ModelConfig&)>& change) {
  const auto model = family(name);
  ModelConfig config = model->config();
  change(config);
  return std::make_unique<CausalLm>(config, model->weights());
}

std::unique_ptr<CausalLm> exported(const CausalLm& model, const std::string& type) {
  const ScratchFile file({}, ".gguf");
  export_gguf(model, {.type = type, .name = "tiny", .tokenizer = {}}, file.path());
  return CausalLm::load(file.path());
}

at::Tensor logits(const CausalLm& model) { return Engine(model).prefill({{1, 9, 4, 33, 60, 7, 7, 12, 50, 3, 28}}, 1); }

/// What `type` makes of a tensor.
at::Tensor rounded(const at::Tensor& tensor, const std::string& name) {
  const grpo::detail::GgmlType* type = grpo::detail::find_ggml_type(name);
  const auto from = tensor.contiguous();
  const auto blocks = static_cast<std::size_t>(from.numel()) / type->block_elements;
  std::string bytes(blocks * type->block_bytes, '\0');
  type->encode(from.const_data_ptr<float>(), blocks, reinterpret_cast<std::uint8_t*>(bytes.data()));
  auto to = at::empty_like(from);
  type->decode(reinterpret_cast<const std::uint8_t*>(bytes.data()), blocks, to.mutable_data_ptr<float>());
  return to;
}

std::string refusal(const CausalLm& model, const std::string& type = "F32") {
  return message_of(ErrorKind::data, [&] { exported(model, type); }).value_or("");
}

}  // namespace

TEST_CASE("a model exported as F32 is read back bit by bit: weights, constants, logits") {
  for (const char* name : {"llama2", "llama3_v4", "llama_linear", "llama_yarn", "qwen2", "qwen3"}) {
    INFO(name);
    const auto model = family(name), read = exported(*model, "F32");
    const auto a = model->parameters(), b = read->parameters();
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK((a[i].name == b[i].name && at::equal(a[i].tensor, b[i].tensor)));
    const ModelConfig &c = model->config(), &d = read->config();
    CHECK(c.model_type == d.model_type);
    CHECK(c.rms_norm_eps == d.rms_norm_eps);
    CHECK(c.rope_theta == d.rope_theta);
    CHECK(c.context_length == d.context_length);
    CHECK(c.eos_token_ids == d.eos_token_ids);
    CHECK(c.bos_token_id == d.bos_token_id);
    CHECK(c.rope_scaling.type == d.rope_scaling.type);
    CHECK(at::equal(make_rope(c).inverse_frequencies, make_rope(d).inverse_frequencies));
    CHECK(at::equal(logits(*model), logits(*read)));
  }
}

TEST_CASE("a .gguf file saves as the folder it came from: rotary scaling included") {
  for (const char* name : {"llama3_v4", "llama_linear", "llama_yarn", "qwen3"}) {
    INFO(name);
    const auto model = family(name), read = exported(*model, "F32");
    const auto folder = std::filesystem::temp_directory_path() / ("grpo_export_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    read->save(folder);
    CHECK(at::equal(logits(*model), logits(*CausalLm::load(folder))));
    std::filesystem::remove_all(folder);
  }
}

TEST_CASE("matrices are rounded as the type says, vectors are not; rows that are no blocks of it become F16") {
  for (const char* name : {"llama2", "qwen2"}) {
    const auto model = family(name);                                                                            // width 32, MLP 40
    for (const NamedSlice& slice : named_slices(model->weights(), model->config())) slice.slice.mul_(1.00037);  // no longer bfloat16
    for (const std::string type : {"F16", "BF16", "Q8_0"}) {
      INFO(name << " " << type);
      const auto read = exported(*model, type);
      const auto a = named_slices(model->weights(), model->config()), b = named_slices(read->weights(), read->config());
      REQUIRE(a.size() == b.size());
      for (std::size_t i = 0; i < a.size(); ++i) {
        INFO(a[i].name);
        const bool matrix = a[i].slice.dim() == 2;
        const bool whole = type != "Q8_0" || a[i].slice.size(-1) % 32 == 0;
        const std::string kept = matrix ? (whole ? type : "F16") : "F32";
        CHECK(at::equal(b[i].slice, rounded(a[i].slice, kept)));
        CHECK((kept == "F32") == at::equal(b[i].slice, a[i].slice));
      }
    }
  }
}

TEST_CASE("Llama 3.1's scaling is found in rope_freqs.weight; other factors are kept as they are") {
  const auto llama31 = changed("llama3_v4", [](ModelConfig& c) {
    c.head_dim = 16;
    c.rope_theta = 500000.0;
    c.context_length = 131072;
    c.rope_scaling.factor = 8.0;
    c.rope_scaling.original_context = 8192;
  });
  const auto read = exported(*llama31, "F32")->config().rope_scaling;
  CHECK(read.type == "llama3");
  CHECK(read.factor == 8.0);
  CHECK(read.original_context == 8192);

  const auto odd = changed("llama3_v4", [](ModelConfig& c) { c.rope_scaling.high_freq_factor = 2.5; });
  const auto kept = exported(*odd, "F32");
  CHECK(kept->config().rope_scaling.type == "factors");
  CHECK(at::allclose(logits(*odd), logits(*kept), 1e-4, 1e-5));
  CHECK_FALSE(at::allclose(logits(*odd), logits(*family("llama3_v4")), 1e-4, 1e-5));
  CHECK(at::equal(logits(*kept), logits(*exported(*kept, "F32"))));
  CHECK_THROWS_WITH(to_config_json(kept->config()), Contains("rope_freqs.weight"));

  const auto ones = changed("llama2", [](ModelConfig& c) {
    c.rope_scaling.type = "factors";
    c.rope_scaling.short_factor.assign(static_cast<std::size_t>(c.head_dim / 2), 1.0);
  });
  CHECK(exported(*ones, "F32")->config().rope_scaling.type == "default");
}

TEST_CASE("end tokens: the tokenizer's own comes first, up to three are kept") {
  const auto model = changed("llama2", [](ModelConfig& c) { c.eos_token_ids = {2, 5, 9}; });
  CHECK(exported(*model, "F32")->config().eos_token_ids == std::vector<std::int32_t>{2, 5, 9});
  const ScratchFile file({}, ".gguf");
  export_gguf(*model, {.type = "F32", .name = "tiny", .tokenizer = {}, .eos = 9}, file.path());
  CHECK(read_model_config(file.path()).eos_token_ids == std::vector<std::int32_t>{9, 2, 5});
}

TEST_CASE("Mistral is written as Llama where no window is set") {
  const auto model = changed("mistral", [](ModelConfig& c) {
    c.sliding_window = 0;
    c.layers.clear();
  });
  const auto read = exported(*model, "F32");
  CHECK(read->config().model_type == "llama");
  CHECK(at::equal(logits(*model), logits(*read)));
}

TEST_CASE("families without a form in GGUF are refused by name") {
  for (const char* name : {"gemma2", "gemma3", "phi3", "olmo2", "granite", "smollm3"})
    CHECK_THAT(refusal(*family(name)), Contains("export of family " + family(name)->config().model_type + " to GGUF is not supported"));
  CHECK_THAT(refusal(*family("mistral")), Contains("family mistral") && Contains("sliding window"));
  CHECK_THAT(refusal(*family("qwen2_sliding")), Contains("family qwen2") && Contains("sliding window"));
  CHECK_THAT(refusal(*family("llama_bias")), Contains("biases"));
  for (bool ModelConfig::*bias : {&ModelConfig::o_bias, &ModelConfig::mlp_bias, &ModelConfig::qkv_bias}) {
    ModelConfig config = family("llama2")->config();
    config.*bias = true;
    CHECK_THROWS_WITH(gguf_architecture(config), Contains("biases"));
  }
  CHECK_THAT(refusal(*family("llama_dynamic")), Contains("'dynamic'"));
  const auto huge = family("llama2");
  huge->weights().embed[3][3] = 1e6;
  CHECK_THAT(refusal(*huge, "F16"), Contains("token_embd.weight holds 1000000, which F16 cannot"));
  CHECK(refusal(*huge, "BF16").empty());
}
