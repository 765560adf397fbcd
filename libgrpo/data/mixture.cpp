#include "libgrpo/base/check.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/data/prompt_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace grpo {
namespace {

constexpr std::size_t kMostRows = std::numeric_limits<std::uint32_t>::max();

struct Pick {
  std::uint32_t part;
  std::uint32_t row;
};

using Parts = std::shared_ptr<const std::vector<MixturePart>>;

class Mixture final : public PromptSource {
 public:
  Mixture(Parts parts, std::vector<Pick> picks) : parts_(std::move(parts)), picks_(std::move(picks)) {}

  [[nodiscard]] std::size_t size() const override { return picks_.size(); }

  [[nodiscard]] Row row(std::size_t index) const override {
    GRPO_CHECK(index < picks_.size(), fmt::format("the mixture has {} rows, row {} was asked for", size(), index));
    return (*parts_)[picks_[index].part].source->row(picks_[index].row);
  }

 private:
  Parts parts_;
  std::vector<Pick> picks_;
};

// Rows that part number `number` (1-based in messages) gives to the mixture.
std::vector<std::uint32_t> draw(const MixturePart& part, std::size_t number, std::uint64_t seed) {
  GRPO_CHECK(part.source != nullptr, "every part of a mixture needs a source");
  if (!(part.weight > 0.0 && part.weight <= 1.0)) {  // NaN is out of range too
    throw Error{ErrorKind::recipe, fmt::format("dataset_mixture: weight {} of dataset {} must be > 0 and <= 1: it is the share of its rows "
                                               "that are kept",
                                               part.weight, number)};
  }
  const std::size_t size = part.source->size();
  if (size > kMostRows) {
    throw Error{ErrorKind::data, fmt::format("dataset_mixture: dataset {} has {} rows, more than {}", number, size, kMostRows)};
  }
  const auto kept = static_cast<std::size_t>(std::floor(static_cast<double>(size) * part.weight));
  if (kept == 0) {
    throw Error{ErrorKind::recipe, fmt::format("dataset_mixture: weight {} keeps none of the {} rows of dataset {}; raise "
                                               "it or leave the dataset out",
                                               part.weight, size, number)};
  }
  auto rows = random_permutation(static_cast<std::uint32_t>(size), RandomStream(seed, "mixture.part", number));
  rows.resize(kept);
  return rows;
}

std::vector<Pick> by_share(const std::vector<MixturePart>& parts, std::uint64_t seed) {
  std::vector<Pick> in_order;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    for (const std::uint32_t row : draw(parts[part], part + 1, seed)) {
      in_order.push_back({static_cast<std::uint32_t>(part), row});
    }
  }
  if (in_order.size() > kMostRows) {
    throw Error{ErrorKind::data, fmt::format("dataset_mixture: {} rows together, more than {}", in_order.size(), kMostRows)};
  }
  const auto order = random_permutation(static_cast<std::uint32_t>(in_order.size()), RandomStream(seed, "mixture"));
  std::vector<Pick> picks;
  picks.reserve(order.size());
  for (const std::uint32_t i : order) picks.push_back(in_order[i]);
  return picks;
}

// A part that gives its rows in a shuffled order, and begins again in another one.
struct Deck {
  const MixturePart& part;
  std::uint64_t number;  // 1-based
  std::uint64_t seed;
  double reach = 0.0;  // sum of the weights up to its own
  std::uint64_t rounds = 0;
  std::vector<std::uint32_t> order = {};
  std::size_t next = 0;

  std::uint32_t take() {
    if (next == order.size()) {
      const auto size = static_cast<std::uint32_t>(part.source->size());
      order = random_permutation(size, RandomStream(derive_seed(seed, rounds), "mixture.deck", number));
      next = 0;
    }
    const std::uint32_t row = order[next++];
    if (next == order.size()) ++rounds;
    return row;
  }
};

std::vector<Deck> make_decks(const std::vector<MixturePart>& parts, const MixtureRule& rule) {
  std::vector<Deck> decks;
  double total = 0.0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    GRPO_CHECK(parts[i].source != nullptr, "every part of a mixture needs a source");
    const std::size_t size = parts[i].source->size();
    if (!(parts[i].weight > 0.0) || !std::isfinite(parts[i].weight))
      throw Error{ErrorKind::recipe, fmt::format("dataset_mixture: weight {} of dataset {} must be > 0", parts[i].weight, i + 1)};
    if (size == 0 || size > kMostRows) throw Error{ErrorKind::recipe, fmt::format("dataset_mixture: dataset {} has {} rows", i + 1, size)};
    total += parts[i].weight;
    decks.push_back({parts[i], i + 1, rule.seed, total});
  }
  if (rule.stopping != StoppingStrategy::all_exhausted) return decks;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const double expected = static_cast<double>(parts[i].source->size()) * total / parts[i].weight;
    if (expected > static_cast<double>(kMostRows))
      throw Error{ErrorKind::recipe,
                  fmt::format("dataset_mixture: to see all of dataset {} with weight {} of {} takes {:.0f} rows, more than {}", i + 1,
                              parts[i].weight, total, expected, kMostRows)};
  }
  return decks;
}

std::vector<Pick> by_proportion(const std::vector<MixturePart>& parts, const MixtureRule& rule) {
  std::vector<Deck> decks = make_decks(parts, rule);
  RandomStream stream(rule.seed, "mixture.draw");
  std::vector<Pick> picks;
  for (std::size_t unfinished = decks.size(); unfinished > 0;) {
    const double at = stream.next_u32() * 0x1p-32 * decks.back().reach;
    const auto deck = std::find_if(decks.begin(), decks.end() - 1, [at](const Deck& one) { return at < one.reach; });
    const bool was_new = deck->rounds == 0;
    picks.push_back({static_cast<std::uint32_t>(deck - decks.begin()), deck->take()});
    if (was_new && deck->rounds == 1) {
      if (rule.stopping == StoppingStrategy::first_exhausted) break;
      --unfinished;
    }
    if (picks.size() == kMostRows) throw Error{ErrorKind::recipe, fmt::format("dataset_mixture: more than {} rows", kMostRows)};
  }
  return picks;
}

/// How many of the rows are held out: the last ones.
std::size_t count_held_out(std::size_t all, double share) {
  const auto held_out = static_cast<std::size_t>(std::ceil(static_cast<double>(all) * share));
  if (held_out > 0 && held_out >= all)
    throw Error{ErrorKind::recipe, fmt::format("dataset_mixture: test_split_size {} of {} rows leaves none to train on", share, all)};
  return held_out;
}

}  // namespace

MixtureSides make_mixture(std::vector<MixturePart> parts, const MixtureRule& rule) {
  if (parts.empty()) throw Error{ErrorKind::recipe, "dataset_mixture: no datasets"};
  const bool share = rule.sampling == MixtureSampling::share;
  const std::vector<Pick> picks = share ? by_share(parts, rule.seed) : by_proportion(parts, rule);
  const auto border = picks.end() - static_cast<std::ptrdiff_t>(count_held_out(picks.size(), rule.test_share));
  const Parts shared = std::make_shared<const std::vector<MixturePart>>(std::move(parts));
  const auto side = [&](auto begin, auto end) { return std::make_unique<Mixture>(shared, std::vector<Pick>(begin, end)); };
  return {side(picks.begin(), border), border == picks.end() ? nullptr : side(border, picks.end())};
}

}  // namespace grpo
