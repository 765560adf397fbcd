// Weights in Hugging Face folders: one file or shards, written and read, copied and mapped; and what is wrong with a folder.
#include "libgrpo/policy/weights_write.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/policy/tensor_file.hpp"
#include "tests/support/tiny_model.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

using namespace grpo;
using grpo::testing::tiny_config;
using grpo::testing::tiny_model;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::uint64_t kTinyShard = 12000;  // the embedding of the tiny model has 28800 bytes, the next matrix 3072

fs::path scratch(const std::string& name) {
  const fs::path folder = fs::temp_directory_path() / ("grpo_weights_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

void write_shards(const fs::path& folder, const CausalLm& model, std::uint64_t max_bytes = kTinyShard) {
  write_model_weights(folder, named_slices(model.weights(), model.config()), max_bytes);
}

void check_equal(const Weights& found, const Weights& wanted) {
  const auto a = named_slices(found, tiny_config()), b = named_slices(wanted, tiny_config());
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO(a[i].name);
    CHECK(at::equal(a[i].slice, b[i].slice));
  }
}

NamedTensors ones(const std::vector<std::pair<std::string, std::int64_t>>& floats) {
  NamedTensors tensors;
  for (const auto& [name, count] : floats) tensors.emplace_back(name, at::ones({count}));
  return tensors;
}

std::vector<NamedSlice> as_slices(const NamedTensors& tensors) {
  std::vector<NamedSlice> slices;
  for (const auto& [name, tensor] : tensors) slices.push_back({name, "", tensor});
  return slices;
}

std::string refusal(const fs::path& folder) {
  try {
    (void)load_weights(folder, tiny_config());
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::data);
    return error.what();
  }
  return "loaded";
}

void change_index(const fs::path& folder, const std::function<void(json&)>& change) {
  json index = json::parse(read_file(folder / kIndex));
  change(index);
  write_file(folder / kIndex, index.dump());
}

}  // namespace

TEST_CASE("weights that fit are one file; others are shards in order, with an index") {
  const fs::path folder = scratch("split");
  // 40 and 20 bytes fit into 64, 20 more do not; 80 are too large for any shard and do not end the one that is being filled.
  const auto slices = as_slices(ones({{"a", 10}, {"large", 20}, {"b", 5}, {"c", 5}, {"d", 11}}));
  write_model_weights(folder, slices, 1000);
  CHECK(names_in(folder) == std::set<std::string>{"model.safetensors"});
  write_model_weights(folder, slices, 64);
  const json index = json::parse(read_file(folder / kIndex));
  const auto file = [](int i) { return "model-0000" + std::to_string(i) + "-of-00003.safetensors"; };
  CHECK(index == json{{"metadata", {{"total_size", 204}}},
                      {"weight_map", {{"large", file(1)}, {"a", file(2)}, {"b", file(2)}, {"c", file(3)}, {"d", file(3)}}}});
  CHECK(names_in(folder) == std::set<std::string>{file(1), file(2), file(3), kIndex});
  const SafetensorsFile second(folder / file(2));
  REQUIRE(second.tensors().size() == 2);
  CHECK(second.tensors()[0].name == "a");
  CHECK(second.metadata().at("format") == "pt");
}

TEST_CASE("a save replaces every weight file of the one before, and nothing else") {
  const fs::path folder = scratch("stale");
  write_file(folder / "notes.txt", "mine");
  write_file(folder / "model-card.safetensors", "mine too");
  write_file(folder / "adapter_config.json", "{}");
  const std::set<std::string> kept{"notes.txt", "model-card.safetensors"};
  const auto others = [&] {
    auto names = names_in(folder);
    for (const auto& name : kept) CHECK(names.erase(name) == 1);
    return names;
  };
  const auto model = tiny_model(1), second = tiny_model(2);
  write_shards(folder, *model);
  const auto many = others().size();
  CHECK_FALSE(others().contains("adapter_config.json"));
  write_shards(folder, *second, 30000);
  CHECK(others().size() < many);
  CHECK(others().contains(kIndex));
  check_equal(load_weights(folder, tiny_config()), second->weights());
  write_shards(folder, *model, kMaxShardBytes);
  CHECK(others() == std::set<std::string>{"model.safetensors"});
  check_equal(load_weights(folder, tiny_config()), model->weights());
  write_shards(folder, *second);
  CHECK(others().size() == many);
  check_equal(load_weights(folder, tiny_config()), second->weights());
}

TEST_CASE("mapped weights are the file's bytes; written ones are the process's own") {
  const fs::path folder = scratch("mapped");
  const auto model = tiny_model();
  const std::uint64_t limit = GENERATE(kMaxShardBytes, kTinyShard);
  write_shards(folder, *model, limit);
  const Weights mapped = load_weights(folder, tiny_config(), WeightPlace::mapped);
  check_equal(mapped, model->weights());
  // In one mapping, as in the file: what follows is behind. Copied tensors are 64 bytes or more apart.
  const LayerWeights& layer = mapped.layers[1];
  CHECK(static_cast<std::byte*>(layer.gate_up.data_ptr()) + layer.gate_up.nbytes() == layer.down.data_ptr());
  CHECK(at::equal(layer.qkv, model->weights().layers[1].qkv));
  mapped.layers[1].qkv.add_(1.0);
  check_equal(load_weights(folder, tiny_config()), model->weights());
  CHECK(at::equal(layer.qkv, model->weights().layers[1].qkv + 1.0));
}

