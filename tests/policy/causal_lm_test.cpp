#include "libgrpo/policy/causal_lm.hpp"

#include "libgrpo/base/error.hpp"
#include "tests/support/tensors.hpp"
#include "tests/support/tiny_model.hpp"

#include <ATen/core/grad_mode.h>
#include <catch2/catch.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace grpo;
using grpo::testing::max_abs_difference;
using grpo::testing::tiny_config;
using grpo::testing::tiny_model;
namespace fs = std::filesystem;

namespace {

fs::path scratch(const std::string& name) {
  const fs::path folder = fs::temp_directory_path() / ("grpo_policy_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

at::Tensor hidden_of(const CausalLm& model, const std::vector<std::int64_t>& ids) {
  SegmentTree tree;
  tree.add(static_cast<std::int64_t>(ids.size()), -1);
  TreeAttend attend(tree);
  return model.hidden(at::tensor(ids, at::kLong), at::arange(0, static_cast<std::int64_t>(ids.size())), attend);
}

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

void replace_in(const fs::path& path, const std::string& from, const std::string& to) {
  std::string text = text_of(path);
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  std::ofstream(path, std::ios::binary) << text.replace(at, from.size(), to);
}

Batch two_group_batch() {
  std::vector<Group> groups;
  for (std::uint64_t g = 0; g < 2; ++g) {
    Group group{grpo::testing::make_prompt(g, g == 0 ? "shared start, one?" : "shared start, two?"), {}};
    for (const std::string& answer : {std::string("yes"), std::string("no, never"), std::string("x")}) {
      Completion c;
      c.ids = grpo::testing::ByteTokenizer().encode(answer);
      c.log_probs.assign(c.ids.size(), 0.0F);
      group.completions.push_back(c);
    }
    groups.push_back(group);
  }
  return Batch(groups);
}

}  // namespace

TEST_CASE("a saved model loads back bit for bit") {
  const auto model = tiny_model();
  const fs::path folder = scratch("save");
  model->save(folder);
  const auto loaded = CausalLm::load(folder);
  const auto a = model->parameters(), b = loaded->parameters();
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(at::equal(a[i].tensor, b[i].tensor));
  CHECK(loaded->config().eos_token_ids == std::vector<std::int32_t>{257, 258});
  CHECK(at::equal(hidden_of(*model, {1, 2, 3}), hidden_of(*loaded, {1, 2, 3})));
}

TEST_CASE("a later token never changes an earlier hidden state, and order matters") {
  const auto model = tiny_model();
  const auto a = hidden_of(*model, {5, 6, 7, 8}), b = hidden_of(*model, {5, 6, 9, 8}), c = hidden_of(*model, {6, 5, 7, 8});
  CHECK(max_abs_difference(a.narrow(0, 0, 2), b.narrow(0, 0, 2)) < 1e-6);
  CHECK(max_abs_difference(a[3], b[3]) > 1e-3);
  CHECK(max_abs_difference(a[3], c[3]) > 1e-3);
}

TEST_CASE("splitting a batch into parts changes neither scores nor gradients") {
  const auto model = tiny_model();
  model->require_grad();
  const Batch batch = two_group_batch();
  const auto weights = at::randn({batch.num_tokens()});
  const auto run = [&](std::int64_t budget) {
    auto log_probs = at::empty({batch.num_tokens()});
    for (const Parameter& p : model->parameters()) p.tensor.mutable_grad() = at::Tensor();
    for (const Part& part : batch.parts(budget)) {
      const auto scores = model->score(part, 0.8);
      (scores.log_probs * weights.index_select(0, part.tokens)).sum().backward();
      log_probs.index_copy_(0, part.tokens, scores.log_probs.detach());
    }
    std::vector<at::Tensor> grads{log_probs};
    for (const Parameter& p : model->parameters()) grads.push_back(p.tensor.grad().clone());
    return grads;
  };
  const auto whole = run(1000), split = run(24);
  REQUIRE(batch.parts(24).size() > 2);
  for (std::size_t i = 0; i < whole.size(); ++i)
    CHECK(max_abs_difference(whole[i], split[i]) < 1e-5 * std::max(1.0, whole[i].abs().max().item<double>()));
}

TEST_CASE("gradients of the whole model agree with finite differences") {
  const auto model = tiny_model(2, 0.2);
  model->require_grad();
  const Batch batch = two_group_batch();
  const Part part = batch.parts(1000).front();
  const auto loss = [&] { return model->score(part, 1.0).log_probs.sum(); };
  loss().backward();
  for (const Parameter& p : model->parameters()) {
    // Along the gradient itself the slope is the squared norm: one check per tensor that float32 can resolve.
    const at::NoGradGuard no_grad;
    const auto grad = p.tensor.grad().clone();
    const double norm = grad.norm().item<double>(), h = 2e-3;
    REQUIRE(norm > 0.0);
    const auto direction = grad / norm;
    p.tensor.add_(direction, h);
    const double up = loss().item<double>();
    p.tensor.add_(direction, -2 * h);
    const double down = loss().item<double>();
    p.tensor.add_(direction, h);
    INFO(p.name);
    CHECK((up - down) / (2 * h) == Approx(norm).epsilon(0.02));
  }
}

TEST_CASE("what would change the result and is not handled is refused by name") {
  const fs::path folder = scratch("refuse");
  tiny_model()->save(folder);
  const auto refuses = [&](const std::string& from, const std::string& to, const std::string& message) {
    const std::string before = text_of(folder / "config.json");
    replace_in(folder / "config.json", from, to);
    CHECK_THROWS_WITH(CausalLm::load(folder), Catch::Contains(message) && Catch::Contains("config.json"));
    std::ofstream(folder / "config.json", std::ios::binary) << before;
  };
  refuses("\"LlamaForCausalLM\"", "\"MixtralForCausalLM\"", "MixtralForCausalLM");
  refuses("\"rope_scaling\": null", "\"rope_scaling\": {\"rope_type\": \"spiral\"}", "rope_scaling.rope_type = \"spiral\"");
  refuses("\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "gelu");
  refuses("\"vocab_size\": 300", "\"vocab_size\": \"many\"", "vocab_size");
  refuses("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": 1", "tie_word_embeddings");
  refuses("257,", "99999999999,", "eos_token_id");
  CHECK_NOTHROW(CausalLm::load(folder));
}

TEST_CASE("missing files, missing tensors and wrong shapes name file and tensor") {
  CHECK_THROWS_WITH(CausalLm::load("/nowhere/model"), Catch::Contains("/nowhere/model") && Catch::Contains("no such model"));
  const fs::path folder = scratch("shapes");
  tiny_model()->save(folder);
  replace_in(folder / "config.json", "\"intermediate_size\": 40", "\"intermediate_size\": 41");
  CHECK_THROWS_WITH(CausalLm::load(folder), Catch::Contains("mlp.") && Catch::Contains("41"));
  replace_in(folder / "config.json", "\"intermediate_size\": 41", "\"intermediate_size\": 40");
  replace_in(folder / "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
  CHECK_THROWS_WITH(CausalLm::load(folder), Catch::Contains("model.layers.2.") && Catch::Contains("missing"));
  fs::resize_file(folder / "model.safetensors", fs::file_size(folder / "model.safetensors") - 10);
  CHECK_THROWS_WITH(CausalLm::load(folder), Catch::Contains("model.safetensors"));
}

TEST_CASE("token ids outside the vocabulary are refused") {
  CHECK_THROWS_AS(hidden_of(*tiny_model(), {1, 300}), Error);
  CHECK_THROWS_AS(hidden_of(*tiny_model(), {-1}), Error);
}
