// Seconds that encode() takes for all texts of a file: a server of measurements for tokenizer_speed.py.
//
//   tokenizer_speed <model: folder, tokenizer.json or .gguf> <texts: a JSON list of strings> [threads]
//
// Reads a line, encodes all texts once, writes "<seconds> <tokens> <digest>"; so that the caller can interleave runs.
#include "libgrpo/text/tokenizer.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

namespace {

int measure(const char* model, const char* file, int threads) {
  const auto tokenizer = grpo::load_tokenizer(model);
  const auto texts = nlohmann::json::parse(std::ifstream(file)).get<std::vector<std::string>>();
  std::vector<std::vector<std::int32_t>> ids(texts.size());
  for (std::string line; std::getline(std::cin, line);) {
    const auto begin = std::chrono::steady_clock::now();
    if (threads == 1) {
      for (std::size_t i = 0; i < texts.size(); ++i) ids[i] = tokenizer->encode(texts[i]);
    } else {
      ids = grpo::encode_batch(*tokenizer, texts, threads);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::size_t tokens = 0;
    std::uint64_t digest = 0;
    for (const auto& one : ids) {
      tokens += one.size();
      for (const std::int32_t id : one) digest = digest * 1'000'003 + static_cast<std::uint64_t>(id);
    }
    std::printf("%.6f %zu %llu\n", seconds.count(), tokens, static_cast<unsigned long long>(digest));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    std::fprintf(stderr, "usage: tokenizer_speed <model> <texts.json> [threads]\n");
    return 2;
  }
  try {
    return measure(arguments[1], arguments[2], count > 3 ? std::atoi(arguments[3]) : 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 3;
  }
}
