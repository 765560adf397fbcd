/// safetensors files: read memory-mapped, write atomically in the order given.
///
/// Source: the safetensors format (8-byte little-endian header length, JSON header, tensor bytes).
/// Reading checks every length and offset against the file; a damaged file is an Error{data} naming file, tensor,
/// offset.
#pragma once

#include "libgrpo/format/mapped_file.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// One stored tensor. `data` points into the mapping; it may be unaligned for its type.
struct SafeTensor {
  std::string name;
  std::string dtype;  ///< as stored: "F32", "F16", "BF16", "I64", ...
  std::vector<std::int64_t> shape;
  std::span<const std::byte> data;
};

class SafetensorsFile {
 public:
  /// throws: Error{data}. cost: reads the header only
  explicit SafetensorsFile(const std::filesystem::path& path, MapAccess access = MapAccess::read);

  [[nodiscard]] const std::vector<SafeTensor>& tensors() const { return tensors_; }  ///< in file order
  [[nodiscard]] const SafeTensor* find(std::string_view name) const;                 ///< nullptr if absent
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  MappedFile file_;
  std::vector<SafeTensor> tensors_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, std::size_t, std::less<>> index_;  // name -> place in tensors_
};

/// Writes tensors (their `data` must hold exactly shape x dtype bytes) to `path`: header, bytes, fsync.
/// Not atomic by itself; callers write into a temporary folder and rename it (see checkpoint/).
/// throws: Error{backend} with the path and the system's reason (disk full, read-only), Error{contract} on a size
/// mismatch
void write_safetensors(const std::filesystem::path& path, const std::vector<SafeTensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

/// Bytes of one element: F32 4, BF16 2, I64 8, ... ; 0 for an unknown dtype
std::size_t dtype_bytes(std::string_view dtype) noexcept;

}  // namespace grpo
