/// Which elements of the parameters each rank updates, and how all ranks get what the others updated (zero_stage 1 and 2).
///
/// Each rank updates its share of every bucket (flat_layout.hpp), in place; then the shares are gathered.
#pragma once

#include "libgrpo/dist/world.hpp"
#include "libgrpo/trainer/flat_layout.hpp"

#include <vector>

namespace grpo {

/// A rank's pieces, flat; they share the parameters' storage. Their gradients are pieces of grads[bucket], which holds a share.
std::vector<Parameter> own_pieces(const std::vector<Parameter>& parameters, const std::vector<FlatBucket>& buckets, int rank,
                                  const std::vector<at::Tensor>& grads);

/// Whole parameters on every rank again, after each updated its pieces.
/// cost: (ranks-1)/ranks of their bytes sent by each rank; two buckets of memory
void gather_parameters(World& world, const std::vector<Parameter>& parameters, const std::vector<FlatBucket>& buckets);

}  // namespace grpo
