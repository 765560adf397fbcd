/// What Apache Arrow reads: Parquet, CSV, and text packed with gzip or zstd. Internal to data/.
/// Built from arrow_*.cpp where CMake found Arrow, else from no_arrow.cpp, where each of these throws Error{data} that says what to
/// install. No Arrow header is seen outside of arrow_*.cpp.
#pragma once

#include "libgrpo/data/table.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::detail {

/// Rows are decoded in slices of at most a few thousand, of which the last few are kept (64 MiB together), so memory does not grow
/// with the file. Reading in order costs one decoding of the file. Reading at random costs up to one decoding of a row group a row,
/// unless the slice is still kept; before that adds up to twice the whole file, the rows are laid out in a temporary file (laid_out.hpp).
/// `only`: columns to read; empty: all. A column that is asked for and absent is left out.
/// throws: Error{data}: not Parquet, damaged, no rows
std::unique_ptr<Table> open_parquet(const std::filesystem::path& path, const std::vector<std::string>& only);

/// Each record of a CSV file (RFC 4180, first line: column names; .tsv: tabs) as one line of JSON, its values strings. The file may be
/// packed. throws: Error{data} with path, record and column: quotes left open, too few or too many fields, no UTF-8
void read_csv(const std::filesystem::path& path, const std::function<void(std::string_view)>& record);

/// The bytes of a .gz or .zst file, piece by piece. throws: Error{data} if it is damaged or cut off
void unpack(const std::filesystem::path& path, const std::function<void(std::string_view)>& piece);

}  // namespace grpo::detail
