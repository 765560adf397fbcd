// GRPO and MaxEnt-GRPO on the same questions, as curves: example_080-compare [PLOT.svg]
//
// The bandits of 030-bandit have 6 right answers of 27 each. Both methods learn to be right; what differs is how many of the 6
// are still in use (exp of the entropy among them). Prints the curves' ends, and draws them.
#include "examples/030-bandit/bandits.hpp"
#include "libgrpo/objective/grpo.hpp"
#include "libgrpo/objective/hybrid.hpp"
#include "libgrpo/trainer/passes.hpp"

#include <ATen/Parallel.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <sstream>
#include <string>

namespace {

constexpr std::uint64_t kSteps = 1000, kEvery = 20;

struct Curve {
  std::string name, colour;
  std::vector<double> right, in_use;  // every kEvery steps
};

Curve learn(std::string name, std::string colour, grpo::Objective& objective) {
  Curve curve{std::move(name), std::move(colour), {}, {}};
  Bandits policy(1);
  for (std::uint64_t step = 0;; ++step) {
    if (step % kEvery == 0) {
      const at::Tensor now = figures(policy.logits);
      curve.right.push_back(number(now, 0));
      curve.in_use.push_back(number(now, 2));
    }
    if (step == kSteps) return curve;
    const Answers answers = ask(policy, step);
    const grpo::Batch batch(answers.groups);
    grpo::CreditInput input{answers.rewards, batch};
    input.log_probs = batch.sampler_log_probs();
    grpo::accumulate_gradient(policy, objective, batch, objective.credit(input), {}, {1.0, kPrompts});
    if (policy.logits.grad().defined()) {  // a loss is a mean over prompts, but a row shall move as if it were alone
      policy.logits.detach().sub_(policy.logits.grad(), 0.5 * kPrompts);
      policy.logits.mutable_grad().reset();
    }
  }
}

// One panel: a frame, its two limits, and a line for each curve.
std::string panel(const std::string& title, double top, double left, const std::vector<Curve>& curves, std::vector<double> Curve::*values) {
  std::ostringstream out;
  out << "<g transform='translate(" << left << ",40)'><text y='-12' font-weight='bold'>" << title
      << "</text><path d='M0 0V240H320' fill='none' stroke='#888'/><text x='-6' y='10' text-anchor='end'>" << top
      << "</text><text x='-6' y='240' text-anchor='end'>0</text><text x='320' y='256' text-anchor='end'>step " << kSteps << "</text>";
  double row = 90;
  for (const Curve& curve : curves) {
    const std::vector<double>& y = curve.*values;
    out << "<polyline fill='none' stroke-width='2' stroke='" << curve.colour << "' points='";
    for (std::size_t i = 0; i < y.size(); ++i)
      out << 320.0 * static_cast<double>(i) / static_cast<double>(y.size() - 1) << ',' << 240.0 * (1.0 - y[i] / top) << ' ';
    out << "'/><text x='150' y='" << (row += 22) << "' fill='" << curve.colour << "'>" << curve.name << "</text>";
  }
  return out.str() + "</g>";
}

}  // namespace

int main(int argc, char** argv) try {
  at::set_num_threads(1);  // the tensors are small
  grpo::ObjectiveOptions options;
  options.loss_type = grpo::LossType::dr_grpo;
  options.scale_rewards = grpo::ScaleRewards::none;
  grpo::MaxentOptions maxent;
  maxent.maxent_objective = grpo::MaxentObjective::hybrid;
  maxent.maxent_tau = 0.1;
  maxent.maxent_hybrid_coef = 3.0;
  const grpo::ObjectiveContext context{kGroup, 1, kAnswers, 0};
  grpo::Grpo plain(options, context);
  grpo::Hybrid hybrid(options, maxent, context);
  const std::vector<Curve> curves = {learn("GRPO", "#c0392b", plain), learn("MaxEnt-GRPO (hybrid)", "#2471a3", hybrid)};
  for (const Curve& c : curves)
    std::printf("%-21s right %.3f, right answers in use %.2f of 6\n", c.name.c_str(), c.right.back(), c.in_use.back());
  if (argc > 1) {
    std::ofstream(argv[1]) << "<svg xmlns='http://www.w3.org/2000/svg' width='800' height='320' font-family='sans-serif' "
                              "font-size='13'><rect width='800' height='320' fill='#fff'/>"
                           << panel("probability of a right answer", 1, 50, curves, &Curve::right)
                           << panel("right answers in use", 6, 440, curves, &Curve::in_use) << "</svg>\n";
  }
  // Both are right in the end; one keeps several ways of being right, the other about one.
  return curves[0].right.back() > 0.97 && curves[1].right.back() > 0.97 && curves[0].in_use.back() < 1.3 && curves[1].in_use.back() > 3.0
             ? 0
             : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
