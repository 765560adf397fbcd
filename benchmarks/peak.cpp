// What this machine can do, through libtorch: the bounds that shares of a peak refer to.
//
//   peak [--threads N] [--rounds N] [--width N] [--mlp N] [--rows N,N,...]
//
// Prints one JSON object: "gemm" (GFLOP/s of large square fp32 products), "read" (GB/s of summing 1 GB), and "shapes": for each
// number of rows GFLOP/s of rows x width by width x mlp, the faster of a plain product and oneDNN with packed weights, over a
// ring of matrices larger than the caches. Each figure is [median, slowest, fastest] of the rounds (7).
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Options {
  int threads = 0, rounds = 7;
  std::int64_t width = 576, mlp = 1536;
  std::vector<std::int64_t> rows = {1, 8, 16, 32, 64};
};

/// Work per second of `run`, which is called until a round takes a tenth of a second: median, slowest, fastest.
std::vector<double> rate(double work, int rounds, const std::function<void()>& run) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> rates;
  run();
  for (int round = 0; round < rounds; ++round) {
    const auto begin = Clock::now();
    double seconds = 0.0;
    int runs = 0;
    for (; seconds < 0.1; ++runs) {
      run();
      seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    }
    rates.push_back(work * runs / seconds);
  }
  std::sort(rates.begin(), rates.end());
  return {rates[rates.size() / 2], rates.front(), rates.back()};
}

std::string show(const std::vector<double>& figures, double unit) {
  char text[96];
  std::snprintf(text, sizeof text, "[%.2f, %.2f, %.2f]", figures[0] / unit, figures[1] / unit, figures[2] / unit);
  return text;
}

std::vector<double> square_gemm(int rounds) {
  std::vector<double> best = {0.0, 0.0, 0.0};
  for (const std::int64_t n : {1024, 2048}) {
    const at::Tensor a = at::randn({n, n}), b = at::randn({n, n});
    at::Tensor c = at::empty({n, n});
    const auto now = rate(2.0 * static_cast<double>(n * n * n), rounds, [&] { at::mm_out(c, a, b); });
    if (now[0] > best[0]) best = now;
  }
  return best;
}

/// Each thread sums its part in eight independent lanes, so that adding is not what is waited for.
std::vector<double> read_memory(int rounds) {
  const std::int64_t count = 256'000'000;
  const at::Tensor data = at::ones({count});
  const float* values = data.const_data_ptr<float>();
  std::vector<float> sums(static_cast<std::size_t>(at::get_num_threads()));
  const auto figures = rate(4.0 * static_cast<double>(count), rounds, [&] {
    at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
      constexpr std::int64_t kLanes = 64;
      float lanes[kLanes] = {};
      for (std::int64_t i = begin; i + kLanes <= end; i += kLanes)
        for (std::int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += values[i + lane];
      sums[static_cast<std::size_t>(at::get_thread_num())] = std::accumulate(lanes, lanes + kLanes, 0.0F);
    });
  });
  if (!(std::accumulate(sums.begin(), sums.end(), 0.0F) > 0.0F)) throw std::runtime_error("memory was not read");
  return figures;
}

/// An operator that libtorch may lack: null then.
const c10::OperatorHandle* find(const char* name) {
  static std::vector<std::unique_ptr<c10::OperatorHandle>> kept;
  const auto found = c10::Dispatcher::singleton().findSchema({name, ""});
  if (!found) return nullptr;
  kept.push_back(std::make_unique<c10::OperatorHandle>(*found));
  return kept.back().get();
}

at::Tensor call(const c10::OperatorHandle& op, torch::jit::Stack stack) {
  op.callBoxed(stack);
  return stack.front().toTensor();
}

std::vector<double> packed_linear(const at::Tensor& x, const std::vector<at::Tensor>& weights, double work, int rounds) {
  const auto* pack = find("mkldnn::_reorder_linear_weight");
  const auto* linear = find("mkldnn::_linear_pointwise");
  if (pack == nullptr || linear == nullptr) return {0.0, 0.0, 0.0};
  std::vector<at::Tensor> packed;
  for (const at::Tensor& w : weights) packed.push_back(call(*pack, {w, x.size(0)}));
  std::size_t next = 0;
  return rate(work, rounds, [&] {
    const c10::List<std::optional<at::Scalar>> none;
    (void)call(*linear, {x, packed[next++ % packed.size()], c10::IValue(), std::string("none"), c10::IValue(none), c10::IValue()});
  });
}

std::vector<double> thin_gemm(const Options& options, std::int64_t rows) {
  const auto matrix = static_cast<double>(options.width * options.mlp);
  const auto ring = static_cast<std::size_t>(std::max(2.0, 400e6 / (4.0 * matrix)));
  std::vector<at::Tensor> weights;
  for (std::size_t i = 0; i < ring; ++i) weights.push_back(at::randn({options.mlp, options.width}));
  const at::Tensor x = at::randn({rows, options.width});
  const double work = 2.0 * matrix * static_cast<double>(rows);
  std::size_t next = 0;
  const auto plain = rate(work, options.rounds, [&] { (void)at::linear(x, weights[next++ % ring]); });
  try {
    return std::max(plain, packed_linear(x, weights, work, options.rounds));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "peak: without packed weights: %s\n", error.what());
    return plain;
  }
}

Options parse(int count, char** arguments) {
  Options options;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = arguments[i];
    const char* value = arguments[i + 1];
    if (name == "--threads") options.threads = std::atoi(value);
    if (name == "--rounds") options.rounds = std::max(1, std::atoi(value));
    if (name == "--width") options.width = std::max(1, std::atoi(value));
    if (name == "--mlp") options.mlp = std::max(1, std::atoi(value));
    if (name != "--rows") continue;
    options.rows.clear();
    std::stringstream list(value);
    for (std::string one; std::getline(list, one, ',');) options.rows.push_back(std::max(1, std::atoi(one.c_str())));
  }
  return options;
}

}  // namespace

int main(int count, char** arguments) try {
  const Options options = parse(count, arguments);
  if (options.threads > 0) at::set_num_threads(options.threads);
  const at::NoGradGuard no_grad;
  std::printf("{\"gemm\": %s, \"read\": %s, \"shapes\": {", show(square_gemm(options.rounds), 1e9).c_str(),
              show(read_memory(options.rounds), 1e9).c_str());
  const char* comma = "";
  for (const std::int64_t rows : options.rows) {
    std::printf("%s\"%lld\": %s", comma, static_cast<long long>(rows), show(thin_gemm(options, rows), 1e9).c_str());
    comma = ", ";
  }
  std::printf("}}\n");
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "peak: %s\n", error.what());
  return 3;
}
