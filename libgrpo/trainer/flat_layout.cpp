#include "libgrpo/trainer/flat_layout.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>

namespace grpo {

std::int64_t layer_of(const std::string& name) {
  constexpr std::string_view kPrefix = "layers.";
  std::int64_t layer = -1;
  if (name.starts_with(kPrefix)) std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  return layer;
}

std::vector<FlatBucket> flat_buckets(const std::vector<Parameter>& parameters, std::int64_t bucket_bytes, int ranks, bool by_layer) {
  std::vector<std::size_t> order(parameters.size());
  std::iota(order.rbegin(), order.rend(), std::size_t{0});
  if (by_layer)
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return layer_of(parameters[a].name) > layer_of(parameters[b].name); });
  std::vector<FlatBucket> buckets;
  std::int64_t bytes = bucket_bytes;  // of the open bucket; none is open yet
  for (const std::size_t i : order) {
    const at::Tensor& tensor = parameters[i].tensor;
    const auto size = static_cast<std::int64_t>(tensor.nbytes());
    const bool same_type = !buckets.empty() && buckets.back().type == tensor.scalar_type();
    const bool fits =
        !buckets.empty() && (by_layer ? layer_of(parameters[buckets.back().parameters.front()].name) == layer_of(parameters[i].name)
                                      : same_type && bytes < bucket_bytes && size < bucket_bytes);
    if (!fits) {
      buckets.push_back({{}, {}, 0, 0, tensor.scalar_type(), tensor.device()});
      bytes = 0;
    }
    FlatBucket& bucket = buckets.back();
    GRPO_CHECK(bucket.type == tensor.scalar_type(), "the parameters of a layer are of one type; " + parameters[i].name + " is not");
    bucket.parameters.push_back(i);
    bucket.offsets.push_back(bucket.numel);
    bucket.numel += tensor.numel();
    bytes += size;
  }
  for (FlatBucket& bucket : buckets) {
    bucket.share = (bucket.numel + ranks - 1) / ranks;
    bucket.numel = bucket.share * ranks;
  }
  return buckets;
}

std::vector<FlatPiece> pieces_of(const FlatBucket& bucket, const std::vector<Parameter>& parameters, int rank) {
  std::vector<FlatPiece> pieces;
  const std::int64_t begin = rank * bucket.share, end = begin + bucket.share;
  for (std::size_t i = 0; i < bucket.parameters.size(); ++i) {
    const std::int64_t first = std::max(begin, bucket.offsets[i]);
    const std::int64_t last = std::min(end, bucket.offsets[i] + parameters[bucket.parameters[i]].tensor.numel());
    if (first < last) pieces.push_back({bucket.parameters[i], first - bucket.offsets[i], last - first, first - begin});
  }
  return pieces;
}

std::string piece_name(const Parameter& parameter, const FlatPiece& piece) {
  if (piece.count == parameter.tensor.numel()) return parameter.name;
  return parameter.name + "[" + std::to_string(piece.first) + ":" + std::to_string(piece.first + piece.count) + "]";
}

}  // namespace grpo
