#include "libgrpo/objective/target_weights.hpp"

#include "libgrpo/base/error.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>

using namespace grpo;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
using List = std::vector<double>;

double sum(const List& x) { return std::accumulate(x.begin(), x.end(), 0.0); }

}  // namespace

TEST_CASE("q is a softmax of rewards with a floor, and sums to one") {
  const auto q = reward_distribution({1, 0, 0, 0}, 0.5, 0.01);
  const double e = std::exp(2.0);
  CHECK(q[0] == Approx(0.96 * e / (e + 3) + 0.01));
  CHECK(q[1] == Approx(0.96 / (e + 3) + 0.01));
  CHECK(sum(q) == Approx(1.0).epsilon(1e-14));
  for (const double v : reward_distribution({1e6, 0, -1e6}, 1e-3, 1e-6)) CHECK(v >= 1e-6);
  CHECK_THROWS_AS(reward_distribution({1, 0}, 0.0, 0.0), Error);
  CHECK_THROWS_AS(reward_distribution({1, 0}, 1.0, 0.6), Error);
}

TEST_CASE("target weights are q and the reference, each to its power") {
  const List q{0.5, 0.3, 0.2}, ref{-1.0, -3.0, -2.0};
  const double tau = 0.4, beta = 0.6;
  for (const bool tau_only : {false, true}) {
    const double d = tau_only ? tau : tau + beta;
    List expected;
    for (std::size_t i = 0; i < 3; ++i) expected.push_back(std::pow(q[i], 1 / d) * std::exp(ref[i] * beta / d));
    const double z = sum(expected);
    const auto w = target_weights(q, ref, {tau, beta, tau_only});
    for (std::size_t i = 0; i < 3; ++i) CHECK(w[i] == Approx(expected[i] / z));
    CHECK(sum(w) == Approx(1.0).epsilon(1e-14));
  }
}

TEST_CASE("target weights maximise <w, log q> + tau H(w) - beta KL(w || reference)") {
  const List q{0.5, 0.3, 0.2}, ref{-1.0, -3.0, -2.0};
  const double tau = 0.4, beta = 0.6;
  const auto value = [&](const List& w) {
    double v = tau * entropy(w);
    for (std::size_t i = 0; i < 3; ++i) v += w[i] * std::log(q[i]) - beta * w[i] * (std::log(w[i]) - ref[i]);
    return v;
  };
  const auto best = target_weights(q, ref, {tau, beta});
  for (const double step : {0.01, -0.01})
    for (std::size_t i = 0; i < 3; ++i) {
      List other = best;
      other[i] += step;
      other[(i + 1) % 3] -= step;
      CHECK(value(other) < value(best));
    }
}

TEST_CASE("limits: tau to 0, tau to infinity, beta to infinity, both zero") {
  const List q{0.4, 0.4, 0.2}, ref{-1.0, -2.0, -0.5};
  CHECK(target_weights(q, {}, {0.0, 0.0}) == List{0.5, 0.5, 0.0});
  for (const double tau : {1e-3, 1e-6, 1e-300}) CHECK(target_weights(q, {}, {tau, 0.0})[0] == Approx(0.5));
  const double third = 1.0 / 3;
  CHECK(target_weights(q, {}, {kInfinity, 0.0}) == List{third, third, third});
  CHECK(target_weights(q, ref, {1e12, 0.5})[2] == Approx(third));
  const auto p = softmax(ref);
  for (std::size_t i = 0; i < 3; ++i) CHECK(target_weights(q, ref, {0.2, 1e9})[i] == Approx(p[i]).epsilon(1e-6));
  // tau = 0 with beta > 0: q^(1/beta) times the reference itself.
  const auto w = target_weights(q, ref, {0.0, 0.5});
  CHECK(w[0] / w[1] == Approx(std::exp(1.0)));
  CHECK(w[0] / w[2] == Approx(std::pow(2.0, 2.0) * std::exp(-0.5)));
  // Only tau below: its limit takes the best of q and reference together.
  CHECK(target_weights(q, ref, {0.0, 0.5, true}) == List{1.0, 0.0, 0.0});
}

TEST_CASE("equal rewards ask for equal weights; a permutation of the group permutes them") {
  for (const double v : target_weights(reward_distribution(List(5, 0.3), 1.0, 1e-6), {}, {0.1, 0.0}))
    CHECK(v == Approx(0.2).epsilon(1e-14));
  const auto a = target_weights({0.5, 0.3, 0.2}, {-1, -2, -3}, {0.1, 0.2}), b = target_weights({0.2, 0.5, 0.3}, {-3, -1, -2}, {0.1, 0.2});
  CHECK(a[0] == Approx(b[1]).epsilon(1e-14));
  CHECK(a[2] == Approx(b[0]).epsilon(1e-14));
}

TEST_CASE("weights stay finite for any rewards, and wrong temperatures are refused") {
  for (const List& rewards : {List{1e300, -1e300}, List{0.0, 1e-320}, List{-1e9, 1e9}})
    for (const double tau : {0.0, 1e-300, 1.0, kInfinity}) {
      const auto w = target_weights(reward_distribution(rewards, 1.0, 1e-6), {}, {tau, 0.0});
      CHECK(sum(w) == Approx(1.0));
    }
  CHECK_THROWS_AS(target_weights({0.5, 0.5}, {}, {-1.0, 0.0}), Error);
  CHECK_THROWS_AS(target_weights({0.5, 0.5}, {}, {std::nan(""), 0.0}), Error);
  CHECK_THROWS_AS(target_weights({0.5, 0.5}, {}, {0.1, 0.5}), Error);
  CHECK(target_weights({}, {}, {0.1, 0.0}).empty());
}

TEST_CASE("entropy of weights is in nats") {
  CHECK(entropy({0.25, 0.25, 0.25, 0.25}) == Approx(std::log(4.0)));
  CHECK(entropy({1.0, 0.0}) == 0.0);
}
