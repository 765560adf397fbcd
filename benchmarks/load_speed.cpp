// Seconds from a model's path to a model in memory.
//
//   load_speed [--copied] [--touch] [--rounds N] <model: folder or .gguf>...
//
// Weights are mapped where that is possible; --copied: into memory of their own, as for training. --touch: and all are read
// once, so that what mapping puts off is counted. Median, fastest and slowest of N rounds (9), each in a process of its own
// since memory that was used before is faster, after one that warms the page cache.
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/policy/weights.hpp"

#include <ATen/ATen.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Options {
  grpo::WeightPlace place = grpo::WeightPlace::mapped;
  bool touch = false;
  int rounds = 9;
  std::vector<std::string> models;
};

double load_once(const std::string& path, const Options& options) {
  const auto begin = std::chrono::steady_clock::now();
  const auto config = grpo::read_model_config(path);
  const grpo::CausalLm model(config, grpo::load_weights(path, config, options.place));
  if (options.touch)
    for (const grpo::Parameter& p : model.parameters()) (void)p.tensor.detach().sum().item<double>();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// load_once() in a child; this process itself never starts a thread.
double load_in_child(const std::string& path, const Options& options) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
  const ::pid_t child = ::fork();
  if (child == 0) {
    double seconds = -1.0;
    try {
      seconds = load_once(path, options);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    ::_exit(::write(ends[1], &seconds, sizeof seconds) == sizeof seconds ? 0 : 1);
  }
  ::close(ends[1]);
  double seconds = -1.0;
  const bool answered = child > 0 && ::read(ends[0], &seconds, sizeof seconds) == sizeof seconds;
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  if (!answered || seconds < 0.0) throw std::runtime_error(path + " was not loaded");
  return seconds;
}

void measure(const std::string& path, const Options& options) {
  (void)load_in_child(path, options);
  std::vector<double> seconds;
  for (int round = 0; round < options.rounds; ++round) seconds.push_back(load_in_child(path, options));
  std::sort(seconds.begin(), seconds.end());
  std::printf("%s: median %.3f s, %.3f to %.3f s\n", path.c_str(), seconds[seconds.size() / 2], seconds.front(), seconds.back());
}

}  // namespace

int main(int count, char** arguments) try {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--copied") {
      options.place = grpo::WeightPlace::copied;
    } else if (argument == "--touch") {
      options.touch = true;
    } else if (argument == "--rounds" && i + 1 < count) {
      options.rounds = std::max(1, std::atoi(arguments[++i]));
    } else {
      options.models.push_back(argument);
    }
  }
  if (options.models.empty()) {
    std::fprintf(stderr, "usage: load_speed [--copied] [--touch] [--rounds N] <model: folder or .gguf>...\n");
    return 2;
  }
  for (const std::string& model : options.models) measure(model, options);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 3;
}
