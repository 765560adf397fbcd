// Every supported family against transformers (tests/oracle/families.json): prefill, decoding with the cache, scores and
// gradients; saving; and what is refused. Working directory: the repository root.
#include "libgrpo/policy/causal_lm.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/sampler/engine.hpp"
#include "tests/support/tensors.hpp"

#include <ATen/core/grad_mode.h>
#include <catch2/catch.hpp>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace grpo;
using grpo::testing::max_abs_difference;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const fs::path kFolder = "tests/oracle/families";

const json& cases() {
  static const json all = json::parse(std::ifstream("tests/oracle/families.json"))["cases"];
  return all;
}

fs::path scratch(const std::string& name) {
  const fs::path folder = fs::temp_directory_path() / ("grpo_families_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

at::Tensor rows_of(const json& rows) {
  std::vector<at::Tensor> all;
  for (const json& row : rows) all.push_back(at::tensor(row.get<std::vector<double>>(), at::kDouble));
  return at::stack(all);
}

/// The case's texts as groups: each prompt with its completions.
std::vector<Group> groups_of(const json& test) {
  std::vector<Group> groups;
  for (const json& prompt : test["prompts"]) {
    Group group;
    group.prompt.id = groups.size();
    group.prompt.ids = prompt["ids"].get<std::vector<std::int32_t>>();
    for (const json& one : prompt["completions"]) {
      Completion completion;
      completion.ids = one["ids"].get<std::vector<std::int32_t>>();
      completion.log_probs.resize(completion.ids.size());
      group.completions.push_back(completion);
    }
    groups.push_back(group);
  }
  return groups;
}

/// Logits after the prompt and after each token of each completion, from the engine. All rows of all prompts decode together,
/// two rows to a prompt, and a row drops out when its completion ends.
std::vector<at::Tensor> engine_logits(const CausalLm& model, const json& test) {
  std::vector<std::vector<std::int32_t>> prompts, completions;
  std::vector<std::int64_t> row_of;
  for (const json& prompt : test["prompts"]) {
    for (const json& one : prompt["completions"]) {
      completions.push_back(one["ids"]);
      row_of.push_back(static_cast<std::int64_t>(2 * prompts.size()) + (&one - &prompt["completions"][0]));
    }
    prompts.push_back(prompt["ids"]);
  }
  Engine engine(model);
  const auto first = engine.prefill(prompts, 2);
  std::vector<std::vector<at::Tensor>> logits;
  for (const std::int64_t row : row_of) logits.push_back({first[row / 2]});
  for (std::size_t step = 0;; ++step) {
    std::vector<std::int64_t> rows;
    std::vector<std::int32_t> tokens;
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < completions.size(); ++i)
      if (step < completions[i].size()) {
        rows.push_back(row_of[i]);
        tokens.push_back(completions[i][step]);
        which.push_back(i);
      }
    if (rows.empty()) break;
    const auto next = engine.decode(rows, tokens);
    for (std::size_t i = 0; i < which.size(); ++i) logits[which[i]].push_back(next[static_cast<std::int64_t>(i)]);
  }
  std::vector<at::Tensor> all;
  for (const auto& rows : logits) all.push_back(at::stack(rows).to(at::kDouble));
  return all;
}

struct Errors {
  double prefill = 0.0, decode = 0.0, log_probs = 0.0, gradient = 0.0;
};

/// Largest differences from transformers; gradients relative to each tensor's norm.
Errors compare(CausalLm& model, const json& test) {
  Errors e;
  const auto ours = engine_logits(model, test);
  std::size_t at = 0;
  for (const json& prompt : test["prompts"])
    for (const json& one : prompt["completions"]) {
      const auto expected = rows_of(one["logits"]);
      const auto& mine = ours[at++];
      REQUIRE(mine.sizes() == expected.sizes());
      e.prefill = std::max(e.prefill, max_abs_difference(mine[0], expected[0]));
      e.decode = std::max(e.decode, max_abs_difference(mine, expected));
    }
  model.require_grad();
  const Batch batch(groups_of(test));
  const Part part = batch.parts(100000).front();
  const auto scores = model.score(part, 1.0);
  std::vector<double> expected(static_cast<std::size_t>(batch.num_tokens()));
  std::size_t token = 0;
  for (const json& prompt : test["prompts"])
    for (const json& one : prompt["completions"])
      for (const json& value : one["log_probs"]) expected.at(token++) = value.get<double>();
  REQUIRE(token == expected.size());
  e.log_probs = max_abs_difference(scores.log_probs, at::tensor(expected, at::kDouble).index_select(0, part.tokens));
  scores.log_probs.sum().backward();

  // The gradients of the fused tensors, cut as files name them.
  Weights grads = Weights::allocate(model.config());
  const CausalLm twin(model.config(), grads);
  std::map<std::string, at::Tensor> ours_by_name;
  const auto from = model.parameters(), to = twin.parameters();
  for (std::size_t i = 0; i < from.size(); ++i) to[i].tensor.copy_(from[i].tensor.grad());
  for (const NamedSlice& slice : named_slices(grads, model.config())) ours_by_name[slice.name] = slice.slice;
  CHECK(ours_by_name.size() == test["gradients"].size());
  for (const auto& [name, figures] : test["gradients"].items()) {
    REQUIRE(ours_by_name.count(name) == 1);
    const auto grad = ours_by_name[name].to(at::kDouble).flatten();
    const double norm = figures[0], projected = (grad * (0.7 * at::arange(grad.numel(), at::kDouble)).cos()).sum().item<double>();
    const double apart = std::abs(projected - figures[1].get<double>());
    const double error = std::max(std::abs(grad.norm().item<double>() - norm), apart) / norm;
    INFO(name);
    CHECK(error < 1e-4);
    e.gradient = std::max(e.gradient, error);
  }
  return e;
}

json read(const fs::path& path) { return json::parse(std::ifstream(path)); }

}  // namespace

