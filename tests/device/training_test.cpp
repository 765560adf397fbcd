// Training, sampling, checkpoints and ranks on a device against the CPU.
#include "tests/dist/ranks.hpp"  // before Catch2, whose CHECK stands in place of libtorch's

#include "libgrpo/policy/tensor_file.hpp"
#include "tests/contract/sampler_contract.hpp"
#include "tests/device/under_test.hpp"
#include "tests/support/fake_device.hpp"
#include "tests/support/tensors.hpp"
#include "tests/trainer/world.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <mutex>
#include <unistd.h>

using namespace grpo;
using grpo::testing::ByteTokenizer;
using grpo::testing::device_under_test;
using grpo::testing::make_prompt;
using grpo::testing::max_abs_difference;
using grpo::testing::tiny_model;
using grpo::testing::TrainingFixture;

namespace {

using Ids = std::vector<std::int32_t>;

ObjectiveOptions with_reference() {
  ObjectiveOptions options;
  options.beta = 0.05;
  return options;
}

struct Course {
  std::vector<double> losses, norms;
  std::vector<Ids> completions;
};

Course take_steps(Trainer& trainer, int steps) {
  Course course;
  for (int i = 0; i < steps; ++i) {
    const StepReport report = trainer.step();
    course.losses.push_back(report.metrics.at("loss"));
    course.norms.push_back(report.metrics.at("grad_norm"));
    for (const Group& group : report.groups)
      for (const Completion& c : group.completions) course.completions.push_back(c.ids);
  }
  return course;
}

Course train(TrainingFixture& world, int steps) {
  world.options.total_steps = steps;
  Trainer trainer = world.trainer();
  return take_steps(trainer, steps);
}

void check_alike(const Course& there, const Course& here, double bound = 1e-4) {
  CHECK(there.completions == here.completions);
  REQUIRE(there.losses.size() == here.losses.size());
  for (std::size_t i = 0; i < here.losses.size(); ++i) {
    CHECK(there.losses[i] == Approx(here.losses[i]).margin(bound));
    CHECK(there.norms[i] == Approx(here.norms[i]).epsilon(1e-3));
  }
}

double difference(const std::vector<Parameter>& a, const std::vector<Parameter>& b) {
  double most = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, max_abs_difference(a[i].tensor.to(at::kCPU), b[i].tensor.to(at::kCPU)));
  return most;
}

