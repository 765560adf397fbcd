/// Parameters laid end to end in buckets, and each bucket cut into equal shares, one for each rank.
///
/// Buckets hold parameters of one type in the reverse of their order, which is about the order in which a backward pass completes their
/// gradients (Li et al. 2020, "PyTorch Distributed", section 3.2.3). Behind the last parameter a bucket is filled up to a multiple of the
/// ranks. A share cuts through parameters (Rajbhandari et al. 2020, "ZeRO", section 5): what a rank holds of one is a piece.
#pragma once

#include "libgrpo/policy/policy.hpp"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace grpo {

/// Elements [first, first + count) of a parameter, flattened; they lie at `at` in the share.
struct FlatPiece {
  std::size_t parameter = 0;
  std::int64_t first = 0, count = 0, at = 0;
};

struct FlatBucket {
  std::vector<std::size_t> parameters;
  std::vector<std::int64_t> offsets;  ///< where each of them begins
  std::int64_t numel = 0, share = 0;  ///< numel = share x ranks, what it was filled up with included
  at::ScalarType type = at::kFloat;
  at::Device device = at::kCPU;  ///< of its parameters

  [[nodiscard]] at::TensorOptions options() const { return at::TensorOptions(device).dtype(type); }
};

/// `bucket_bytes`: a bucket ends when it holds so many; a parameter of as many bytes has one of its own.
/// by_layer: a bucket holds all of one layer instead (names "layers.<i>."), and one holds what belongs to no layer, last
/// throws: Error{contract} with by_layer if the parameters of a layer differ in type
std::vector<FlatBucket> flat_buckets(const std::vector<Parameter>& parameters, std::int64_t bucket_bytes, int ranks, bool by_layer = false);

/// The pieces of parameters in a rank's share of a bucket, in order.
std::vector<FlatPiece> pieces_of(const FlatBucket& bucket, const std::vector<Parameter>& parameters, int rank);

/// "name" of a whole parameter, "name[first:end]" of a piece.
std::string piece_name(const Parameter& parameter, const FlatPiece& piece);

/// The layer of a parameter, -1: of none.
std::int64_t layer_of(const std::string& name);

}  // namespace grpo