TEST_CASE("every family's logits, scores and gradients equal those of transformers") {
  REQUIRE(cases().size() >= 18);
  for (const json& test : cases()) {
    const std::string name = test["name"];
    const auto model = CausalLm::load(kFolder / name);
    const Errors e = compare(*model, test);
    std::ostringstream figures;
    figures << name << ": prefill " << e.prefill << ", decode " << e.decode << ", log-probs " << e.log_probs << ", gradient " << e.gradient;
    INFO(figures.str());
    CHECK(e.prefill < 1e-4);
    CHECK(e.decode < 1e-4);
    CHECK(e.log_probs < 1e-4);
    CHECK(model->config().num_parameters() == test["parameters"].get<std::int64_t>());
    if (std::getenv("GRPO_SHOW_FIGURES") != nullptr) WARN(figures.str());
  }
}

TEST_CASE("every family's saved folder is the model and its configuration") {
  for (const json& test : cases()) {
    const std::string name = test["name"];
    INFO(name);
    const auto model = CausalLm::load(kFolder / name);
    const fs::path folder = scratch("save");
    model->save(folder);
    const auto loaded = CausalLm::load(folder);
    const auto a = model->parameters(), b = loaded->parameters();
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(at::equal(a[i].tensor, b[i].tensor));
    json before = read(kFolder / name / "config.json"), after = read(folder / "config.json");
    for (json* config : {&before, &after})
      for (const char* key : {"dtype", "torch_dtype"}) config->erase(key);
    CHECK(before == after);
  }
}

TEST_CASE("what a family does not have is refused, with file, field and value") {
  const fs::path folder = scratch("refuse");
  const auto refuses = [&](const char* name, const json& patch, const std::string& message) {
    fs::copy_file(kFolder / name / "model.safetensors", folder / "model.safetensors", fs::copy_options::overwrite_existing);
    json config = read(kFolder / name / "config.json");
    config.merge_patch(patch);
    std::ofstream(folder / "config.json") << config.dump();
    INFO(name << " " << patch.dump());
    try {
      (void)CausalLm::load(folder);
      FAIL("loaded");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::data);
      CHECK_THAT(error.what(), Catch::Contains(message) && Catch::Contains("config.json"));
    }
  };
  SECTION("other architectures by name, mixtures of experts as out of scope") {
    refuses("llama2", {{"model_type", "falcon"}}, "model_type = \"falcon\" is not supported; llama, smollm3, qwen2");
    refuses("llama2", {{"model_type", "mixtral"}}, "mixture-of-experts models are out of scope");
    refuses("llama2", {{"architectures", {"MixtralForCausalLM"}}}, "mixture-of-experts models are out of scope");
    refuses("qwen3", {{"model_type", "qwen3_moe"}}, "mixture-of-experts models are out of scope");
    refuses("qwen2", {{"num_experts", 8}}, "num_experts = 8 is not supported; mixture-of-experts");
    refuses("gemma3", {{"model_type", "gemma3"}}, "gemma3_text");
    refuses("qwen2", {{"architectures", {"Qwen2ForSequenceClassification"}}}, "Qwen2ForSequenceClassification");
    refuses("qwen2", {{"model_type", nullptr}, {"architectures", nullptr}}, "'model_type' and 'architectures' are missing");
  }
  SECTION("fields of other families") {
    refuses("llama2", {{"attn_logit_softcapping", 50.0}}, "attn_logit_softcapping = 50.0");
    refuses("llama2", {{"sliding_window", 16}}, "sliding_window = 16");
    refuses("mistral", {{"attention_bias", true}}, "attention_bias = true");
    refuses("gemma3", {{"attn_logit_softcapping", 50.0}}, "attn_logit_softcapping = 50.0");
    refuses("gemma2", {{"use_bidirectional_attention", true}}, "use_bidirectional_attention = true");
    refuses("llama2", {{"embedding_multiplier", 12.0}}, "embedding_multiplier = 12.0");
    refuses("llama2", {{"quantization_config", {{"bits", 4}}}}, "quantized weights");
    refuses("gemma2", {{"hidden_activation", "relu"}}, "hidden_activation = \"relu\"");
    refuses("qwen2", {{"layer_types", {"sliding_attention", "full_attention"}}}, "layer_types says \"sliding_attention\"");
    refuses("mistral", {{"layer_types", {"full_attention", "full_attention"}}}, "layer_types says \"full_attention\"");
    refuses("qwen2", {{"layer_types", {"linear_attention", "full_attention"}}}, "linear_attention");
  }
  SECTION("rotary embeddings") {
    refuses("llama2", {{"rope_parameters", {{"rope_type", "spiral"}}}}, "rope_parameters.rope_type = \"spiral\"");
    refuses("llama_linear", {{"rope_parameters", {{"factor", nullptr}}}}, "'rope_parameters.factor' is missing");
    refuses("llama_linear", {{"rope_parameters", {{"mrope_section", {1, 2}}}}}, "rope_parameters.mrope_section = [1,2]");
    refuses("llama2", {{"partial_rotary_factor", 0.5}}, "partial_rotary_factor = 0.5");
    refuses("llama3_v4", {{"rope_scaling", {{"high_freq_factor", 0.5}}}}, "high_freq_factor");
    refuses("phi3_longrope_v4", {{"rope_scaling", {{"short_factor", {1.0}}}}}, "short_factor");
    refuses("phi3_longrope_v4", {{"partial_rotary_factor", 0.4}}, "partial_rotary_factor");
    refuses("gemma3", {{"rope_parameters", {{"chunked_attention", {{"rope_theta", 1.0}}}}}}, "chunked_attention");
    refuses("gemma3", {{"rope_parameters", {{"sliding_attention", {{"factor", 2.0}}}}}}, "sliding_attention.factor = 2.0");
  }
  SECTION("wrong types and values") {
    refuses("gemma2", {{"query_pre_attn_scalar", "big"}}, "query_pre_attn_scalar");
    refuses("granite", {{"logits_scaling", 0}}, "logits_scaling");
    refuses("smollm3", {{"no_rope_layers", {1, 0}}}, "no_rope_layers");
    refuses("smollm3", {{"no_rope_layers", {1, 0, 2, 0}}}, "no_rope_layers");
    refuses("mistral", {{"sliding_window", 0}}, "sliding_window");
    refuses("llama2", {{"architectures", {3}}}, "'architectures' is [3], expected a list of names");
    json deep = 1;
    for (int i = 0; i < 70; ++i) deep = json::array({deep});
    refuses("llama2", {{"deep", deep}}, "nests deeper than 64 levels");
  }
}

