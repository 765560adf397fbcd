/// A file mapped into memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace grpo {

/// `copy_on_write`: the bytes may be written; a page that is becomes this process's own and the file stays as it is.
enum class MapAccess { read, copy_on_write };

/// Movable, unmapped on destruction. An empty file maps to an empty span. The file may be deleted or replaced by rename while
/// it is mapped; if somebody cuts it short in place, reading behind its new end ends the process (SIGBUS).
class MappedFile {
 public:
  MappedFile() = default;
  /// throws: Error{data} with the path and the system's reason
  explicit MappedFile(const std::filesystem::path& path, MapAccess access = MapAccess::read);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace grpo
