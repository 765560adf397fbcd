#include "libgrpo/tensor/gemm_peak.hpp"

#include "libgrpo/base/clock.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/tensor/product.hpp"

#include <algorithm>
#include <functional>

namespace grpo {
namespace {

constexpr std::int64_t kSide = 1536;  // large enough for its speed, small enough for a short measurement
constexpr int kRounds = 5;

}  // namespace

double measure_gemm_peak() {
  const at::NoGradGuard no_grad;
  const auto a = at::ones({kSide, kSide}), b = at::ones({kSide, kSide});
  auto c = at::empty({kSide, kSide});
  const double operations = 2.0 * static_cast<double>(kSide * kSide * kSide);
  double best = 0.0;
  const std::function<void()> plain = [&] { at::mm_out(c, a, b); }, by_product = [&] { c = product(a, b); };
  for (const auto& multiply : {plain, by_product}) {
    multiply();  // buffers, and the kernel's choice
    for (int round = 0; round < kRounds; ++round) {
      const Stopwatch watch;
      multiply();
      best = std::max(best, operations / watch.seconds());
    }
  }
  return best;
}

}  // namespace grpo
