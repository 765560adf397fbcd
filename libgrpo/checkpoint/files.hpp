/// Files that survive a crash: written, flushed, renamed.
#pragma once

#include <filesystem>
#include <string>

namespace grpo {

/// throws: Error{backend} with path and reason, as all functions here
void write_file(const std::filesystem::path& path, const std::string& content);
void sync_file(const std::filesystem::path& path);  ///< a folder's entries, if path is a folder
void make_folder(const std::filesystem::path& path);
/// Renames and flushes the folder that holds `to`, so that the new name is on disk.
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);
/// throws: Error{data} with path and reason
std::string read_file(const std::filesystem::path& path);

}  // namespace grpo
