/// The two ways weights are read, and what both check. Private to policy/.
#pragma once

#include "libgrpo/policy/weights.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace grpo {

/// throws: Error{data} "file: why"
[[noreturn]] void refuse_weights(const std::filesystem::path& file, const std::string& why);

/// throws: Error{data} naming file, tensor and both shapes if they differ
void check_weight_shape(const std::filesystem::path& file, const std::string& name, const std::vector<std::int64_t>& found,
                        const at::Tensor& wanted);

/// Fills the slices from a Hugging Face folder (weights_folder.cpp), or from a .gguf file (weights_gguf.cpp). Mapping changes
/// the memory behind the tensors that the slices are parts of, not the tensors.
/// throws: Error{data} as load_weights
void read_folder(const std::filesystem::path& folder, const std::vector<NamedSlice>& slices, WeightPlace place);
void read_gguf(const std::filesystem::path& path, const std::vector<NamedSlice>& slices);

}  // namespace grpo
