/// Bytes that are written once, then mapped: what a compressed or CSV file becomes, so that its rows can be sought.
/// Internal to data/.
#pragma once

#include "libgrpo/format/mapped_file.hpp"

#include <filesystem>
#include <fstream>
#include <string_view>

namespace grpo::detail {

/// A file in the folder for temporary files (TMPDIR, else /tmp) that no longer has a name once it is mapped, so nothing is left
/// behind however the process ends. Memory: the pages in use, which the system may take back.
class ScratchRows {
 public:
  /// throws: Error{backend} if the file cannot be made
  ScratchRows();
  ScratchRows(const ScratchRows&) = delete;
  ScratchRows& operator=(const ScratchRows&) = delete;
  ~ScratchRows();

  /// throws: Error{backend} if the disk is full
  void write(std::string_view bytes);
  /// Ends the writing. Once only.
  [[nodiscard]] MappedFile map();

 private:
  [[noreturn]] void fail(const char* what) const;
  std::filesystem::path path_;
  std::ofstream out_;
};

}  // namespace grpo::detail
