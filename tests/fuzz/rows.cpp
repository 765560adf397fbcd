// Rows of a dataset: JSON lines, a JSON array, CSV or TSV by the first byte, and a filter over them behind 0xff.
#include "libgrpo/data/filter.hpp"
#include "libgrpo/data/table.hpp"
#include "tests/fuzz/target.hpp"

#include <array>

using namespace grpo;

FUZZ_TARGET(rows) {
  static const fuzz::Scratch kScratch;
  if (bytes.empty()) return;
  constexpr std::array kNames{"r.jsonl", "r.json", "r.csv", "r.tsv"};
  const char* name = kNames[static_cast<unsigned char>(bytes.front()) % kNames.size()];
  bytes.remove_prefix(1);
  const auto path = kScratch.write(name, fuzz::next_part(bytes));
  fuzz::may_refuse([&] {
    const auto table = detail::open_table(path);
    for (std::size_t row = 0; row < table->size() && row < 64; ++row)
      fuzz::may_refuse([&] {
        const detail::Columns columns = table->columns(row);
        (void)table->place(row).full();
        for (const auto& [key, column] : columns)
          if (column.kind == detail::JsonKind::list) fuzz::may_refuse([&] { (void)detail::read_messages(column.text); });
        if (!bytes.empty()) (void)detail::Filter(std::string(bytes)).matches(columns);
      });
  });
}
