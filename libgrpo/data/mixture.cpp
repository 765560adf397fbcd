#include "libgrpo/base/check.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/data/prompt_source.hpp"

#include <fmt/format.h>

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

class Mixture final : public PromptSource {
 public:
  Mixture(std::vector<MixturePart> parts, std::vector<Pick> picks)
      : parts_(std::move(parts)), picks_(std::move(picks)) {}

  [[nodiscard]] std::size_t size() const override { return picks_.size(); }

  [[nodiscard]] Row row(std::size_t index) const override {
    GRPO_CHECK(index < picks_.size(), fmt::format("the mixture has {} rows, row {} was asked for", size(), index));
    return parts_[picks_[index].part].source->row(picks_[index].row);
  }

 private:
  std::vector<MixturePart> parts_;
  std::vector<Pick> picks_;
};

// Rows that part number `number` (1-based in messages) gives to the mixture.
std::vector<std::uint32_t> draw(const MixturePart& part, std::size_t number, std::uint64_t seed) {
  GRPO_CHECK(part.source != nullptr, "every part of a mixture needs a source");
  if (!(part.weight > 0.0 && part.weight <= 1.0)) {  // NaN is out of range too
    throw Error{
        ErrorKind::recipe,
        fmt::format("dataset_mixture: weight {} of dataset {} must be > 0 and <= 1: it is the share of its rows "
                    "that are kept",
                    part.weight, number)};
  }
  const std::size_t size = part.source->size();
  if (size > kMostRows) {
    throw Error{ErrorKind::data,
                fmt::format("dataset_mixture: dataset {} has {} rows, more than {}", number, size, kMostRows)};
  }
  const auto kept = static_cast<std::size_t>(std::floor(static_cast<double>(size) * part.weight));
  if (kept == 0) {
    throw Error{ErrorKind::recipe,
                fmt::format("dataset_mixture: weight {} keeps none of the {} rows of dataset {}; raise "
                            "it or leave the dataset out",
                            part.weight, size, number)};
  }
  auto rows = random_permutation(static_cast<std::uint32_t>(size), RandomStream(seed, "mixture.part", number));
  rows.resize(kept);
  return rows;
}

}  // namespace

std::unique_ptr<PromptSource> make_mixture(std::vector<MixturePart> parts, std::uint64_t seed) {
  if (parts.empty()) throw Error{ErrorKind::recipe, "dataset_mixture: no datasets"};
  std::vector<Pick> in_order;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    for (const std::uint32_t row : draw(parts[part], part + 1, seed)) {
      in_order.push_back({static_cast<std::uint32_t>(part), row});
    }
  }
  if (in_order.size() > kMostRows) {
    throw Error{ErrorKind::data,
                fmt::format("dataset_mixture: {} rows together, more than {}", in_order.size(), kMostRows)};
  }
  const auto order = random_permutation(static_cast<std::uint32_t>(in_order.size()), RandomStream(seed, "mixture"));
  std::vector<Pick> picks;
  picks.reserve(order.size());
  for (const std::uint32_t i : order) picks.push_back(in_order[i]);
  return std::make_unique<Mixture>(std::move(parts), std::move(picks));
}

}  // namespace grpo
