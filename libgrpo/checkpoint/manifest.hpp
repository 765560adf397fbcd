/// manifest.json, written last into a checkpoint: what every file of it must be.
///
///     {"format": 2, "step": 8, "files": {"config.json": {"size": 612, "xxh3": "90f1c2..."}, ...}, "xxh3": "..."}
///
/// xxh3 is XXH3 with 64 bits (Collet, xxHash 0.8) of the file's bytes; the last one is that of the manifest itself, without it. It finds
/// what disks and interrupted copies do to files, not what somebody does who wants to deceive. Checkpoints of format 1 have sizes alone and
/// are held against those.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace grpo {

/// Of all files that are in the folder. throws: Error{backend}, or Error{data} if a file cannot be read   cost: reads every file
void write_manifest(const std::filesystem::path& folder, std::int64_t step);

/// Why `checkpoint` is not what was saved, naming the file; empty if it is. cost: reads every file, about 0.1 s for a gigabyte in memory
std::string checkpoint_damage(const std::filesystem::path& checkpoint);

}  // namespace grpo
