// Training and sampling of a 0.5B-shape model on a GPU: tokens per second, share of the peak, peak memory. Random weights.
//
//   gpu_speed [--device cuda|cpu] [--shape 0.5b|tiny] [--dtype bfloat16|float32] [--rounds N] [--tokens N] [--budget ROWS]
//
// "gemm": a product of 8192 x 8192 matrices (512 for tiny), the peak that shares refer to. "train": forward, backward and AdamW over
// 4 prompts of 128 tokens with 8 completions of `tokens` (256) each; its share counts the arithmetic that the passes cannot do
// without (policy/work.hpp, a backward pass twice a forward one). "decode": `tokens` forced tokens behind one prompt of 128, at
// 8, 32 and 128 rows. Each figure is [median, slowest, fastest] of the rounds (5). Prints one JSON object.
#include "libgrpo/base/clock.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/policy/work.hpp"
#include "libgrpo/rollout/batch.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"
#include "libgrpo/text/tokenizer.hpp"
#include "libgrpo/trainer/adamw.hpp"

#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using std::int64_t;

struct Options {
  at::Device device = at::Device(at::kCUDA, 0);
  bool tiny = false, half = true;
  int rounds = 5;
  int64_t tokens = 256, budget = 8192;
};

/// Qwen2.5-0.5B's shape.
grpo::ModelConfig shape(const Options& o) {
  grpo::ModelConfig c;
  c.vocab_size = o.tiny ? 512 : 151936;
  c.hidden_size = o.tiny ? 64 : 896;
  c.intermediate_size = o.tiny ? 128 : 4864;
  c.num_layers = o.tiny ? 2 : 24;
  c.num_heads = o.tiny ? 4 : 14;
  c.num_kv_heads = 2;
  c.head_dim = o.tiny ? 16 : 64;
  c.context_length = 4096;
  c.tie_word_embeddings = c.qkv_bias = true;
  c.eos_token_ids = {0};
  c.dtype = o.half ? grpo::WeightType::bfloat16 : grpo::WeightType::float32;
  return c;
}

std::unique_ptr<grpo::CausalLm> random_model(const Options& o) {
  auto model = std::make_unique<grpo::CausalLm>(shape(o), grpo::Weights::allocate(shape(o), o.device));
  for (const grpo::Parameter& p : model->parameters())
    if (p.decays)
      p.tensor.normal_(0.0, 0.02);
    else
      p.tensor.fill_(p.name.ends_with("bias") ? 0.0 : 1.0);
  return model;
}

/// Texts do not matter here.
class NoText final : public grpo::Tokenizer {
 public:
  std::vector<std::int32_t> encode(std::string_view) const override { return {}; }
  std::string decode(std::span<const std::int32_t>, bool) const override { return {}; }
  std::string token_bytes(std::int32_t) const override { return {}; }
  int64_t vocab_size() const override { return 0; }
  std::int32_t id_of(std::string_view) const override { return -1; }
  bool is_special(std::int32_t) const override { return false; }
  std::vector<std::pair<std::string, std::string>> files() const override { return {}; }
};

void finish(const Options& o) {
  if (!o.device.is_cpu()) c10::impl::getDeviceGuardImpl(o.device.type())->synchronizeDevice(o.device.index());
}

/// Work per second: median, slowest, fastest, behind one round that warms up.
std::vector<double> rate(double work, const Options& o, const std::function<void()>& run) {
  std::vector<double> rates;
  for (int round = -1; round < o.rounds; ++round) {
    finish(o);
    const grpo::Stopwatch watch;
    run();
    finish(o);
    if (round >= 0) rates.push_back(work / watch.seconds());
  }
  std::sort(rates.begin(), rates.end());
  return {rates[rates.size() / 2], rates.front(), rates.back()};
}

std::string show(const std::vector<double>& figures, double unit) {
  char text[96];
  std::snprintf(text, sizeof text, "[%.3g, %.3g, %.3g]", figures[0] / unit, figures[1] / unit, figures[2] / unit);
  return text;
}

std::vector<double> gemm(const Options& o) {
  const int64_t n = o.tiny ? 512 : 8192;
  const auto a = at::randn({n, n}, at::TensorOptions(o.device).dtype(o.half ? at::kBFloat16 : at::kFloat));
  return rate(20.0 * 2.0 * static_cast<double>(n * n * n), o, [&] {
    for (int i = 0; i < 20; ++i) at::mm(a, a);
  });
}

std::vector<std::int32_t> some_ids(int64_t count, int64_t key, int64_t vocabulary) {
  std::vector<std::int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>((i * 7919 + key * 104729 + 11) % vocabulary));
  return ids;
}

