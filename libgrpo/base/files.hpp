/// Whole files: read with a bound, and written so that they survive a crash (flushed, then renamed).
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>

namespace grpo {

/// throws: Error{backend} with path and reason, as all functions that write
void write_file(const std::filesystem::path& path, const std::string& content);
void sync_file(const std::filesystem::path& path);  ///< a folder's entries, if path is a folder
void make_folder(const std::filesystem::path& path);
/// Renames and flushes the folder that holds `to`, so that the new name is on disk.
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);
/// throws: Error{data} with path and reason: cannot be read, larger than `max_bytes`
std::string read_file(const std::filesystem::path& path, std::uintmax_t max_bytes = std::numeric_limits<std::uintmax_t>::max());

}  // namespace grpo
