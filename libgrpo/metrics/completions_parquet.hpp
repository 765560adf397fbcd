/// A step's completions as a Parquet file, with the columns of TRL's: step, prompt, completion, one per reward function, advantage;
/// and besides them solution, reward (the weighted sum), tokens, truncated. For pandas, DuckDB and the like.
#pragma once

#include "libgrpo/metrics/audit.hpp"

#include <filesystem>
#include <vector>

namespace grpo {

/// A reward without a value is null; text that is no UTF-8 is written with replacement characters. Returns false, having written
/// nothing, in a build without Apache Arrow. throws: Error{backend} if the file cannot be written
bool write_completions_parquet(const std::filesystem::path& path, const std::vector<AuditColumn>& columns,
                               const std::vector<AuditGroup>& groups);

}  // namespace grpo
