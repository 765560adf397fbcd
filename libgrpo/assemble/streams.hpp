/// Lines in and text out, for what the apps read from pipes and write to them.
#pragma once

#include <functional>
#include <istream>
#include <ostream>
#include <string>
#include <string_view>

namespace grpo {

inline constexpr std::size_t kLongestLine = std::size_t{64} << 20;  ///< bytes; a longer line is refused, not read

/// Calls `use(line, number)` for every line that is not blank; numbers count from 1, blank lines too.
/// throws: Error{data} "<name>:<number>: ..." if `use` throws an Error, or a line is too long
void for_each_line(std::istream& in, const std::string& name, const std::function<void(std::string_view, std::size_t)>& use);

/// Flushes. throws: Error{backend} if something written before did not arrive (disk full)
void finish(std::ostream& out);

}  // namespace grpo