class Folder {
 public:
  Folder() : path(std::filesystem::temp_directory_path() / ("grpo_device_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

}  // namespace

TEST_CASE("training on a device takes the course that it takes on the CPU: texts, losses, weights") {
  TrainingFixture here(with_reference()), there(with_reference(), device_under_test());
  check_alike(train(there, 6), train(here, 6));
  CHECK(difference(there.model->parameters(), here.model->parameters()) < 2e-3);
  for (const auto& [name, tensor] : there.optimizer->state()) CHECK(tensor.device() == device_under_test());
}

TEST_CASE("the sampler keeps its contract on a device, in one wave and in many, and draws the texts of the CPU") {
  const std::vector<Prompt> prompts{make_prompt(1, "the same start: one"), make_prompt(2, "the same start: two"),
                                    make_prompt(3, "another thing entirely")};
  const auto here = tiny_model(), there = tiny_model(1, 0.3, device_under_test());
  const ByteTokenizer tokenizer;
  InProcessSampler one(*there, tokenizer), many(*there, tokenizer, 3), cpu(*here, tokenizer);
  contract::sampler_contract(one, prompts);
  contract::sampler_contract(many, prompts);
  SamplingParams params;
  params.num_generations = 5;
  params.max_completion_length = 90;  // beyond the first page
  params.temperature = 0.9;
  params.top_p = 0.95;
  params.stop_sequences = {"e"};
  const auto completions = [&](Sampler& sampler) {
    std::vector<Completion> all;
    for (Group& group : sampler.generate(prompts, params)) all.insert(all.end(), group.completions.begin(), group.completions.end());
    return all;
  };
  const auto expected = completions(cpu);
  // A draw that falls on the last bits of a sum may go the other way: of a thousand draws one at most.
  for (Sampler* sampler : {&one, &many}) {
    const auto found = completions(*sampler);
    int others = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      others += found[i].ids != expected[i].ids ? 1 : 0;
      for (std::size_t t = 0; t < std::min(found[i].ids.size(), expected[i].ids.size()) && found[i].ids[t] == expected[i].ids[t]; ++t)
        CHECK(std::abs(found[i].log_probs[t] - expected[i].log_probs[t]) < 1e-3F);
    }
    CHECK(others <= 1);
  }
}

TEST_CASE("what the sampler says of its tokens on a device is what the model scores there") {
  const auto there = tiny_model(3, 0.5, device_under_test());
  const ByteTokenizer tokenizer;
  InProcessSampler sampler(*there, tokenizer);
  CHECK(sampler.exact_log_probs());
  SamplingParams params;
  params.num_generations = 4;
  params.max_completion_length = 40;
  params.temperature = 0.7;
  const Batch batch(sampler.generate({make_prompt(1, "tell"), make_prompt(2, "tell me more")}, params));
  const auto scores = score_batch(*there, batch, {params.temperature, 100});
  CHECK(max_abs_difference(scores.log_probs, batch.sampler_log_probs()) < 1e-4);
}

TEST_CASE("a run goes on from its files on another device") {
  const Folder folder;
  TrainingFixture straight, first({}, device_under_test());
  const Course whole = train(straight, 6);
  train(first, 3);
  first.model->save(folder.path);
  write_tensors(folder.path / "optimizer.safetensors", first.optimizer->state());
  TrainingFixture second;
  const ModelConfig config = read_model_config(folder.path);
  TrainingFixture::copy(CausalLm(config, load_weights(folder.path, config)).parameters(), second.model->parameters());
  second.optimizer->restore(read_tensors(folder.path / "optimizer.safetensors"), first.optimizer->steps());
  CHECK(difference(second.model->parameters(), first.model->parameters()) == 0.0);
  TrainingFixture third({}, device_under_test());  // and back
  TrainingFixture::copy(second.model->parameters(), third.model->parameters());
  third.optimizer->restore(second.optimizer->state(), 3);
  third.options.total_steps = 6;
  TrainerState state;
  state.step = 3;
  state.prompts_drawn = 9;
  Trainer trainer({third.prompts, third.order, third.sampler, third.reward, *third.objective, *third.model, nullptr, *third.optimizer},
                  third.options, state);
  const Course rest = take_steps(trainer, 3);
  CHECK(std::equal(rest.completions.begin(), rest.completions.end(),
                   whole.completions.end() - static_cast<std::ptrdiff_t>(rest.completions.size())));
  CHECK(difference(third.model->parameters(), straight.model->parameters()) < 2e-3);
}

TEST_CASE("moments in bfloat16 are rounded with the same draws on a device") {
  const auto run = [](at::Device device) {
    auto x = at::ones({37}).to(device).requires_grad_(true);
    AdamW adam({{"x", x, true}}, {0.9, 0.99, 1e-8, 0.1, at::kBFloat16});
    for (int step = 1; step <= 5; ++step) {
      x.mutable_grad() = at::sin(at::arange(37, at::kFloat) * step).to(device);
      adam.step(0.01);
    }
    std::vector<at::Tensor> all{x.detach().to(at::kCPU)};
    for (const auto& [name, tensor] : adam.state()) all.push_back(tensor.to(at::kCPU));
    return all;
  };
  const auto there = run(device_under_test()), here = run(at::kCPU);
  for (std::size_t i = 0; i < here.size(); ++i) CHECK(max_abs_difference(there[i], here[i]) <= (i == 0 ? 1e-6 : 1e-2));
  CHECK(there[1].eq(here[1]).to(at::kFloat).mean().item<double>() > 0.9);
}

TEST_CASE("adapters train on a device as on the CPU, and are saved from there") {
  const Folder folder;
  const auto steps = [&](at::Device device) {
    TrainingFixture world({}, device);
    LoraOptions options;
    options.rank = 4;
    options.target_modules = {"all-linear"};
    world.model->adapt(Lora(options, world.model->config(), world.model->weights()));
    world.model->require_grad();
    world.optimizer = std::make_unique<AdamW>(world.model->parameters(), AdamWOptions());
    world.options.noisy_passes = true;
    const Course course = train(world, 4);
    world.model->save(folder.path);
    const Lora read = Lora::read(folder.path, world.model->config(), world.model->weights());
    CHECK(difference(read.parameters(), world.model->parameters()) == 0.0);
    CHECK(read.parameters().front().tensor.device() == device);
    world.model->merge_adapters();
    return std::pair{course, world.weights()};
  };
  const auto [there, merged_there] = steps(device_under_test());
  const auto [here, merged_here] = steps(at::kCPU);
  check_alike(there, here);
  for (std::size_t i = 0; i < merged_here.size(); ++i) CHECK(max_abs_difference(merged_there[i].to(at::kCPU), merged_here[i]) < 2e-3);
}

TEST_CASE("ranks on a device sum, divide and gather as ranks on the CPU, in every zero_stage", "[dist][fake]") {
  const auto course_of = [](World* world, std::int64_t stage, at::Device device) {
    static std::mutex making;  // at::manual_seed is everybody's
    std::unique_ptr<TrainingFixture> parts;
    {
      const std::lock_guard lock(making);
      parts = std::make_unique<TrainingFixture>(with_reference(), device);
    }
    parts->options.total_steps = 4;
    if (world != nullptr) parts->share_with(*world, stage);
    Trainer trainer(parts->of_rank(world), parts->options);
    return take_steps(trainer, 4);
  };
  const Course alone = course_of(nullptr, 0, at::kCPU);
  for (const std::int64_t stage : {0, 1, 2, 3}) {
    INFO("zero_stage " << stage);
    std::vector<Course> ranks(2);
    grpo::testing::on_ranks(2, [&](World& world) {
      const at::Device device = world.rank() == 0 ? grpo::testing::kFake : grpo::testing::kOtherFake;
      ranks[static_cast<std::size_t>(world.rank())] = course_of(&world, stage, device);
    });
    for (const Course& rank : ranks) check_alike(rank, alone);
  }
}
