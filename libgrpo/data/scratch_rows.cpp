#include "libgrpo/data/scratch_rows.hpp"

#include "libgrpo/base/error.hpp"

#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

namespace grpo::detail {

ScratchRows::ScratchRows() {
  std::string name = (std::filesystem::temp_directory_path() / "grpo_rows_XXXXXX").string();
  const int file = ::mkstemp(name.data());
  path_ = name;
  if (file < 0) fail("cannot be made");
  ::close(file);
  out_.open(path_, std::ios::binary | std::ios::trunc);
  if (!out_) fail("cannot be opened");
}

ScratchRows::~ScratchRows() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

void ScratchRows::write(std::string_view bytes) {
  if (!out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()))) fail("cannot be written");
}

MappedFile ScratchRows::map() {
  out_.close();
  if (!out_) fail("cannot be written");
  return MappedFile(path_);
}

void ScratchRows::fail(const char* what) const {
  throw Error{ErrorKind::backend,
              fmt::format("{}: a temporary file {}: {}. Rows of compressed and CSV files are laid out there; TMPDIR names another folder",
                          path_.string(), what, std::strerror(errno))};
}

}  // namespace grpo::detail
