// gguf_greedy MODEL TOKENS < TEXTS: for each text of a JSON list one line {"prompt": ids, "ids": the likeliest tokens}.
#include "libgrpo/base/error.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: gguf_greedy MODEL TOKENS < TEXTS");
  const auto tokenizer = grpo::load_tokenizer(argv[1]);
  const auto model = grpo::CausalLm::load(argv[1]);
  std::vector<grpo::Prompt> prompts;
  for (const std::string& text : nlohmann::json::parse(std::cin).get<std::vector<std::string>>()) {
    grpo::Prompt prompt;
    prompt.id = prompts.size();
    prompt.ids = tokenizer->encode(text);
    prompts.push_back(std::move(prompt));
  }
  grpo::SamplingParams params;
  params.num_generations = 1;
  params.temperature = 0.0;
  params.max_completion_length = std::stoll(argv[2]);
  grpo::InProcessSampler sampler(*model, *tokenizer);
  std::size_t number = 0;
  for (const grpo::Group& group : sampler.generate(prompts, params))
    std::cout << nlohmann::json{{"prompt", prompts[number++].ids}, {"ids", group.completions.front().ids}}.dump() << "\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << "gguf_greedy: " << error.what() << "\n";
  return 1;
}
