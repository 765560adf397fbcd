// A Parquet file, with the columns and types that it says it has. Arrow itself is not built for fuzzing; what we make of it is.
#include "libgrpo/data/table.hpp"
#include "tests/fuzz/target.hpp"

using namespace grpo;

FUZZ_TARGET(parquet) {
  static const fuzz::Scratch kScratch;
  const auto path = kScratch.write("r.parquet", bytes);
  fuzz::may_refuse([&] {
    const auto table = detail::open_table(path);
    for (std::size_t row = 0; row < table->size() && row < 16; ++row) fuzz::may_refuse([&] { (void)table->columns(row); });
  });
}
