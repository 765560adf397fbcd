// A trainer of your own on the installed library: own_trainer MODEL OUTPUT [STEPS] [LEARNING_RATE]
//
// It teaches a model to write with few different letters, by Dr.GRPO with REINFORCE's leave-one-out baseline. MODEL is a folder, a
// .gguf file or a repository id; OUTPUT becomes a Hugging Face folder. The loop below is what Trainer::step() does, without
// its options: own the loop, and you own the order of things.
#include "libgrpo/grpo.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <set>
#include <string>

#if LIBGRPO_VERSION_MAJOR > 0
#error "written for libgrpo 0"
#endif

namespace {

constexpr std::int64_t kPrompts = 4, kGroup = 8, kLength = 16;

// The fewer different bytes, the better: from 1 for one byte repeated down to nearly 0.
grpo::Reward few_letters(const grpo::Prompt&, const grpo::Completion& completion) {
  if (completion.text.empty()) return grpo::Reward::of(0.0);
  const std::set<char> letters(completion.text.begin(), completion.text.end());
  return grpo::Reward::of(1.0 - static_cast<double>(letters.size() - 1) / static_cast<double>(completion.text.size()));
}

grpo::Prompt ask(const grpo::Tokenizer& tokenizer, const std::string& text) {
  grpo::Prompt prompt;
  prompt.text = text;
  prompt.ids = tokenizer.encode(text);
  prompt.id = grpo::fnv1a(text);
  return prompt;
}

void train(const std::string& name, const std::string& output, int steps, double learning_rate) {
  const grpo::ModelPlace place = grpo::locate_model(name, "main");
  const auto tokenizer = grpo::load_tokenizer(place.text);
  const auto policy = grpo::CausalLm::load(place.weights);
  policy->require_grad();
  grpo::InProcessSampler sampler(*policy, *tokenizer);
  grpo::RewardSet rewards;
  rewards.add(grpo::make_reward("few_letters", few_letters));
  grpo::ObjectiveOptions options;
  options.loss_type = grpo::LossType::dr_grpo;
  options.advantage_estimator = grpo::AdvantageEstimator::rloo;
  grpo::Grpo objective(options, {kGroup, kLength, policy->config().vocab_size, 0});
  grpo::AdamW optimizer(policy->parameters(), {});

  std::vector<grpo::Prompt> prompts;
  for (const char* text : {"The sea ", "A stone ", "One day ", "No one "}) prompts.push_back(ask(*tokenizer, text));
  grpo::SamplingParams sampling;
  sampling.num_generations = kGroup;
  sampling.max_completion_length = sampling.min_completion_length = kLength;
  for (int step = 0; step < steps; ++step) {
    sampling.seed = grpo::derive_seed(42, static_cast<std::uint64_t>(step));
    sampler.refresh(*policy, step);
    const auto groups = sampler.generate(prompts, sampling);
    const grpo::RewardTable table = rewards.score(groups);
    const grpo::Batch batch(groups);
    const grpo::Credit credit = objective.credit({table, batch});
    optimizer.zero_grad();
    grpo::accumulate_gradient(*policy, objective, batch, credit, {}, {});
    const double norm = optimizer.grad_norm();
    if (norm > 1.0) optimizer.scale_grads(1.0 / norm);
    optimizer.step(learning_rate);
    if (step % 10 == 0 || step + 1 == steps)
      std::printf("step %3d  reward %.3f  groups without signal %.2f  %s\n", step + 1, credit.metrics.at("reward"),
                  credit.metrics.at("frac_reward_zero_std"), groups[0].completions[0].text.c_str());
  }
  std::filesystem::create_directories(output);
  policy->save(output);
  for (const auto& [file, text] : tokenizer->files()) std::ofstream(std::filesystem::path(output) / file) << text;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) return std::fprintf(stderr, "libgrpo %s: own_trainer MODEL OUTPUT [STEPS] [LEARNING_RATE]\n", LIBGRPO_VERSION), 2;
  train(argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 20, argc > 4 ? std::atof(argv[4]) : 1e-5);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
