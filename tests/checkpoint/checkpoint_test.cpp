#include "libgrpo/checkpoint/checkpoint.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/checkpoint/optimizer_shards.hpp"
#include "tests/support/tiny_model.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <set>

using namespace grpo;
using grpo::testing::ByteTokenizer;
using grpo::testing::tiny_model;
namespace fs = std::filesystem;

namespace {

fs::path scratch(const std::string& name) {
  const fs::path folder = fs::temp_directory_path() / ("grpo_checkpoint_" + name);
  fs::remove_all(folder);
  return folder;
}

RunState state_at(std::int64_t step) {
  RunState s;
  s.step = step;
  s.optimizer_steps = step - 1;
  s.tokens_seen = 1234567890123;
  s.max_steps = 100;
  s.epoch = 0.125;
  s.seed = 42;
  s.objective_state = "{\"beta\":0.25}";
  return s;
}

fs::path save_at(const fs::path& dir, std::int64_t step, const CausalLm& model) {
  const ByteTokenizer tokenizer;
  return save_checkpoint(
      dir, {model, tokenizer, {{"exp_avg.x", at::arange(0, 6).to(at::kFloat).view({2, 3}) / 7}}, state_at(step), "seed = 42\n"});
}

}  // namespace

TEST_CASE("what a checkpoint saves comes back: state, optimizer, model, tokenizer files, recipe") {
  const fs::path dir = scratch("round_trip");
  const auto model = tiny_model();
  const fs::path saved = save_at(dir, 7, *model);
  CHECK(saved == dir / "checkpoint-7");
  const RunState s = load_run_state(saved);
  CHECK(s.step == 7);
  CHECK(s.optimizer_steps == 6);
  CHECK(s.tokens_seen == 1234567890123);
  CHECK(s.seed == 42);
  CHECK(s.objective_state == "{\"beta\":0.25}");
  const auto optimizer = load_optimizer_state(saved, {{"exp_avg.x", 6}});
  REQUIRE(optimizer.size() == 1);
  CHECK(optimizer[0].first == "exp_avg.x");
  CHECK(at::equal(optimizer[0].second, at::arange(0, 6).to(at::kFloat).view({2, 3}) / 7));
  CHECK(at::equal(CausalLm::load(saved)->weights().embed, model->weights().embed));
  CHECK(read_file(saved / "recipe.resolved.toml") == "seed = 42\n");
  CHECK(read_file(saved / "tokenizer.json") == "{}\n");
  for (const auto& entry : fs::directory_iterator(dir)) CHECK(entry.path().filename().string().find("partial") == std::string::npos);
}

TEST_CASE("the last complete checkpoint is chosen; a damaged or half-written one is skipped with a warning") {
  const fs::path dir = scratch("last");
  const auto model = tiny_model();
  for (const int step : {2, 10, 9}) save_at(dir, step, *model);
  std::vector<std::string> warnings;
  const Log log([&](LogLevel, std::string_view text) { warnings.emplace_back(text); });
  CHECK(last_checkpoint(dir, log) == dir / "checkpoint-10");
  CHECK(warnings.empty());
  SECTION("truncated weights") {
    fs::resize_file(dir / "checkpoint-10" / "model.safetensors", 100);
    CHECK(last_checkpoint(dir, log) == dir / "checkpoint-9");
    REQUIRE(warnings.size() == 1);
    CHECK_THAT(warnings[0], Catch::Contains("model.safetensors") && Catch::Contains("100 bytes"));
  }
  SECTION("no manifest: the process died while writing it") {
    fs::remove(dir / "checkpoint-10" / "manifest.json");
    CHECK(last_checkpoint(dir, log) == dir / "checkpoint-9");
  }
  SECTION("a missing file") {
    fs::remove(dir / "checkpoint-10" / "optimizer.safetensors");
    CHECK(last_checkpoint(dir, log) == dir / "checkpoint-9");
  }
  SECTION("folders of other names are no checkpoints") {
    fs::create_directories(dir / "checkpoint-99x");
    fs::create_directories(dir / ".checkpoint-11.partial");
    CHECK(last_checkpoint(dir, log) == dir / "checkpoint-10");
  }
  CHECK_FALSE(last_checkpoint(dir / "nowhere", log).has_value());
}

TEST_CASE("rotation keeps the newest by step, not by name") {
  const fs::path dir = scratch("rotate");
  const auto model = tiny_model();
  for (const int step : {2, 10, 9}) save_at(dir, step, *model);
  rotate_checkpoints(dir, 10, 2, Log());
  CHECK_FALSE(fs::exists(dir / "checkpoint-2"));
  CHECK(fs::exists(dir / "checkpoint-9"));
  CHECK(fs::exists(dir / "checkpoint-10"));
}

