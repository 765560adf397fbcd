// Step responses against sequences worked out by hand.
#include "libgrpo/objective/entropy_controller.hpp"
#include "libgrpo/objective/grpo.hpp"
#include "libgrpo/objective/kl_controller.hpp"
#include "libgrpo/objective/listwise.hpp"
#include "libgrpo/objective/tau_controller.hpp"

#include "libgrpo/base/error.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

using namespace grpo;

namespace {

const double kNaN = std::nan("");
constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("the KL controller follows its rule step by step") {
  KlController c(0.5, KlControl{0.1, 10.0, 0.2});
  c.observe(0.11);  // error 0.1
  CHECK(c.beta() == Approx(0.5 * 1.01));
  c.observe(0.3);  // error 2, clipped to 0.2
  CHECK(c.beta() == Approx(0.5 * 1.01 * 1.02));
  c.observe(0.0);  // error -1, clipped to -0.2
  CHECK(c.beta() == Approx(0.5 * 1.01 * 1.02 * 0.98));
}

TEST_CASE("the KL controller's dead zone, floor, and what is not finite") {
  KlController c(0.5, KlControl{0.1, 10.0, 0.2});
  for (const double kl : {0.1, 0.1 * (1 + 1e-9), kNaN, kInfinity}) c.observe(kl);
  CHECK(c.beta() == 0.5);
  KlController fast(0.5, KlControl{0.1, 0.5, 1.0});  // factor 1 - 1/0.5 = -1: held at 1e-6
  fast.observe(0.0);
  CHECK(fast.beta() == Approx(0.5e-6));
  KlController zero(0.0, KlControl{0.1, 10.0, 0.2});
  zero.observe(5.0);
  CHECK(zero.beta() == 0.0);
  KlController constant(0.5);
  constant.observe(5.0);
  CHECK(constant.beta() == 0.5);
  CHECK_THROWS_AS(KlController(-0.1), Error);
  CHECK_THROWS_AS(KlController(0.1, KlControl{0.0, 1.0, 1.0}), Error);
}

TEST_CASE("the entropy bonus applies after a step at or below the target, and its coefficient walks") {
  EntropyController c(0.01, EntropyControl{0.3, 0.005, 0.0, 0.02});
  CHECK(c.active() == 0.0);  // nothing seen yet
  c.observe(0.2);
  CHECK(c.active() == Approx(0.015));
  c.observe(0.3);
  CHECK(c.active() == Approx(0.02));
  c.observe(0.1);
  CHECK(c.active() == Approx(0.02));  // at its ceiling
  c.observe(0.5);
  CHECK(c.coefficient() == Approx(0.015));
  CHECK(c.active() == 0.0);
  c.observe(kNaN);
  CHECK(c.coefficient() == Approx(0.015));
  for (int i = 0; i < 10; ++i) c.observe(1.0);
  CHECK(c.coefficient() == 0.0);
  EntropyController constant(0.01);
  constant.observe(9.0);
  CHECK(constant.active() == 0.01);
}

TEST_CASE("tau is steered in log space by the average weight entropy, after warm-up, within bounds") {
  MaxentOptions o;
  o.maxent_tau = 0.2;
  o.maxent_target_weight_entropy = 1.0;
  o.maxent_tau_lr = 0.5;
  o.maxent_tau_min = 0.05;
  o.maxent_tau_max = 0.4;
  o.maxent_tau_warmup_steps = 2;
  TauController c(o, 8, 99);
  c.observe(0.5);
  c.observe(0.5);
  CHECK(c.tau() == 0.2);  // warming up; the average is 0.5 already
  c.observe(0.5);
  CHECK(c.tau() == Approx(0.2 * std::exp(0.5 * 0.5)));
  c.observe(1.5);  // average 0.9 * 0.5 + 0.1 * 1.5 = 0.6
  CHECK(c.tau() == Approx(0.2 * std::exp(0.25 + 0.5 * 0.4)));
  for (int i = 0; i < 20; ++i) c.observe(0.0);
  CHECK(c.tau() == 0.4);
  for (int i = 0; i < 200; ++i) c.observe(2.0);
  CHECK(c.tau() == 0.05);
  const double before = c.tau();
  c.observe(kNaN);
  CHECK(c.tau() == before);
}

TEST_CASE("tau: targets as a fraction, targets that move, warm-up as the learning rate's, no ceiling") {
  MaxentOptions o;
  o.maxent_target_weight_entropy_fraction = 0.5;
  o.maxent_tau_lr = 1.0;
  TauController fraction(o, 16, 1);
  CHECK(*fraction.target() == Approx(0.5 * std::log(16.0)));
  fraction.observe(0.0);
  CHECK(fraction.tau() == 0.2);  // step 1 of a warm-up of 1
  for (int i = 0; i < 10; ++i) fraction.observe(0.0);
  CHECK(fraction.tau() > 100.0);
  MaxentOptions moving;
  moving.maxent_target_weight_entropy = 1.0;
  moving.maxent_target_weight_entropy_final = 0.2;
  moving.maxent_target_weight_entropy_horizon = 4;
  moving.maxent_tau_lr = 0.1;
  TauController m(moving, 8, 0);
  CHECK(*m.target() == Approx(1.0));
  m.observe(0.5);
  CHECK(*m.target() == Approx(0.8));
  for (int i = 0; i < 9; ++i) m.observe(0.5);
  CHECK(*m.target() == Approx(0.2));
}

TEST_CASE("tau anneals linearly and stays at its end; without options it is constant") {
  MaxentOptions o;
  o.maxent_tau = 1.0;
  o.maxent_tau_final = 0.2;
  o.maxent_tau_horizon = 4;
  TauController c(o, 8, 0);
  for (const double expected : {0.8, 0.6, 0.4, 0.2, 0.2}) {
    c.observe(kNaN);
    CHECK(c.tau() == Approx(expected));
  }
  TauController constant(MaxentOptions(), 8, 0);
  constant.observe(0.1);
  CHECK(constant.tau() == 0.2);
  CHECK_FALSE(constant.target());
}

TEST_CASE("controllers resume to the last bit from an objective's state") {
  ObjectiveOptions o;
  o.beta = 0.3;
  o.kl_target = 0.1;
  o.kl_horizon = 7.0;
  o.kl_ctl_step_size = 0.3;
  o.use_adaptive_entropy = true;
  o.entropy_coef = 0.01;
  o.entropy_target = 0.5;
  MaxentOptions m;
  m.maxent_target_weight_entropy = 1.1;
  m.maxent_tau_lr = 0.07;
  const std::vector<std::map<std::string, double>> steps = {{{"kl", 0.13}, {"entropy", 0.7}, {"weight_entropy", 0.3}},
                                                            {{"kl", 0.02}, {"entropy", 0.31}, {"weight_entropy", 1.7}},
                                                            {{"kl", kNaN}, {"entropy", 0.4}},
                                                            {{"kl", 0.09}, {"entropy", 0.9}, {"weight_entropy", 1.0}}};
  const auto compare = [&](auto make) {
    auto straight = make(), first = make(), second = make();
    for (std::size_t i = 0; i < 2; ++i) first.observe(steps[i]);
    second.restore(first.state());
    for (std::size_t i = 2; i < 4; ++i) second.observe(steps[i]);
    for (const auto& step : steps) straight.observe(step);
    CHECK(second.state() == straight.state());
    CHECK(straight.state() != make().state());
  };
  compare([&] { return Grpo(o); });
  compare([&] { return Listwise(o, m, {}); });
}
