/// A whole trainer around a tiny model, for tests.
#pragma once

#include "libgrpo/objective/grpo.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"
#include "libgrpo/trainer/gathered_sampler.hpp"
#include "libgrpo/trainer/trainer.hpp"
#include "tests/support/tiny_model.hpp"

#include <ATen/core/grad_mode.h>

#include <functional>
#include <memory>
#include <optional>

namespace grpo::testing {

class Questions final : public PromptSource {
 public:
  [[nodiscard]] std::size_t size() const override { return 6; }
  [[nodiscard]] Row row(std::size_t index) const override {
    Row r;
    r.question = "question " + std::to_string(index);
    r.solution = "a";
    r.origin = "questions:" + std::to_string(index);
    return r;
  }
};

/// A whole trainer around a tiny model that is rewarded for ids below 100: about a third of them at first.
struct TrainingFixture {
  at::Device device;
  std::unique_ptr<CausalLm> model = tiny_model(7, 0.15, device), reference = tiny_model(7, 0.15, device);
  ByteTokenizer tokenizer;
  Questions source;
  PromptSet prompts{source, tokenizer, nullptr, PromptStyle()};
  PromptOrder order{6, 3, 1, true};
  InProcessSampler sampler{*model, tokenizer};
  RewardSet reward;
  std::unique_ptr<Objective> objective;
  std::shared_ptr<ShardedWeights> shards;  // zero_stage 3, as the next two
  std::unique_ptr<CausalLm> divided;
  std::unique_ptr<GatheredSampler> gathered;
  std::unique_ptr<GradientSum> gradients;  // of several ranks
  std::unique_ptr<AdamW> optimizer;
  TrainerOptions options;
  Sampler* used_sampler = &sampler;
  std::unique_ptr<ReferenceSync> sync;

  explicit TrainingFixture(ObjectiveOptions o = {}, at::Device where = at::kCPU) : device(where), objective(std::make_unique<Grpo>(o)) {
    model->require_grad();
    optimizer = std::make_unique<AdamW>(model->parameters(), AdamWOptions());
    set_reward([](const Prompt&, const Completion& c) {
      double share = 0.0;
      for (const auto id : c.ids) share += id < 100 ? 1.0 : 0.0;
      return Reward::of(share / static_cast<double>(c.ids.size()));
    });
    options.total_steps = 4;
    options.sampling.num_generations = 4;
    options.sampling.max_completion_length = 6;
    options.learning_rate = [](std::int64_t) { return 0.01; };
  }
  /// One of several ranks.
  void share_with(World& world, std::int64_t zero_stage) {
    if (world.size() == 1) return;
    if (zero_stage == 3) {
      shards = std::make_shared<ShardedWeights>(world, *model);
      divided = shards->model(shards);
      gathered = std::make_unique<GatheredSampler>(*shards, tokenizer);
      used_sampler = gathered.get();
      gradients = std::make_unique<GradientSum>(world, *shards);
    }
    if (!gradients) gradients = std::make_unique<GradientSum>(world, model->parameters(), 4096, zero_stage);
    optimizer = std::make_unique<AdamW>(gradients->own(), AdamWOptions());
  }
  TrainerParts of_rank(World* world) {
    TrainerParts parts{prompts, order, *used_sampler, reward, *objective, policy(), reference.get(), *optimizer, sync.get(), world};
    parts.gradients = gradients.get();
    return parts;
  }
  CausalLm& policy() { return divided ? *divided : *model; }
  void set_reward(std::function<Reward(const Prompt&, const Completion&)> f) {
    reward = RewardSet();
    reward.add(make_reward("low_ids", std::move(f)));
  }
  Trainer trainer(TrainerState state = {}, std::optional<Rollout> rollout = {}) {
    return Trainer({prompts, order, *used_sampler, reward, *objective, *model, reference.get(), *optimizer, sync.get()}, options, state,
                   std::move(rollout));
  }
  /// Weights, optimizer and counters of another world, as after a restart.
  void continue_from(const TrainingFixture& other) {
    copy(other.model->parameters(), model->parameters());
    copy(other.reference->parameters(), reference->parameters());
    optimizer->restore(other.optimizer->state(), other.optimizer->steps());
    objective->restore(other.objective->state());
  }
  static void copy(const std::vector<Parameter>& from, const std::vector<Parameter>& to) {
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < from.size(); ++i) to[i].tensor.copy_(from[i].tensor);
  }
  std::vector<at::Tensor> weights() const {
    std::vector<at::Tensor> copy;
    for (const auto& p : model->parameters()) copy.push_back(p.tensor.detach().clone());
    return copy;
  }
};

inline bool same(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!at::equal(a[i], b[i])) return false;
  return true;
}

}  // namespace grpo::testing