TEST_CASE("a model may be saved over the file it is mapped from, and outlives it") {
  const fs::path folder = scratch("over");
  write_shards(folder, *tiny_model(1), kMaxShardBytes);
  const Weights mapped = load_weights(folder, tiny_config(), WeightPlace::mapped);
  write_model_weights(folder, named_slices(mapped, tiny_config()));
  check_equal(load_weights(folder, tiny_config()), mapped);
  fs::remove_all(folder);
  check_equal(mapped, tiny_model(1)->weights());
}

TEST_CASE("what does not lie as needed is copied: another order, another type") {
  const fs::path folder = scratch("order");
  const auto model = tiny_model();
  auto slices = named_slices(model->weights(), tiny_config());
  std::reverse(slices.begin(), slices.end());
  write_model_weights(folder, slices);
  check_equal(load_weights(folder, tiny_config(), WeightPlace::mapped), model->weights());
  for (NamedSlice& slice : slices) slice.slice = slice.slice.to(at::kBFloat16);
  write_model_weights(folder, slices);
  CHECK(SafetensorsFile(folder / "model.safetensors").tensors()[0].dtype == "BF16");
  const Weights half = load_weights(folder, tiny_config(), WeightPlace::mapped);
  CHECK(half.embed.scalar_type() == at::kFloat);
  CHECK(at::equal(half.embed, model->weights().embed.to(at::kBFloat16).to(at::kFloat)));
}

TEST_CASE("a folder of shards that do not belong together is refused by file and tensor") {
  const fs::path folder = scratch("refuse");
  write_shards(folder, *tiny_model());
  const json index = json::parse(read_file(folder / kIndex));
  const std::string first = index["weight_map"]["model.embed_tokens.weight"], last = index["weight_map"]["model.norm.weight"];
  REQUIRE(first != last);
  SECTION("a shard is missing") {
    fs::remove(folder / last);
    CHECK_THAT(refusal(folder), Catch::Contains(kIndex) && Catch::Contains(last) && Catch::Contains("no such file"));
  }
  SECTION("a tensor is in another shard than the index says") {
    change_index(folder, [&](json& i) { i["weight_map"]["model.norm.weight"] = first; });
    CHECK_THAT(refusal(folder), Catch::Contains("model.norm.weight") && Catch::Contains(last) && Catch::Contains("belongs into " + first));
  }
  SECTION("a tensor is in two shards") {
    auto tensors = read_tensors(folder / last);
    tensors.emplace_back("model.embed_tokens.weight", at::ones({300, 24}));
    write_tensors(folder / last, tensors);
    CHECK_THAT(refusal(folder), Catch::Contains(last + ": tensor model.embed_tokens.weight belongs into " + first));
  }
  SECTION("the index does not name a tensor, or names one that is nowhere") {
    change_index(folder, [](json& i) { i["weight_map"].erase("model.norm.weight"); });
    CHECK_THAT(refusal(folder), Catch::Contains("model.norm.weight is not in " + std::string(kIndex)));
    change_index(folder, [&](json& i) { i["weight_map"]["model.norm.weight"] = i["weight_map"]["no.such"] = last; });
    CHECK_THAT(refusal(folder), Catch::Contains("no.such, which is not in it"));
  }
  SECTION("the index leads out of the folder, or is no index") {
    for (const char* name : {"../x.safetensors", "/etc/passwd", "..", ".", "", "sub/x.safetensors"}) {
      change_index(folder, [&](json& i) { i["weight_map"]["model.norm.weight"] = name; });
      CHECK_THAT(refusal(folder), Catch::Contains("expected the name of a file beside the index"));
    }
    change_index(folder, [](json& i) { i["weight_map"]["model.norm.weight"] = 5; });
    CHECK_THAT(refusal(folder), Catch::Contains("weight_map names 5"));
    for (const char* text : {"", "[]", "{\"weight_map\": {}}", "{\"weight_map\": []}"}) {
      write_file(folder / kIndex, text);
      CHECK_THAT(refusal(folder), Catch::Contains("'weight_map'"));
    }
  }
}

TEST_CASE("generation_config.json is carried over byte for byte; only an end token it lacks is added") {
  const fs::path from = scratch("generation_from"), to = scratch("generation_to");
  tiny_model()->save(from);
  const std::string own = "{ \"temperature\":0.6,\n\"eos_token_id\": [257, 258], \"do_sample\": true}";
  write_file(from / "generation_config.json", own);
  CausalLm::load(from)->save(to);
  CHECK(read_file(to / "generation_config.json") == own);
  CausalLm::load(to)->save(from);  // as a run that was resumed
  CHECK(read_file(from / "generation_config.json") == own);
  write_file(from / "generation_config.json", "{\"eos_token_id\": 258, \"top_p\": 0.9}");
  CausalLm::load(from)->save(to);
  CHECK(json::parse(read_file(to / "generation_config.json")) == json{{"eos_token_id", {258, 257}}, {"top_p", 0.9}});
}