TEST_CASE("positions that a rotary embedding does not reach are refused, up to there it works") {
  for (const char* name : {"llama_dynamic", "phi3_longrope_v4"}) {
    const auto model = CausalLm::load(kFolder / name);
    const std::int64_t limit = rope_limit(model->config());
    CHECK(limit == (std::string(name) == "llama_dynamic" ? 128 : 64));
    const at::NoGradGuard no_grad;
    Engine engine(*model);
    const auto text = std::vector<std::int32_t>(static_cast<std::size_t>(limit - 1), 5);
    CHECK_NOTHROW(engine.prefill({text}, 1));
    CHECK_NOTHROW(engine.decode({0}, {6}));
    CHECK_THROWS_WITH(engine.decode({0}, {6}), Catch::Contains("position " + std::to_string(limit)) && Catch::Contains("rope_type"));
  }
}

TEST_CASE("a part of a family's description left out changes its figures") {
  // What the oracle test would say of a decoder that forgot the field: each must be far outside its tolerance.
  const auto difference = [](const char* name, const std::function<void(ModelConfig&)>& forget) {
    const auto model = CausalLm::load(kFolder / name);
    ModelConfig changed = model->config();
    forget(changed);
    const json* test = nullptr;
    for (const json& one : cases())
      if (one["name"] == name) test = &one;
    const auto a = engine_logits(*model, *test), b = engine_logits(CausalLm(changed, model->weights()), *test);
    double worst = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, max_abs_difference(a[i], b[i]));
    return worst;
  };
  CHECK(difference("gemma2", [](ModelConfig& c) { c.attention_softcap = 0.0; }) > 1e-2);
  CHECK(difference("gemma2", [](ModelConfig& c) { c.logits_softcap = 0.0; }) > 1e-2);
  CHECK(difference("gemma2", [](ModelConfig& c) { c.activation = Activation::silu; }) > 1e-2);
  CHECK(difference("gemma3", [](ModelConfig& c) { c.rope_local_theta = 0.0; }) > 1e-2);
  CHECK(difference("mistral", [](ModelConfig& c) { ++c.sliding_window; }) > 1e-2);
  CHECK(difference("qwen2_sliding", [](ModelConfig& c) { c.layers.clear(); }) > 1e-2);
  CHECK(difference("smollm3", [](ModelConfig& c) { c.layers[1].rotates = true; }) > 1e-2);
  CHECK(difference("llama3_v4", [](ModelConfig& c) { c.rope_scaling.type = "default"; }) > 1e-3);
  CHECK(difference("llama_yarn", [](ModelConfig& c) { c.rope_scaling.attention_factor = 1.0; }) > 1e-2);
  CHECK(difference("granite", [](ModelConfig& c) { c.residual_multiplier = 1.0; }) > 1e-2);
}
