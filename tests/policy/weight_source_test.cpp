// Weights that a forward pass asks for layer by layer: from their file, and from a source that holds one layer at a time.
#include "libgrpo/policy/weight_source.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/policy/export_gguf.hpp"
#include "libgrpo/policy/file_weights.hpp"
#include "libgrpo/sampler/engine.hpp"
#include "tests/format/scratch_file.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <catch2/catch.hpp>
#include <filesystem>

using namespace grpo;
using test::message_of;
using test::ScratchFile;
namespace fs = std::filesystem;

namespace {

const fs::path kFamilies = "tests/oracle/families";
constexpr const char* kSmol = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

fs::path scratch(const std::string& name) {
  const fs::path folder = fs::temp_directory_path() / ("grpo_source_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

/// Two questions, three answers each. Ids below 60: inside the vocabulary of every family's test model.
Part one_part() {
  std::vector<Group> groups;
  for (std::int32_t g = 0; g < 2; ++g) {
    Group group;
    group.prompt.id = static_cast<std::uint64_t>(g);
    group.prompt.ids = {1, 9, 4, 33, g == 0 ? 7 : 12};
    for (std::int32_t c = 0; c < 3; ++c) {
      Completion completion;
      for (std::int32_t t = 0; t < 4 + c; ++t) completion.ids.push_back(20 + (7 * t + 5 * c + g) % 30);
      completion.log_probs.assign(completion.ids.size(), 0.0F);
      group.completions.push_back(completion);
    }
    groups.push_back(group);
  }
  return Batch(groups).parts(1000).front();
}

/// The model in `place` with all weights in memory, and the same read layer by layer: both in the config's type.
void check_same_bits(const fs::path& place, const ModelConfig& config) {
  const CausalLm held(config, load_weights(place, config));
  CausalLm streamed(config, Weights::allocate(config, at::kMeta));
  streamed.read_from(std::make_shared<FileWeights>(place, config));
  const at::NoGradGuard no_grad;
  const Part part = one_part();
  for (int pass = 0; pass < 2; ++pass) {  // the second begins where the first left its layer
    const TokenScores a = held.score(part, 0.7), b = streamed.score(part, 0.7);
    CHECK(at::equal(a.log_probs, b.log_probs));
    CHECK(at::equal(a.entropies, b.entropies));
  }
  CHECK(at::equal(Engine(held).prefill({{1, 9, 4, 33}}, 1), Engine(streamed).prefill({{1, 9, 4, 33}}, 1)));
}

/// One layer's worth of memory for all: the layer before is overwritten, and its gradient taken, when the next is asked for.
class OneLayerAtATime final : public WeightSource {
 public:
  explicit OneLayerAtATime(const Weights& whole) : whole_(whole), gradients_(whole.layers.size()) {}

  OuterWeights outer() override { return {whole_.embed, whole_.norm, whole_.head}; }
  LayerWeights layer(std::int64_t index) override {
    put_away();
    current_ = index;
    const LayerWeights& from = whole_.layers[static_cast<std::size_t>(index)];
    given_ = from;
    for (at::Tensor* tensor : {&given_.qkv, &given_.down}) *tensor = tensor->detach().clone().requires_grad_(true);
    return given_;
  }
  /// Of qkv and down, as often as asked for them.
  void put_away() {
    if (current_ < 0) return;
    for (const at::Tensor& tensor : {given_.qkv, given_.down}) {
      if (tensor.grad().defined()) gradients_[static_cast<std::size_t>(current_)].push_back(tensor.grad().clone());
      at::NoGradGuard no_grad;
      tensor.detach().fill_(std::nan(""));
    }
    current_ = -1;
  }
  [[nodiscard]] const std::vector<std::vector<at::Tensor>>& gradients() const { return gradients_; }

 private:
  const Weights& whole_;
  LayerWeights given_;
  std::int64_t current_ = -1;
  std::vector<std::vector<at::Tensor>> gradients_;
};

}  // namespace

TEST_CASE("weights read from a folder layer by layer score with the bits of weights in memory, for every family and type") {
  for (const auto& entry : fs::directory_iterator(kFamilies)) {
    INFO(entry.path().filename().string());
    ModelConfig config = read_model_config(entry.path());
    check_same_bits(entry.path(), config);
    config.dtype = WeightType::bfloat16;  // stored in half precision, computed in float32
    const fs::path folder = scratch("half");
    CausalLm(config, load_weights(entry.path(), config)).save(folder);
    config.dtype = WeightType::float32;
    check_same_bits(folder, config);
    const FileWeights stored(folder, config);
    CHECK(stored.stored_bytes() < 2 * static_cast<std::uint64_t>(config.num_parameters()) + 1);
  }
}

TEST_CASE("weights read from a .gguf file layer by layer score with the bits of weights in memory") {
  for (const char* family : {"llama2", "qwen2", "qwen3"})
    for (const char* type : {"F32", "F16", "Q8_0"}) {
      INFO(family << " " << type);
      const ScratchFile file({}, ".gguf");
      export_gguf(*CausalLm::load(kFamilies / family), {.type = type, .name = "tiny", .tokenizer = {}}, file.path());
      ModelConfig config = read_model_config(file.path());
      check_same_bits(file.path(), config);
      config.dtype = WeightType::bfloat16;
      check_same_bits(file.path(), config);
    }
}

TEST_CASE("SmolLM2 in Q4_1 scores with the bits of its float32 weights, from less than a fifth of their bytes") {
  if (!fs::exists(kSmol)) {
    WARN("skipped: " << kSmol << " is not there; bash training.sh --setup-only brings it");
    return;
  }
  const ModelConfig config = read_model_config(kSmol);
  check_same_bits(kSmol, config);
  CHECK(FileWeights(kSmol, config).stored_bytes() * 5 < 4 * static_cast<std::uint64_t>(config.num_parameters()));
}

TEST_CASE("a source may hold one layer at a time, forwards and backwards, and finds each layer's gradient complete") {
  const auto whole = CausalLm::load(kFamilies / "llama2");
  whole->require_grad();
  CausalLm streamed(whole->config(), Weights::allocate(whole->config(), at::kMeta));
  const auto source = std::make_shared<OneLayerAtATime>(whole->weights());
  streamed.read_from(source);
  const Part part = one_part();
  const auto loss = [&](const CausalLm& model) { return model.score(part, 1.0).log_probs.sum(); };
  loss(*whole).backward();
  const at::Tensor embed = whole->weights().embed.grad().clone();
  whole->weights().embed.mutable_grad() = at::Tensor();
  const at::Tensor again = loss(streamed);
  CHECK(again.item<float>() == loss(*whole).item<float>());
  again.backward();
  source->put_away();
  for (std::size_t i = 0; i < whole->weights().layers.size(); ++i) {
    INFO("layer " << i);
    REQUIRE(source->gradients()[i].size() == 2);
    CHECK(at::equal(source->gradients()[i][0], whole->weights().layers[i].qkv.grad()));
    CHECK(at::equal(source->gradients()[i][1], whole->weights().layers[i].down.grad()));
  }
  CHECK(at::equal(whole->weights().embed.grad(), embed));
}

TEST_CASE("a file that lacks a tensor is refused when it is opened, not when the layer is needed") {
  const fs::path folder = scratch("missing");
  const auto model = CausalLm::load(kFamilies / "llama2");
  model->save(folder);
  ModelConfig config = model->config();
  config.num_layers += 1;
  const auto why = message_of(ErrorKind::data, [&] { FileWeights(folder, config); });
  REQUIRE(why);
  CHECK(why->find("is missing") != std::string::npos);
}
