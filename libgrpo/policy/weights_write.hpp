/// Weights into a Hugging Face folder.
///
///     model.safetensors                      all tensors, where they fit into one file
///     model-00001-of-0000N.safetensors ...   else: in their order, each file filled as long as the next tensor fits; a
///                                            tensor larger than a file may be has one of its own
///     model.safetensors.index.json           beside them: {"metadata": {"total_size"}, "weight_map": {tensor: file}}
///
/// Source: the split, the names and the index are those of huggingface_hub's save_torch_state_dict.
#pragma once

#include "libgrpo/policy/weights.hpp"

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace grpo {

constexpr std::uint64_t kMaxShardBytes = 5'000'000'000;

/// Each tensor in its own type. Weights of an earlier save in this folder are replaced: each file is written aside and
/// renamed, the index last; then weight files that are not of this model are removed. So weights that are mapped from a file
/// of this folder may be written to it.
/// throws: Error{backend} with path and reason; Error{contract} for a type that files are not written with
void write_model_weights(const std::filesystem::path& folder, const std::vector<NamedSlice>& slices,
                         std::uint64_t max_shard_bytes = kMaxShardBytes);

/// Removes the weight files that are not in `kept`: those named above, and adapters, which transformers would put on top.
/// throws: Error{backend}
void remove_other_weight_files(const std::filesystem::path& folder, const std::set<std::string>& kept);

}  // namespace grpo
