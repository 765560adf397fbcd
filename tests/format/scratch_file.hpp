/// A file with given bytes in the temporary folder, removed at the end of the test.
#pragma once

#include "libgrpo/base/error.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace grpo::test {

class ScratchFile {
 public:
  explicit ScratchFile(std::string_view bytes = {}, std::string_view suffix = ".bin") {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("grpo_format_" + std::to_string(::getpid()) + "_" + std::to_string(count++) + std::string{suffix});
    std::ofstream{path_, std::ios::binary}.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::string read() const {
    std::ifstream in{path_, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }

 private:
  std::filesystem::path path_;
};

/// The bytes of a plain value, as they lie in a file.
template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// Message of the Error that `action` throws; nothing if it throws none or one of another kind.
template <class Action>
std::optional<std::string> message_of(ErrorKind kind, Action action) {
  try {
    action();
  } catch (const Error& error) {
    if (error.kind() == kind) return error.what();
  }
  return std::nullopt;
}

}  // namespace grpo::test
