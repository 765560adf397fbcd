// save_folder MODEL FOLDER: reads a model and writes it as a training run does; without a tokenizer where MODEL is a folder that
// has none.
#include "libgrpo/checkpoint/checkpoint.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <exception>
#include <filesystem>
#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: save_folder MODEL FOLDER");
  const auto policy = grpo::CausalLm::load(argv[1]);
  const std::filesystem::path model = argv[1];
  if (std::filesystem::is_directory(model) && !std::filesystem::exists(model / "tokenizer.json")) {
    std::filesystem::create_directories(argv[2]);
    policy->save(argv[2]);
  } else {
    grpo::save_model(argv[2], *policy, *grpo::load_tokenizer(model));
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << "save_folder: " << error.what() << "\n";
  return 1;
}