TEST_CASE("checkpoints behind the step that was saved last are of a course that was left, and go first") {
  const fs::path dir = scratch("left_course");
  const auto model = tiny_model();
  for (const int step : {2, 90, 100}) save_at(dir, step, *model);
  rotate_checkpoints(dir, 2, 1, Log());
  CHECK(fs::exists(dir / "checkpoint-2" / "manifest.json"));
  CHECK_FALSE(fs::exists(dir / "checkpoint-90"));
  CHECK_FALSE(fs::exists(dir / "checkpoint-100"));
}

TEST_CASE("what killed saves left behind goes when the next one begins") {
  const fs::path dir = scratch("leftovers");
  fs::create_directories(dir / ".checkpoint-7.partial");
  write_file(dir / ".checkpoint-7.partial" / "model.safetensors", "half");
  save_at(dir, 9, *tiny_model());
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir)) names.push_back(entry.path().filename().string());
  CHECK(names == std::vector<std::string>{"checkpoint-9"});
}

TEST_CASE("a checkpoint of the same step is replaced whole") {
  const fs::path dir = scratch("replace");
  save_at(dir, 3, *tiny_model(1));
  const auto second = tiny_model(2);
  save_at(dir, 3, *second);
  CHECK(at::equal(CausalLm::load(dir / "checkpoint-3")->weights().embed, second->weights().embed));
  CHECK(checkpoint_damage(dir / "checkpoint-3").empty());
  CHECK_FALSE(fs::exists(dir / ".checkpoint-3.partial"));
}

TEST_CASE("a folder that cannot be written is an error with path and reason, and nothing is left behind") {
  CHECK_THROWS_WITH(save_at("/proc/nowhere", 1, *tiny_model()), Catch::Contains("/proc/nowhere"));
}

TEST_CASE("a trainer state with a missing or wrong field names file and field") {
  const fs::path dir = scratch("state");
  const fs::path saved = save_at(dir, 1, *tiny_model());
  std::ofstream(saved / "trainer_state.json") << "{\"global_step\": \"one\"}";
  CHECK_THROWS_WITH(load_run_state(saved), Catch::Contains("trainer_state.json") && Catch::Contains("global_step"));
}

TEST_CASE("the finished model is written flat, without leftovers") {
  const fs::path dir = scratch("model");
  save_model(dir, *tiny_model(), ByteTokenizer());
  CHECK(fs::exists(dir / "model.safetensors"));
  CHECK(fs::exists(dir / "tokenizer.json"));
  CHECK_FALSE(fs::exists(dir / ".model.partial"));
}

TEST_CASE("a finished model replaces the shards and the adapters of an earlier one") {
  const fs::path dir = scratch("stale");
  fs::create_directories(dir);
  for (const char* name : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json",
                           "adapter_config.json", "adapter_model.safetensors", "metrics.jsonl"})
    std::ofstream(dir / name) << "{}";
  save_model(dir, *tiny_model(), ByteTokenizer());
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir)) names.insert(entry.path().filename().string());
  CHECK(names == std::set<std::string>{"config.json", "generation_config.json", "metrics.jsonl", "model.safetensors", "tokenizer.json"});
}

TEST_CASE("tensors of a checkpoint come back in their own types") {
  const fs::path dir = scratch("types");
  const auto values = at::arange(0, 6).view({2, 3});
  NamedTensors state;
  for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf, at::kLong, at::kBool})
    state.emplace_back(at::toString(type), values.to(type));
  state.emplace_back("turned", values.to(at::kFloat).t());  // not contiguous
  state.emplace_back("none", at::empty({0, 4}));
  const ByteTokenizer tokenizer;
  const fs::path saved = save_checkpoint(dir, {*tiny_model(), tokenizer, state, state_at(1), ""});
  std::vector<std::pair<std::string, std::int64_t>> wanted;
  for (const auto& [name, tensor] : state) wanted.emplace_back(name, tensor.numel());
  const NamedTensors loaded = load_optimizer_state(saved, wanted);
  REQUIRE(loaded.size() == state.size());
  for (std::size_t i = 0; i < state.size(); ++i) {
    INFO(state[i].first);
    CHECK(loaded[i].first == state[i].first);
    CHECK(loaded[i].second.scalar_type() == state[i].second.scalar_type());
    CHECK(at::equal(loaded[i].second, state[i].second));
  }
}
