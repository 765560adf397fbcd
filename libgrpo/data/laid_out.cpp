#include "libgrpo/data/laid_out.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/data/scratch_rows.hpp"

#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

namespace grpo::detail {
namespace {

template <class Number>
void put(std::string& bytes, Number number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

template <class Number>
Number take(const char*& at) {
  Number number;
  std::memcpy(&number, at, sizeof(number));
  at += sizeof(number);
  return number;
}

std::string take_text(const char*& at) {
  const auto size = take<std::uint64_t>(at);
  std::string text(at, size);
  at += size;
  return text;
}

/// All rows of a table, in a file of our own that nobody else sees: what was written is what is read.
class RowStore {
 public:
  explicit RowStore(const Table& table) {
    ScratchRows rows;
    std::uint64_t offset = 0;
    std::string bytes;
    for (std::size_t i = 0; i < table.size(); ++i) {
      const Columns columns = table.columns(i);
      bytes.clear();
      put(bytes, static_cast<std::uint32_t>(columns.size()));
      for (const auto& [name, value] : columns) {
        put(bytes, static_cast<std::uint64_t>(name.size()));
        bytes += name;
        put(bytes, value.kind);
        put(bytes, static_cast<std::uint64_t>(value.text.size()));
        bytes += value.text;
      }
      rows.write(bytes);
      starts_.push_back(offset);
      offset += bytes.size();
    }
    file_ = rows.map();
  }

  [[nodiscard]] Columns columns(std::size_t row) const {
    const char* at = reinterpret_cast<const char*>(file_.bytes().data()) + starts_.at(row);
    Columns columns;
    for (auto left = take<std::uint32_t>(at); left > 0; --left) {
      std::string name = take_text(at);
      const auto kind = take<JsonKind>(at);
      columns.emplace_hint(columns.end(), std::move(name), JsonColumn{kind, take_text(at)});
    }
    return columns;
  }

 private:
  std::vector<std::uint64_t> starts_;
  MappedFile file_;
};

class LaidOut final : public Table {
 public:
  explicit LaidOut(std::unique_ptr<OrderedTable> table) : table_(std::move(table)) {}
  [[nodiscard]] std::size_t size() const override { return table_->size(); }
  [[nodiscard]] Place place(std::size_t row) const override { return table_->place(row); }
  [[nodiscard]] Columns columns(std::size_t row) const override {
    const RowStore* store = laid_out();
    return store != nullptr ? store->columns(row) : table_->columns(row);
  }

 private:
  /// Others wait while one lays out: they would be slower on their own.
  [[nodiscard]] const RowStore* laid_out() const {
    const std::lock_guard lock(mutex_);
    if (store_ || failed_ || table_->skipped() <= table_->pieces()) return store_.get();
    try {
      store_ = std::make_unique<RowStore>(*table_);
    } catch (const Error&) {
      failed_ = true;
    }
    return store_.get();
  }

  std::unique_ptr<OrderedTable> table_;
  mutable std::mutex mutex_;
  mutable std::unique_ptr<RowStore> store_;
  mutable bool failed_ = false;
};

}  // namespace

std::unique_ptr<Table> lay_out_when_scattered(std::unique_ptr<OrderedTable> table) { return std::make_unique<LaidOut>(std::move(table)); }

}  // namespace grpo::detail
