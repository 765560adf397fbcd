/// GGUF files (versions 2 and 3, little-endian): metadata and tensors, memory-mapped, nothing copied until asked for.
///
/// A model that was split into NAME-00001-of-00003.gguf, ... is read as one file, whichever of its parts is named.
/// Source: the GGUF specification and block layouts of ggml. What it does not do: big-endian; gguf_write.hpp writes.
/// Every offset, length and count is checked against the file before use: a damaged file is an Error{data} that names
/// the file, the tensor and the offset.
#pragma once

#include "libgrpo/format/mapped_file.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace grpo {

/// A metadata value. Integers of all widths become int64 (u64 above 2^63-1 is refused), float32/64 become double.
using GgufValue = std::variant<std::int64_t, double, bool, std::string, std::vector<std::int64_t>, std::vector<double>, std::vector<bool>,
                               std::vector<std::string>>;

using GgufMetadata = std::map<std::string, GgufValue, std::less<>>;

namespace detail {
struct GgufPart;
}

struct GgufTensor {
  std::string name;
  std::vector<std::int64_t> shape;  ///< outermost first (row-major), i.e. ggml's `ne` reversed
  std::string type;                 ///< F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q4_K Q5_K Q6_K
  std::uint64_t offset = 0;         ///< bytes from the start of its file
  std::span<const std::byte> data;  ///< inside the mapping
};

class GgufFile {
 public:
  /// throws: Error{data} wrong magic, version, truncation, unknown tensor type (named), a part that is missing (named) or
  /// of another model. cost: reads metadata only
  explicit GgufFile(const std::filesystem::path& path);

  /// Of a split model: the first part.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] bool has(std::string_view key) const;
  /// throws: Error{data} naming file and key if absent or of another type
  [[nodiscard]] std::int64_t integer(std::string_view key) const;
  [[nodiscard]] double number(std::string_view key) const;  ///< integer or float
  [[nodiscard]] const std::string& text(std::string_view key) const;
  [[nodiscard]] const std::vector<std::string>& texts(std::string_view key) const;
  [[nodiscard]] const std::vector<std::int64_t>& integers(std::string_view key) const;
  [[nodiscard]] const GgufMetadata& metadata() const { return metadata_; }

  [[nodiscard]] const std::vector<GgufTensor>& tensors() const { return tensors_; }
  /// nullptr if absent
  [[nodiscard]] const GgufTensor* find(std::string_view name) const;

  /// Dequantises one tensor to float32. `out` has as many elements as the tensor.
  /// throws: Error{contract} if sizes differ. thread: safe, several tensors or ranges at once. cost: memory-bound
  static void dequantize(const GgufTensor& tensor, std::span<float> out);
  /// The same for elements [begin, begin + out.size()); begin must be a multiple of 256 (the largest block).
  static void dequantize(const GgufTensor& tensor, std::uint64_t begin, std::span<float> out);

 private:
  void adopt(detail::GgufPart&& part, const std::filesystem::path& path);

  std::filesystem::path path_;
  std::vector<MappedFile> files_;
  GgufMetadata metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> index_;  // name -> place in tensors_
};

}  // namespace grpo
