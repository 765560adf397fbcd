/// Writes GGUF files (version 3, little-endian): metadata and tensors, in the order given.
///
/// Source: the GGUF specification. Tensor types: F32, F16, BF16, Q8_0. What it does not do: split files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace grpo {

/// A metadata value; its type is what the file says it is: llama.cpp takes a count from u32 and a constant from f32 alone.
using GgufEntry =
    std::variant<std::uint32_t, float, bool, std::string, std::vector<std::string>, std::vector<std::int32_t>, std::vector<float>>;
using GgufEntries = std::vector<std::pair<std::string, GgufEntry>>;

/// A tensor that is made row by row while it is written, so that no second model is in memory.
struct GgufTensorSource {
  std::string name;
  std::vector<std::int64_t> shape;  ///< outermost first; the last extent is a row
  std::string type;
  /// Fills whole rows, from `first` on.
  std::function<void(std::int64_t first, std::span<float> rows)> fill;
};

/// Whether a row of so many elements can be written as `type`.
bool gguf_can_write(std::string_view type, std::int64_t row);
/// Bytes of tensor data that will be written.
std::uint64_t gguf_data_bytes(const std::vector<GgufTensorSource>& tensors);

/// Written beside `path` and renamed, so that a file is there whole or not at all.
/// throws: Error{backend} with the path and the system's reason; Error{data} naming a tensor that holds a value its type
/// cannot; Error{contract} for a name, shape or type that cannot be written
void write_gguf(const std::filesystem::path& path, const GgufEntries& entries, const std::vector<GgufTensorSource>& tensors);

}  // namespace grpo
