#include "libgrpo/assemble/streams.hpp"

#include "libgrpo/base/error.hpp"

#include <fmt/format.h>

namespace grpo {
namespace {

/// One line without its end; false if there is none. std::getline has no limit.
bool read_line(std::istream& in, std::string& line) {
  line.clear();
  std::streambuf& source = *in.rdbuf();
  constexpr int kEnd = std::char_traits<char>::eof();
  int c = source.sbumpc();
  if (c == kEnd) return false;
  for (; c != kEnd && c != '\n'; c = source.sbumpc()) {
    if (line.size() == kLongestLine) throw Error(ErrorKind::data, fmt::format("the line is longer than {} MiB", kLongestLine >> 20));
    line += static_cast<char>(c);
  }
  return true;
}

}  // namespace

void for_each_line(std::istream& in, const std::string& name, const std::function<void(std::string_view, std::size_t)>& use) {
  std::size_t number = 1;
  try {
    for (std::string line; read_line(in, line); ++number)
      if (line.find_first_not_of(" \t\r") != std::string::npos) use(line, number);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}:{}: {}", name, number, error.what()));
  }
}

void finish(std::ostream& out) {
  out.flush();
  if (!out) throw Error(ErrorKind::backend, "the output cannot be written: is the disk full?");
}

}  // namespace grpo
