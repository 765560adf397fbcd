/// JSON lines and JSON arrays over mapped bytes. Internal to data/.
#pragma once

#include "libgrpo/data/table.hpp"
#include "libgrpo/format/mapped_file.hpp"

namespace grpo::detail {

/// One object a line; blank lines are skipped and counted. `path` is for messages. cost: one pass over the bytes, 8 bytes a row
/// `records`: the lines stand for the records of another kind of file, and are numbered as such.
/// throws: Error{data} if there is no row
enum class LineNames { lines, records };
std::unique_ptr<Table> lines_table(MappedFile file, std::filesystem::path path, LineNames names);

/// [{...}, {...}]: the elements are found by their brackets and quotes, and parsed when they are read. cost: as above
/// throws: Error{data} if the array does not end, has no element, or something stands behind it
std::unique_ptr<Table> array_table(MappedFile file, std::filesystem::path path);

/// Whether the first character that is not blank is '['.
bool is_json_array(const MappedFile& file);

}  // namespace grpo::detail
