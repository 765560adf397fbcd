#include "libgrpo/sampler/select_token.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/random.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>

using namespace grpo;

namespace {

SelectedToken select(std::vector<float> logits, const SamplingParams& params, double u, std::vector<std::int32_t> forbidden = {}) {
  return select_token(logits, params, u, forbidden);
}

/// Chi-square of n draws against the expected probabilities.
double chi_square(const std::vector<float>& logits, const SamplingParams& params, const std::vector<double>& expected) {
  const int n = 40000;
  std::vector<double> counts(expected.size(), 0.0);
  for (int i = 0; i < n; ++i)
    counts[static_cast<std::size_t>(select(logits, params, uniform({1, 2, 3, static_cast<std::uint32_t>(i)})).id)] += 1.0;
  double chi2 = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] == 0.0) {
      REQUIRE(counts[i] == 0.0);
    } else {
      chi2 += std::pow(counts[i] - n * expected[i], 2) / (n * expected[i]);
    }
  }
  return chi2;
}

const std::vector<float> kLogits{1.0F, 3.0F, 2.0F, 0.0F, -1.0F};

std::vector<double> softmax(const std::vector<float>& logits, double temperature) {
  std::vector<double> p;
  double sum = 0.0;
  for (const float z : logits) sum += p.emplace_back(std::exp(static_cast<double>(z) / temperature));
  for (double& x : p) x /= sum;
  return p;
}

/// Keeps the entries named, renormalised.
std::vector<double> keep(std::vector<double> p, const std::vector<std::size_t>& kept) {
  std::vector<double> q(p.size(), 0.0);
  double sum = 0.0;
  for (const auto i : kept) sum += p[i];
  for (const auto i : kept) q[i] = p[i] / sum;
  return q;
}

}  // namespace

TEST_CASE("draws follow softmax(logits / temperature) and the filters, by chi-square") {
  SamplingParams p;
  p.temperature = 0.8;
  const auto all = softmax(kLogits, 0.8);
  CHECK(chi_square(kLogits, p, all) < 18.5);  // 4 degrees of freedom, p = 0.001
  SECTION("top-k") {
    p.top_k = 2;
    CHECK(chi_square(kLogits, p, keep(all, {1, 2})) < 10.9);
  }
  SECTION("top-p keeps the smallest set that reaches p") {
    p.top_p = all[1] + 0.01;
    CHECK(chi_square(kLogits, p, keep(all, {1, 2})) < 10.9);
    p.top_p = all[1] - 0.01;
    CHECK(chi_square(kLogits, p, keep(all, {1})) < 1e-9);
  }
  SECTION("min-p is relative to the likeliest") {
    p.min_p = all[0] / all[1] * 0.99;
    CHECK(chi_square(kLogits, p, keep(all, {0, 1, 2})) < 13.9);
  }
  SECTION("a forbidden token is never drawn, the others keep their shares") {
    const int n = 20000;
    int first = 0;
    for (int i = 0; i < n; ++i) {
      const auto id = select(kLogits, p, uniform({5, 5, 5, static_cast<std::uint32_t>(i)}), {1}).id;
      REQUIRE(id != 1);
      first += id == 2 ? 1 : 0;
    }
    CHECK(first / static_cast<double>(n) == Approx(all[2] / (1.0 - all[1])).margin(0.015));
  }
}

TEST_CASE("the kept log-prob and entropy are those of the unfiltered distribution") {
  SamplingParams p;
  p.temperature = 0.5;
  p.top_k = 1;
  const auto q = softmax(kLogits, 0.5);
  const auto token = select(kLogits, p, 0.3);
  CHECK(token.id == 1);
  CHECK(static_cast<double>(token.log_prob) == Approx(std::log(q[1])).epsilon(1e-5));
  double entropy = 0.0;
  for (const double x : q) entropy -= x * std::log(x);
  CHECK(static_cast<double>(token.entropy) == Approx(entropy).epsilon(1e-5));
}

TEST_CASE("greedy takes the largest logit, the first of equals, with temperature-1 log-probs") {
  SamplingParams p;
  p.temperature = 0.0;
  CHECK(select({0.0F, 2.0F, 2.0F}, p, 0.99).id == 1);
  CHECK(static_cast<double>(select(kLogits, p, 0.0).log_prob) == Approx(std::log(softmax(kLogits, 1.0)[1])).epsilon(1e-5));
}

TEST_CASE("draws over a large vocabulary hit every block with the right mass") {
  std::vector<float> logits(5000, 0.0F);
  SamplingParams p;
  for (const double u : {0.0, 0.2, 0.5, 0.99999}) {
    const auto id = select(logits, p, u).id;
    CHECK(id == static_cast<std::int32_t>(u * 5000));
  }
}

TEST_CASE("logits that are not numbers are a numeric error, not a token") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  CHECK_THROWS_AS(select({nan, nan}, {}, 0.5), Error);
  CHECK_THROWS_AS(select({0.0F, inf}, {}, 0.5), Error);
  CHECK_THROWS_AS(select({-inf, -inf}, {}, 0.5), Error);
  CHECK_THROWS_AS(select({0.0F, nan, 1.0F}, {}, 0.5), Error);
}
