#include "libgrpo/policy/lora.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/trainer/adamw.hpp"
#include "tests/support/tensors.hpp"
#include "tests/support/tiny_model.hpp"

#include <ATen/core/grad_mode.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

using namespace grpo;
using grpo::testing::max_abs_difference;
using grpo::testing::tiny_config;
using grpo::testing::tiny_model;
namespace fs = std::filesystem;
using Names = std::vector<std::string>;

namespace {

fs::path scratch(const std::string& name) {
  const fs::path folder = fs::temp_directory_path() / ("grpo_lora_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

Part one_part() {
  std::vector<Group> groups;
  Group group{grpo::testing::make_prompt(0, "what is it?"), {}};
  for (std::int32_t& id : group.prompt.ids) id %= 64;
  for (const std::string& answer : {std::string("yes"), std::string("no, never")}) {
    Completion c;
    c.ids = grpo::testing::ByteTokenizer().encode(answer);
    for (std::int32_t& id : c.ids) id %= 64;  // the smallest vocabulary here
    c.log_probs.assign(c.ids.size(), 0.0F);
    group.completions.push_back(c);
  }
  groups.push_back(group);
  return Batch(groups).parts(1000).front();
}

/// A model of the tests' families, or the tiny one, with random adapters whose B is not zero.
void randomize(const CausalLm& model) {
  at::manual_seed(8);
  for (const Parameter& p : model.parameters()) p.tensor.detach().add_(at::randn_like(p.tensor) * 0.1);
}

TokenScores scores_of(const CausalLm& model) {
  const at::NoGradGuard no_grad;
  return model.score(one_part(), 1.0);
}

std::unique_ptr<CausalLm> adapted(LoraOptions options = {}) {
  auto model = tiny_model();
  model->adapt(Lora(std::move(options), model->config(), model->weights()));
  return model;
}

void replace_in(const fs::path& path, const std::string& from, const std::string& to) {
  std::stringstream s;
  s << std::ifstream(path, std::ios::binary).rdbuf();
  std::string text = s.str();
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  std::ofstream(path, std::ios::binary) << text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("new adapters change nothing; trained ones are switched off without a trace") {
  const auto plain = tiny_model();
  const auto before = scores_of(*plain);
  const auto model = adapted();
  CHECK(at::equal(scores_of(*model).log_probs, before.log_probs));
  randomize(*model);
  CHECK(max_abs_difference(scores_of(*model).log_probs, before.log_probs) > 0.01);
  const at::NoGradGuard no_grad;
  CHECK(at::equal(AdaptersOff(*model).score(one_part(), 1.0).log_probs, before.log_probs));
}

TEST_CASE("adapters on every matrix of every family give what their merged weights give") {
  for (const auto& entry : fs::directory_iterator("tests/oracle/families")) {
    INFO(entry.path());
    const auto model = CausalLm::load(entry.path());
    LoraOptions options;
    options.rank = 3;
    options.target_modules = {"all-linear"};
    options.rslora = true;
    options.modules_to_save = {"norm", "embed_tokens"};
    model->adapt(Lora(options, model->config(), model->weights()));
    const bool fused = model->config().fused_tensors;
    CHECK(model->lora()->options().target_modules.size() == (fused ? 4 : 7));
    CHECK(model->parameters().size() == static_cast<std::size_t>(model->config().num_layers * (fused ? 8 : 14) + 2));
    randomize(*model);
    const auto with_adapters = scores_of(*model);
    model->merge_adapters();
    CHECK_FALSE(model->lora().has_value());
    CHECK(max_abs_difference(scores_of(*model).log_probs, with_adapters.log_probs) < 2e-5);

    const fs::path folder = scratch("merged");  // a tied head has parted from the embeddings that were trained
    model->save(folder);
    const auto loaded = CausalLm::load(folder);
    CHECK_FALSE(loaded->config().tie_word_embeddings);
    CHECK(at::equal(scores_of(*loaded).log_probs, scores_of(*model).log_probs));
  }
}

TEST_CASE("training changes adapters alone") {
  const auto model = adapted({2, 8.0, 0.0, {"k_proj", "down_proj"}, {"lm_head"}});
  std::vector<at::Tensor> own;
  for (const NamedSlice& slice : named_slices(model->weights(), model->config())) own.push_back(slice.slice.clone());
  std::vector<at::Tensor> old;
  for (const Parameter& p : model->parameters()) old.push_back(p.tensor.clone());
  CHECK(model->parameters().front().name == "base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight");
  CHECK(model->parameters().back().name == "base_model.model.lm_head.weight");
  model->require_grad();
  AdamW adam(model->parameters(), {});
  for (int step = 0; step < 2; ++step) {  // B is zero in the first, and A has no gradient
    adam.zero_grad();
    (-model->score(one_part(), 1.0).log_probs.mean()).backward();
    adam.step(1e-2);
  }
  const auto slices = named_slices(model->weights(), model->config());
  for (std::size_t i = 0; i < own.size(); ++i) {
    CHECK(at::equal(slices[i].slice, own[i]));
    CHECK_FALSE(slices[i].slice.grad().defined());
  }
  for (std::size_t i = 0; i < old.size(); ++i) CHECK_FALSE(at::equal(model->parameters()[i].tensor, old[i]));
}

TEST_CASE("saved adapters read back bit for bit, scale and all") {
  const auto model = adapted({3, 7.0, 0.25, {"o_proj", "q_proj", "up_proj"}, {"lm_head", "input_layernorm"}, true, 1, "models/base"});
  randomize(*model);
  const fs::path folder = scratch("files");
  model->save(folder);
  CHECK(is_adapter_folder(folder));
  CHECK_FALSE(fs::exists(folder / "config.json"));
  CHECK(read_adapter_config(folder).base_model == "models/base");
  const auto again = tiny_model();
  again->adapt(Lora::read(folder, again->config(), again->weights()));
  const auto a = model->parameters(), b = again->parameters();
  REQUIRE(a.size() == b.size());
  CHECK(at::equal(scores_of(*again).log_probs, scores_of(*model).log_probs));
  CHECK(again->lora()->options().dropout == 0.25);
  CHECK(again->lora()->options().scale() == Approx(7.0 / std::sqrt(3.0)));
}

TEST_CASE("noise follows from its key, and goes when it is switched off") {
  const auto model = adapted({4, 32.0, 0.5});
  randomize(*model);
  const auto clean = scores_of(*model).log_probs;
  const auto noisy = [&](std::uint64_t key) {
    model->set_noise(key);
    return scores_of(*model).log_probs;
  };
  const auto one = noisy(1);
  CHECK(max_abs_difference(one, clean) > 1e-3);
  CHECK_FALSE(at::equal(noisy(2), one));
  CHECK(at::equal(noisy(1), one));
  model->set_noise(std::nullopt);
  CHECK(at::equal(scores_of(*model).log_probs, clean));
}

TEST_CASE("checkpointed layers give the same gradients bit for bit, dropout included") {
  const bool peft = GENERATE(false, true);
  const auto gradients = [&](bool checkpointing) {
    const auto model = peft ? adapted({4, 32.0, 0.5, {"all-linear"}}) : tiny_model();
    if (peft) randomize(*model);
    model->set_gradient_checkpointing(checkpointing);
    model->set_noise(5);
    model->require_grad();
    model->score(one_part(), 1.0).log_probs.sum().backward();
    std::vector<at::Tensor> all;
    for (const Parameter& p : model->parameters()) all.push_back(p.tensor.grad());
    return all;
  };
  const auto plain = gradients(false), again = gradients(true);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    REQUIRE((plain[i].defined() && again[i].defined()));
    CHECK(at::equal(plain[i], again[i]));
  }
}

TEST_CASE("modules that are not there, or not alone in their matrix, are named") {
  const auto model = tiny_model();
  const auto make = [&](Names targets, Names whole) { return Lora({4, 1.0, 0.0, targets, whole}, model->config(), model->weights()); };
  CHECK_THROWS_WITH(make({"q_proj", "w_pack"}, {}), Catch::Contains("no module w_pack") && Catch::Contains("q_proj"));
  CHECK_THROWS_WITH(make({"q_proj"}, {"score"}), Catch::Contains("lora_modules_to_save") && Catch::Contains("no module score"));
  CHECK_THROWS_WITH(make({"q_proj"}, {"k_proj"}), Catch::Contains("k_proj") && Catch::Contains("one matrix with others"));
  CHECK(make({"self_attn.q_proj", "model.layers.1.mlp.up_proj"}, {}).parameters().size() == 6);  // PEFT's rule for names
}

TEST_CASE("damaged and foreign adapter folders are refused by file and field") {
  const auto model = adapted({2, 8.0, 0.0, {"q_proj"}});
  const fs::path folder = scratch("damaged");
  const auto read = [&] { return Lora::read(folder, model->config(), model->weights()); };
  const auto refuses = [&](const std::string& file, const std::string& from, const std::string& to, const std::string& why) {
    model->save(folder);
    replace_in(folder / file, from, to);
    CHECK_THROWS_WITH(read(), Catch::Contains(why) && Catch::Contains(folder.string()));
  };
  refuses("adapter_config.json", "\"use_dora\": false", "\"use_dora\": true", "use_dora");
  refuses("adapter_config.json", "\"bias\": \"none\"", "\"bias\": \"all\"", "bias");
  refuses("adapter_config.json", "\"r\": 2", "\"r\": 3", "lora_A");
  refuses("adapter_config.json", "\"r\": 2", "\"r\": 0", "rank");
  refuses("adapter_config.json", "\"LORA\"", "\"IA3\"", "peft_type");
  refuses("adapter_config.json", "\"rank_pattern\": {}", "\"rank_pattern\": {\"q\": 4}", "rank_pattern");
  refuses("adapter_model.safetensors", "layers.1.self_attn.q_proj.lora_A", "layers.9.self_attn.q_proj.lora_A",
          "only one of lora_A and lora_B");
  refuses("adapter_model.safetensors", "layers.1.self_attn.q_proj.lora_B", "layers.1.self_attn.q_proj.lora_X",
          "only one of lora_A and lora_B");
  model->save(folder);
  fs::remove(folder / "adapter_model.safetensors");
  CHECK_THROWS_WITH(read(), Catch::Contains("adapter_model.safetensors"));
}

TEST_CASE("frozen weights are left out of training, by patterns on file names") {
  const auto names = [](const Names& patterns) {
    const auto model = tiny_model();
    model->freeze(patterns);
    Names all;
    for (const Parameter& p : model->parameters()) all.push_back(p.name);
    return all;
  };
  const std::size_t all = names({}).size();
  CHECK(names({"model.embed_tokens.weight"}).size() == all - 1);
  CHECK(names({"model.layers.0.*"}).size() == all - 6);
  CHECK(names({"model.layers.?.input_layernorm.*"}).size() == all - 2);
  CHECK(names({"*q_proj*", "*k_proj*", "*v_proj.weight"}).size() == all - 2);
  CHECK_THROWS_WITH(names({"*q_proj*"}), Catch::Contains("stored in one matrix") && Catch::Contains("k_proj"));
  CHECK_THROWS_WITH(names({"transformer.h.0"}), Catch::Contains("no weights are called transformer.h.0"));
  CHECK_THROWS_WITH(names({"*"}), Catch::Contains("nothing would be left"));
}

TEST_CASE("weights held in half precision give what the rounded weights give in float32") {
  const auto type = GENERATE(WeightType::bfloat16, WeightType::float16);
  ModelConfig config = tiny_config();
  config.dtype = type;
  const auto half = std::make_unique<CausalLm>(config, Weights::allocate(config));
  const auto full = tiny_model();
  const auto a = half->parameters(), b = full->parameters();
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i].tensor.copy_(b[i].tensor);
    CHECK(a[i].tensor.element_size() == 2);
    b[i].tensor.copy_(a[i].tensor);
  }
  CHECK(at::equal(scores_of(*half).log_probs, scores_of(*full).log_probs));
  half->require_grad();
  full->require_grad();
  half->score(one_part(), 1.0).log_probs.sum().backward();
  full->score(one_part(), 1.0).log_probs.sum().backward();
  for (std::size_t i = 0; i < a.size(); ++i)
    CHECK(max_abs_difference(a[i].tensor.grad(), b[i].tensor.grad()) <= b[i].tensor.grad().abs().max().item<double>() / 128);
}
