// Tokens per second of sampling: the sampler, and beside it the plain engine that it is tested against.
//
//   decode_speed [--rounds N] [--tokens N] [--prompt N] [--skip_plain] <model: folder or .gguf> <rows>...
//
// Completions of `tokens` forced tokens (128) behind one shared prompt of `prompt` tokens (70); both ways in turns, N rounds (5)
// behind one that warms up. Prompt and drawing are counted. Prints median, slowest and fastest round, and where the sampler's
// time went in its median round.
#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/sampler/engine.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"
#include "libgrpo/sampler/select_token.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <numeric>
#include <string>
#include <vector>

namespace {

struct Options {
  int rounds = 5;
  std::int64_t tokens = 128, prompt = 70;
  bool plain = true;
  std::vector<std::string> rest;
};

grpo::Prompt prompt_of(const Options& options, const grpo::ModelConfig& config) {
  grpo::Prompt prompt;
  prompt.id = 1;
  for (std::int64_t i = 0; i < options.prompt; ++i) prompt.ids.push_back(static_cast<std::int32_t>((i * 7919 + 11) % config.vocab_size));
  return prompt;
}

/// The loop around the plain engine. Returns seconds.
double sample_plainly(const grpo::CausalLm& model, const grpo::Prompt& prompt, const grpo::SamplingParams& params) {
  const grpo::Stopwatch watch;
  const auto rows = static_cast<std::size_t>(params.num_generations);
  const auto& ends = model.config().eos_token_ids;
  grpo::Engine engine(model);
  at::Tensor logits = engine.prefill({prompt.ids}, params.num_generations).expand({params.num_generations, -1}).contiguous();
  std::vector<std::int64_t> cache_rows(rows);
  std::iota(cache_rows.begin(), cache_rows.end(), 0);
  std::vector<std::int32_t> next(rows);
  for (std::int64_t t = 0; t < params.max_completion_length; ++t) {
    const std::size_t vocabulary = static_cast<std::size_t>(logits.size(1));
    at::parallel_for(0, params.num_generations, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const double u = grpo::uniform({params.seed, prompt.id, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(t)});
        const float* row = logits.const_data_ptr<float>() + i * logits.size(1);
        next[static_cast<std::size_t>(i)] = grpo::select_token({row, vocabulary}, params, u, ends).id;
      }
    });
    if (t + 1 < params.max_completion_length) logits = engine.decode(cache_rows, next);
  }
  return watch.seconds();
}

void print(const char* what, std::int64_t rows, double tokens, std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  std::printf("rows %3lld  %-7s median %7.1f tokens/s, %.1f to %.1f\n", static_cast<long long>(rows), what,
              tokens / seconds[seconds.size() / 2], tokens / seconds.back(), tokens / seconds.front());
}

void measure(const grpo::CausalLm& model, const grpo::Tokenizer& tokenizer, const Options& options, std::int64_t rows) {
  grpo::SamplingParams params;
  params.num_generations = rows;
  params.max_completion_length = params.min_completion_length = options.tokens;
  const grpo::Prompt prompt = prompt_of(options, model.config());
  grpo::InProcessSampler sampler(model, tokenizer);
  std::vector<double> plain, own;
  std::vector<std::pair<double, grpo::SamplingTimes>> shares;
  for (int round = -1; round < options.rounds; ++round) {
    const double before = options.plain ? sample_plainly(model, prompt, params) : 0.0;
    const grpo::Stopwatch watch;
    (void)sampler.generate({prompt}, params);
    if (round < 0) continue;
    plain.push_back(before);
    own.push_back(watch.seconds());
    shares.emplace_back(own.back(), sampler.times());
  }
  const auto tokens = static_cast<double>(rows * options.tokens);
  if (options.plain) print("plain", rows, tokens, plain);
  print("sampler", rows, tokens, own);
  std::sort(shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  const auto& [seconds, times] = shares[shares.size() / 2];
  std::printf("          matrices %.1f %%, attention %.1f %%, head %.1f %%, other layers %.1f %%, drawing %.1f %%\n",
              100.0 * times.decoder.matrices / seconds, 100.0 * times.decoder.attention / seconds, 100.0 * times.decoder.head / seconds,
              100.0 * times.decoder.other / seconds, 100.0 * times.drawing / seconds);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) try {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--rounds" && i + 1 < count) {
      options.rounds = std::max(1, std::atoi(arguments[++i]));
    } else if (argument == "--tokens" && i + 1 < count) {
      options.tokens = std::max(1, std::atoi(arguments[++i]));
    } else if (argument == "--prompt" && i + 1 < count) {
      options.prompt = std::max(1, std::atoi(arguments[++i]));
    } else if (argument == "--skip_plain") {
      options.plain = false;
    } else {
      options.rest.push_back(argument);
    }
  }
  if (options.rest.size() < 2) {
    std::fprintf(stderr, "usage: decode_speed [--rounds N] [--tokens N] [--prompt N] [--skip_plain] <model> <rows>...\n");
    return 2;
  }
  const auto model = grpo::CausalLm::load(options.rest[0]);
  const auto tokenizer = grpo::load_tokenizer(options.rest[0]);
  for (std::size_t i = 1; i < options.rest.size(); ++i)
    measure(*model, *tokenizer, options, std::max(1, std::atoi(options.rest[i].c_str())));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 3;
}
