// Takes the place of arrow_*.cpp in a build without Arrow.
#include "libgrpo/base/error.hpp"
#include "libgrpo/data/arrow_files.hpp"

#include <fmt/format.h>

namespace grpo::detail {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, const char* kind) {
  throw Error{ErrorKind::data,
              fmt::format("{}: {} is read by Apache Arrow, which this build is without. Install it (pip install pyarrow into .venv, as "
                          "bash training.sh --setup-only does) and build again with -DGRPO_WITH_ARROW=ON; JSON lines need no Arrow",
                          path.string(), kind)};
}

}  // namespace

std::unique_ptr<Table> open_parquet(const std::filesystem::path& path, const std::vector<std::string>&) { refuse(path, "Parquet"); }
void read_csv(const std::filesystem::path& path, const std::function<void(std::string_view)>&) { refuse(path, "CSV"); }
void unpack(const std::filesystem::path& path, const std::function<void(std::string_view)>&) {
  refuse(path, "a file packed with gzip or zstd");
}

}  // namespace grpo::detail
