#include "libgrpo/eval/bootstrap.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/random.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

namespace grpo {
namespace {

double uniform(RandomStream& stream) { return stream.next_u32() * 0x1p-32; }

/// How often the interval of `count` values holds the true mean, over 500 samples.
double coverage(const std::function<double(RandomStream&)>& draw, double truth, std::size_t count, double confidence) {
  constexpr int kSamples = 500;
  int held = 0;
  for (int i = 0; i < kSamples; ++i) {
    RandomStream stream(7, "values", static_cast<std::uint64_t>(i));
    std::vector<double> values(count);
    for (double& value : values) value = draw(stream);
    const Estimate e = bootstrap_mean(values, {static_cast<std::uint64_t>(i), 250, confidence});
    held += e.low <= truth && truth <= e.high ? 1 : 0;
  }
  return static_cast<double>(held) / kSamples;
}

TEST_CASE("intervals hold the mean of known distributions as often as they say") {
  // 500 samples: one standard deviation is 1 % at 95 %, 1.8 % at 80 %; the rest is the method's own error.
  const auto coin = [](RandomStream& s) { return uniform(s) < 0.3 ? 1.0 : 0.0; };
  CHECK(coverage(coin, 0.3, 200, 0.95) == Approx(0.945).margin(0.025));
  CHECK(coverage(coin, 0.3, 200, 0.80) == Approx(0.80).margin(0.045));
  CHECK(coverage(coin, 0.3, 50, 0.95) == Approx(0.94).margin(0.03));
  const auto shares = [](RandomStream& s) { return std::floor(9.0 * uniform(s)) / 8.0; };  // mean@8 of questions of all kinds
  CHECK(coverage(shares, 0.5, 100, 0.95) == Approx(0.945).margin(0.025));
  const auto skewed = [](RandomStream& s) { return -std::log(1.0 - uniform(s)); };  // exponential, mean 1
  CHECK(coverage(skewed, 1.0, 200, 0.95) == Approx(0.94).margin(0.03));
}

TEST_CASE("the width is that of the normal approximation where that is good") {
  std::vector<double> values(400);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 4 == 0 ? 1.0 : 0.0;
  const Estimate e = bootstrap_mean(values, {});
  CHECK(e.mean == 0.25);
  CHECK(e.questions == 400);
  const double half = 1.96 * std::sqrt(0.25 * 0.75 / 400);
  CHECK(e.low == Approx(0.25 - half).margin(0.004));
  CHECK(e.high == Approx(0.25 + half).margin(0.004));
}

TEST_CASE("the seed decides, and equal values leave no width") {
  const std::vector<double> values = {0.0, 1.0, 0.5, 0.25, 1.0, 0.0, 0.75};
  const Estimate a = bootstrap_mean(values, {1}), b = bootstrap_mean(values, {1}), c = bootstrap_mean(values, {2});
  CHECK((a.low == b.low && a.high == b.high));
  CHECK((a.low != c.low || a.high != c.high));
  const Estimate flat = bootstrap_mean({0.5, 0.5, 0.5}, {});
  CHECK((flat.low == 0.5 && flat.mean == 0.5 && flat.high == 0.5));
  CHECK_THROWS_AS(bootstrap_mean({}, {}), Error);
  CHECK_THROWS_AS(bootstrap_mean({1.0}, {1, 0}), Error);
  CHECK_THROWS_AS(bootstrap_mean({1.0}, {1, 10, 1.0}), Error);
}

}  // namespace
}  // namespace grpo
