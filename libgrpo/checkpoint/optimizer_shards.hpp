/// The optimizer's state in a checkpoint: one file, or one of each rank, read by any number of ranks.
///
///     optimizer.safetensors                  what one rank holds: whole tensors
///     optimizer-00002-of-00004.safetensors   what the second of four holds: flat pieces, "exp_avg.layers.0.qkv[1000:2500]" being the
///                                            elements 1000 to 2499 of that tensor; a name without brackets is the whole one
#pragma once

#include "libgrpo/policy/tensor_file.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace grpo {

/// rank: 0 to ranks - 1
std::string optimizer_file(int rank, int ranks);

/// Elements [first, end) of a tensor; end -1: to its end.
struct TensorRange {
  std::string name;
  std::int64_t first = 0, end = -1;
};
/// Takes "name[first:end]" apart. cost: pure
TensorRange tensor_range(const std::string& name);

/// The tensors and pieces that are wanted, by name and number of elements, out of whatever pieces the checkpoint's files hold. What is
/// stored as it is wanted keeps its shape, the others are flat.
/// throws: Error{data} naming what is missing
/// cost: memory of what is wanted; the files are mapped
NamedTensors load_optimizer_state(const std::filesystem::path& checkpoint, const std::vector<std::pair<std::string, std::int64_t>>& wanted);

}  // namespace grpo
