// save_folder MODEL FOLDER [BYTES]: reads a model and writes it as a training run does, in files of at most BYTES; without a
// tokenizer where MODEL is a folder that has none.
#include "libgrpo/checkpoint/checkpoint.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/policy/weights_write.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

int main(int argc, char** argv) try {
  if (argc != 3 && argc != 4) throw std::runtime_error("usage: save_folder MODEL FOLDER [BYTES]");
  const auto policy = grpo::CausalLm::load(argv[1]);
  const std::filesystem::path model = argv[1];
  if (std::filesystem::is_directory(model) && !std::filesystem::exists(model / "tokenizer.json")) {
    std::filesystem::create_directories(argv[2]);
    policy->save(argv[2]);
  } else {
    grpo::save_model(argv[2], *policy, *grpo::load_tokenizer(model));
  }
  if (argc == 4) grpo::write_model_weights(argv[2], grpo::named_slices(policy->weights(), policy->config()), std::stoull(argv[3]));
  return 0;
} catch (const std::exception& error) {
  std::cerr << "save_folder: " << error.what() << "\n";
  return 1;
}
