#include "libgrpo/remote/weight_folders.hpp"

#include "libgrpo/base/files.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <fmt/format.h>

namespace grpo::remote {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";

at::Tensor copy_of(const at::Tensor& tensor) { return tensor.defined() ? tensor.detach().clone() : tensor; }

Weights copy_of(const Weights& from) {
  Weights to;
  to.embed = copy_of(from.embed);
  to.norm = copy_of(from.norm);
  to.head = from.head.is_same(from.embed) ? to.embed : copy_of(from.head);
  for (const LayerWeights& layer : from.layers) {
    LayerWeights& copy = to.layers.emplace_back();
    for (const auto member : {&LayerWeights::input_norm, &LayerWeights::qkv, &LayerWeights::qkv_bias, &LayerWeights::q_norm,
                              &LayerWeights::k_norm, &LayerWeights::o, &LayerWeights::o_bias, &LayerWeights::attention_output_norm,
                              &LayerWeights::post_attention_norm, &LayerWeights::gate_up, &LayerWeights::gate_up_bias, &LayerWeights::down,
                              &LayerWeights::down_bias, &LayerWeights::mlp_output_norm})
      copy.*member = copy_of(layer.*member);
  }
  return to;
}

void save_merged(const CausalLm& model, const fs::path& folder) {
  const fs::path adapters = folder / "adapters";
  make_folder(adapters);
  model.save(adapters);
  CausalLm copy(model.config(), copy_of(model.weights()));
  copy.adapt(Lora::read(adapters, copy.config(), copy.weights()));
  fs::remove_all(adapters);
  copy.merge_adapters();
  copy.save(folder);
}

}  // namespace

WeightFolders::WeightFolders(fs::path folder) : folder_(fs::absolute(std::move(folder))) {}

fs::path WeightFolders::path(std::int64_t version) const { return folder_ / fmt::format("{}{:08}", kPrefix, version); }

void WeightFolders::write(const CausalLm& model, std::int64_t version) const {
  const fs::path whole = path(version), partial = folder_ / fmt::format("{}partial", kPrefix);
  std::error_code ignored;
  fs::remove_all(partial, ignored);
  make_folder(partial);
  if (model.lora())
    save_merged(model, partial);
  else
    model.save(partial);
  sync_file(partial);
  fs::remove_all(whole, ignored);
  rename_durably(partial, whole);
}

void WeightFolders::keep_only(std::int64_t version) const {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_, ignored))
    if (entry.path() != path(version) && entry.path().filename().string().starts_with(kPrefix)) fs::remove_all(entry.path(), ignored);
}

void WeightFolders::remove() const {
  keep_only(-1);
  std::error_code ignored;
  fs::remove(folder_, ignored);
}

}  // namespace grpo::remote
