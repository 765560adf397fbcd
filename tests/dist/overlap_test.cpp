/// How much of the time that gradients are on their way is hidden behind the backward pass, in seconds, over links of set speeds.
#include "libgrpo/base/clock.hpp"
#include "libgrpo/trainer/gradient_sum.hpp"
#include "tests/dist/ranks.hpp"
#include "tests/dist/slow_link.hpp"
#include "tests/support/tiny_model.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <limits>
#include <optional>

using namespace grpo;
using grpo::testing::on_ranks;
using grpo::testing::SlowLink;

namespace {

constexpr int kRanks = 2;
constexpr double kNoLink = std::numeric_limits<double>::infinity();

/// Layers heavy enough that a backward pass takes many times what starting a sum does.
ModelConfig heavy_config() {
  ModelConfig c = grpo::testing::tiny_config();
  c.hidden_size = 256;
  c.intermediate_size = 768;
  c.num_layers = 12;
  c.head_dim = 64;
  return c;
}

struct Seconds {
  double backward = 0.0, link = 0.0, exposed = 0.0;
};

/// Rank 0's backward pass of 256 tokens, its sums over a link; medians of three steps. `share`: the link is busy for so many times the
/// backward pass, as measured without a link.
std::vector<Seconds> over_links(std::int64_t stage, const std::vector<double>& shares) {
  std::vector<Seconds> results;
  on_ranks(kRanks, [&](World& world) {
    SlowLink link(world, kNoLink);
    auto model = std::make_unique<CausalLm>(heavy_config(), Weights::allocate(heavy_config()));
    for (const Parameter& p : model->parameters()) p.tensor.fill_(p.decays ? 0.01 : 1.0);
    model->require_grad();
    GradientSum sum(link, model->parameters(), std::int64_t{1} << 20, stage);
    const auto step = [&] {
      Group group{{}, {}};
      group.prompt.ids = {1, 2, 3};
      Completion completion;
      for (std::int32_t t = 0; t < 256; ++t) completion.ids.push_back(4 + t % 20);
      completion.log_probs.assign(completion.ids.size(), -1.0F);
      group.completions.push_back(completion);
      const Batch batch({group});
      const auto loss = model->score(batch.parts(1024).front(), 1.0).log_probs.sum();
      sum.begin(1);
      link.take_busy();
      sum.before_backward(true);
      const Stopwatch watch;
      loss.backward();
      const double backward = watch.seconds();
      sum.after_backward();
      sum.finish();
      return Seconds{backward, link.take_busy(), sum.overlap().waited};
    };
    const auto median = [&] {
      std::vector<Seconds> steps;
      for (int i = 0; i < 3; ++i) steps.push_back(step());
      std::nth_element(steps.begin(), steps.begin() + 1, steps.end(), [](const auto& a, const auto& b) { return a.exposed < b.exposed; });
      return steps[1];
    };
    static_cast<void>(step());  // silent parameters are known from here on
    const double alone = median().backward;
    double bytes = 0.0;
    for (const Parameter& p : model->parameters()) bytes += static_cast<double>(p.tensor.nbytes());
    for (const double share : shares) {
      const auto agreed = at::full({1}, world.leads() ? alone : 0.0, at::kDouble);
      world.sum(agreed);
      link.set_speed(bytes * (stage == 0 ? 1.0 : 0.5) / (share * agreed.item<double>()));
      const Seconds measured = median();
      if (world.leads()) results.push_back(measured);
    }
  });
  return results;
}

}  // namespace

TEST_CASE("a link that is busy for half of the backward pass hides behind it", "[dist]") {
  for (const std::int64_t stage : {0, 1, 2}) {
    const Seconds s = over_links(stage, {0.5}).front();
    INFO("zero_stage " << stage << ": backward " << s.backward << " s, link " << s.link << " s, exposed " << s.exposed << " s");
    CHECK(s.link > 0.0);
    CHECK(s.exposed < 0.5 * s.link);
  }
}

TEST_CASE("table of overlap for docs/scaling.md", "[.overlap_table]") {
  const std::vector<double> shares{0.25, 0.5, 1.0, 2.0};
  for (const std::int64_t stage : {0, 1, 2}) {
    for (const Seconds& s : over_links(stage, shares))
      std::cout << fmt::format("| {} | {:.3f} | {:.3f} | {:.3f} | {:.0f} % |\n", stage, s.backward, s.link, s.exposed,
                               100.0 * (1.0 - s.exposed / s.link));
  }
}