grpo::Batch some_batch(const Options& o, int64_t vocabulary) {
  std::vector<grpo::Group> groups(4);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    groups[g].prompt.ids = some_ids(128, static_cast<int64_t>(g), vocabulary);
    for (int64_t s = 0; s < 8; ++s) {
      grpo::Completion completion;
      completion.ids = some_ids(o.tokens, 10 * static_cast<int64_t>(g) + s + 100, vocabulary);
      completion.log_probs.assign(completion.ids.size(), -1.0F);
      groups[g].completions.push_back(std::move(completion));
    }
  }
  return grpo::Batch(groups);
}

void reset_peak(const Options& o) {
  if (!o.device.is_cpu()) c10::getDeviceAllocator(o.device.type())->resetPeakStats(o.device.index());
}

/// Megabytes, as libtorch's allocator counts them; nothing is counted on the CPU.
double peak_mb(const Options& o) {
  if (o.device.is_cpu()) return 0.0;
  const auto stats = c10::getDeviceAllocator(o.device.type())->getDeviceStats(o.device.index());
  return static_cast<double>(stats.allocated_bytes[0].peak) / 1e6;
}

std::string train(grpo::CausalLm& model, const Options& o, double peak) {
  const grpo::Batch batch = some_batch(o, model.config().vocab_size);
  const auto parts = batch.parts(o.budget);
  double flops = 0.0;
  for (const grpo::Part& part : parts) flops += 3.0 * grpo::forward_flops(model.config(), part);
  model.require_grad();
  grpo::AdamW adam(model.parameters(), {});
  reset_peak(o);
  const auto tokens = rate(static_cast<double>(batch.num_tokens()), o, [&] {
    adam.zero_grad();
    for (const grpo::Part& part : parts) (-model.score(part, 1.0).log_probs.mean()).backward();
    adam.step(1e-6);
  });
  const double share = tokens[0] / static_cast<double>(batch.num_tokens()) * flops / peak;
  char text[64];
  std::snprintf(text, sizeof text, ", \"share\": %.3f, \"peak_mb\": %.0f}", share, peak_mb(o));
  return "{\"tokens_per_s\": " + show(tokens, 1.0) + text;
}

std::string decode(const grpo::CausalLm& model, const Options& o) {
  const NoText tokenizer;
  std::string all;
  for (const int64_t rows : {8, 32, 128}) {
    grpo::SamplingParams params;
    params.num_generations = rows;
    params.max_completion_length = params.min_completion_length = o.tokens;
    grpo::Prompt prompt;
    prompt.ids = some_ids(128, 1, model.config().vocab_size);
    grpo::InProcessSampler sampler(model, tokenizer);
    reset_peak(o);
    const auto tokens = rate(static_cast<double>(rows * o.tokens), o, [&] { static_cast<void>(sampler.generate({prompt}, params)); });
    char text[64];
    std::snprintf(text, sizeof text, ", \"peak_mb\": %.0f}", peak_mb(o));
    all += (all.empty() ? "\"" : ", \"") + std::to_string(rows) + "\": {\"tokens_per_s\": " + show(tokens, 1.0) + text;
  }
  return "{" + all + "}";
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--device")
      o.device = value == "cpu" ? at::Device(at::kCPU) : at::Device(at::kCUDA, 0);
    else if (name == "--shape")
      o.tiny = value == "tiny";
    else if (name == "--dtype")
      o.half = value == "bfloat16";
    else if (name == "--rounds")
      o.rounds = std::atoi(value.c_str());
    else if (name == "--tokens")
      o.tokens = std::atoll(value.c_str());
    else if (name == "--budget")
      o.budget = std::atoll(value.c_str());
    else
      throw std::invalid_argument("unknown option " + name);
  }
  if (!o.device.is_cpu() && !c10::impl::hasDeviceGuardImpl(at::kCUDA)) throw std::invalid_argument("this libtorch was built without CUDA");
  if (o.rounds < 1 || o.tokens < 1 || o.budget < 1) throw std::invalid_argument("counts are at least 1");
  return o;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options o = parse(argc, argv);
    const auto peak = gemm(o);
    const auto model = random_model(o);
    const std::string decoded = decode(*model, o), trained = train(*model, o, peak[0]);
    std::printf("{\"device\": \"%s\", \"shape\": \"%s\", \"dtype\": \"%s\", \"gemm_tflops\": %s, \"train\": %s, \"decode\": %s}\n",
                o.device.str().c_str(), o.tiny ? "tiny" : "0.5b", o.half ? "bfloat16" : "float32", show(peak, 1e12).c_str(),
                trained.c_str(), decoded.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_speed: %s\n", error.what());
    return 1;
  }
}
