/// The two ways weights are read, and what both check. Private to policy/.
#pragma once

#include "libgrpo/policy/weights.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace grpo {

/// throws: Error{data} "file: why"
[[noreturn]] void refuse_weights(const std::filesystem::path& file, const std::string& why);

/// throws: Error{data} naming file, tensor and both shapes if they differ
void check_weight_shape(const std::filesystem::path& file, const std::string& name, const std::vector<std::int64_t>& found,
                        const at::Tensor& wanted);

/// A model's file or files, mapped, with a stored tensor found for every slice.
class OpenWeights {
 public:
  virtual ~OpenWeights() = default;
  /// Reads what is stored for slice number `index` and converts it to the type of `to`, a tensor of the slice's shape.
  virtual void read(std::size_t index, const at::Tensor& to) const = 0;
  /// unit: bytes, of all slices as they are stored
  [[nodiscard]] virtual std::uint64_t stored_bytes() const = 0;
};

/// A Hugging Face folder (weights_folder.cpp), a .gguf file (weights_gguf.cpp), or whichever of both `model` is. Slices give names and
/// shapes; their memory is not touched.
/// throws: Error{data} as load_weights
std::unique_ptr<OpenWeights> open_folder(const std::filesystem::path& folder, const std::vector<NamedSlice>& slices);
std::unique_ptr<OpenWeights> open_gguf(const std::filesystem::path& path, const std::vector<NamedSlice>& slices);
std::unique_ptr<OpenWeights> open_weights(const std::filesystem::path& model, const std::vector<NamedSlice>& slices);

/// Fills the slices from a folder; where its bytes are what is needed the memory behind the tensors that the slices are parts of
/// becomes the file's.
/// throws: Error{data} as load_weights
void map_folder(const std::filesystem::path& folder, const std::vector<NamedSlice>& slices);

}  // namespace grpo
