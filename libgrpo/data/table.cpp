#include "libgrpo/data/table.hpp"

#include <algorithm>
#include <utility>

namespace grpo::detail {
namespace {

class JoinedTables final : public Table {
 public:
  explicit JoinedTables(std::vector<std::unique_ptr<Table>> tables) : tables_(std::move(tables)) {
    std::size_t end = 0;
    for (const auto& table : tables_) ends_.push_back(end += table->size());
  }

  [[nodiscard]] std::size_t size() const override { return ends_.back(); }
  [[nodiscard]] Columns columns(std::size_t row) const override {
    const auto [table, inner] = find(row);
    return table->columns(inner);
  }
  [[nodiscard]] Place place(std::size_t row) const override {
    const auto [table, inner] = find(row);
    return table->place(inner);
  }

 private:
  [[nodiscard]] std::pair<const Table*, std::size_t> find(std::size_t row) const {
    const auto end = std::upper_bound(ends_.begin(), ends_.end(), row);
    const auto& table = tables_[static_cast<std::size_t>(end - ends_.begin())];
    return {table.get(), row - (*end - table->size())};
  }

  std::vector<std::unique_ptr<Table>> tables_;
  std::vector<std::size_t> ends_;  // one behind the last row of each table
};

class PickedRows final : public Table {
 public:
  PickedRows(std::unique_ptr<Table> table, std::vector<std::uint32_t> rows) : table_(std::move(table)), rows_(std::move(rows)) {}

  [[nodiscard]] std::size_t size() const override { return rows_.size(); }
  [[nodiscard]] Columns columns(std::size_t row) const override { return table_->columns(rows_.at(row)); }
  [[nodiscard]] Place place(std::size_t row) const override { return table_->place(rows_.at(row)); }

 private:
  std::unique_ptr<Table> table_;
  std::vector<std::uint32_t> rows_;
};

}  // namespace

std::unique_ptr<Table> join_tables(std::vector<std::unique_ptr<Table>> tables) {
  if (tables.size() == 1) return std::move(tables.front());
  return std::make_unique<JoinedTables>(std::move(tables));
}

std::unique_ptr<Table> pick_rows(std::unique_ptr<Table> table, std::vector<std::uint32_t> rows) {
  return std::make_unique<PickedRows>(std::move(table), std::move(rows));
}

}  // namespace grpo::detail
