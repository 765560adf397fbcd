// save_folder MODEL FOLDER: reads a model and writes it as a training run does.
#include "libgrpo/checkpoint/checkpoint.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <exception>
#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: save_folder MODEL FOLDER");
  grpo::save_model(argv[2], *grpo::CausalLm::load(argv[1]), *grpo::load_tokenizer(argv[1]));
  return 0;
} catch (const std::exception& error) {
  std::cerr << "save_folder: " << error.what() << "\n";
  return 1;
}
