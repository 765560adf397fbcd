/// Tables that are cheap to read in order and dear to read at random, such as Parquet files of large row groups, made fit for both.
/// Internal to data/.
#pragma once

#include "libgrpo/data/table.hpp"

#include <cstdint>
#include <memory>

namespace grpo::detail {

/// A table that is decoded piece by piece, from the front.
class OrderedTable : public Table {
 public:
  [[nodiscard]] virtual std::int64_t pieces() const = 0;
  /// Pieces that were decoded only to get past them.
  [[nodiscard]] virtual std::int64_t skipped() const = 0;
};

/// Reads from `table` until as many pieces were skipped as it has. By then laying it out once would have cost no more: all rows are
/// written to a temporary file, exactly as they are, and read from there, so the cost is at most twice the best possible. Where that
/// fails (no room in TMPDIR, a damaged row) it goes on as before. Memory: 8 bytes a row, and pages that the system may take back.
std::unique_ptr<Table> lay_out_when_scattered(std::unique_ptr<OrderedTable> table);

}  // namespace grpo::detail
